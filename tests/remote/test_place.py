"""Names: paths and addresses told apart, sentences for what is neither, and no key ever shown."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import graders
from graders.cli import _main
from graders.errors import OptionError, RowsError, UnavailableError
from graders.remote import Remote, is_remote, named
from graders.remote.place import _store
from tests.batch.conftest import GRADER


@pytest.mark.parametrize(
    ("name", "scheme", "last", "endings"),
    [
        ("s3://bucket/a/rows.jsonl.gz", "s3", "rows.jsonl.gz", [".jsonl", ".gz"]),
        ("S3://bucket/rows.jsonl", "s3", "rows.jsonl", [".jsonl"]),
        ("gs://bucket/what?is#this.csv", "gs", "what?is#this.csv", [".csv"]),
        ("az://box/rows.parquet", "az", "rows.parquet", [".parquet"]),
        ("hf://datasets/me/it@main/rows.parquet", "hf", "rows.parquet", [".parquet"]),
        ("https://host/rows.jsonl.zst?sig=1.2#x", "https", "rows.jsonl.zst", [".jsonl", ".zst"]),
        ("https://host", "https", "", []),
    ],
)
def test_an_address_is_asked_about_as_a_path_is(
    name: str, scheme: str, last: str, endings: list[str]
) -> None:
    place = named(name)
    assert isinstance(place, Remote)
    assert (place.scheme, place.name, place.suffixes) == (scheme, last, endings)


@pytest.mark.parametrize(
    "name", ["rows.jsonl", "C:\\rows.jsonl", "C://rows", "a/s3/b", "-", "s3:x"]
)
def test_a_path_stays_a_path(name: str) -> None:
    assert named(name) == Path(name)
    assert not is_remote(name)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("s4://bucket/x", "s4:// is no scheme that can be read or written; did you mean s3://?"),
        ("s3a://bucket/x", "did you mean s3://?"),
        ("abfs://box/x", "did you mean az://?"),
        ("httpss://h/x", "did you mean https://?"),
        ("file:///etc/passwd", "give the path itself"),
        ("s3://", "s3://: no bucket is named behind s3://"),
        ("gs:///rows.jsonl", "no bucket is named behind gs://"),
        ("https://", "no host is named behind https://"),
        ("quux12://h/x", "known are s3://, gs://, az://, hf://, https://, http://"),
    ],
)
def test_a_scheme_that_is_not_known_is_a_sentence_with_the_nearest(name: str, said: str) -> None:
    with pytest.raises(OptionError) as raised:
        named(name)
    assert said in str(raised.value)


@pytest.mark.parametrize("name", ["s3://bucket", "s3://bucket/"])
def test_a_bucket_is_no_object_to_write(tmp_path: Path, name: str) -> None:
    """Nor is one beside it, of whomever, written to: s3://bucket.partial."""
    rows, place = tmp_path / "rows.jsonl", named(name)
    rows.write_bytes(b'{"item": {"a": "x"}, "sample": "x"}\n')
    assert isinstance(place, Remote)
    with pytest.raises(OSError, match="is a bucket; name an object in it"):
        place.put(rows)
    if not name.endswith("/"):  # As a folder it holds shards.
        with pytest.raises(
            OptionError, match=r"name an object in it, such as s3://bucket/results\.jsonl"
        ):
            graders.score_file(graders.load(GRADER), rows, name)
    assert not named("s3://bucket/results.jsonl").is_bucket  # type: ignore[union-attr]


def test_a_path_that_was_an_address_is_no_folder_of_this_machine(tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_bytes(b'{"item": {"a": "x"}, "sample": "x"}\n')
    with pytest.raises(OptionError, match="give it as text, with two slashes"):
        graders.score_file(graders.load(GRADER), rows, Path("s3://bucket/out.jsonl"))
    assert not Path("s3:").exists()


def test_no_key_is_shown() -> None:
    for name in (
        "https://user:KEY@host/a?X-Amz-Signature=KEY#KEY",
        "az://box/a?sig=KEY",
        "s3://user:KEY@bucket/a",
    ):
        place = named(name)
        assert "KEY" not in f"{place} {place!r}"
        assert "KEY" in place.url  # type: ignore[union-attr]
    with pytest.raises(OptionError) as raised:
        named("ftp://user:KEY@host/a?token=KEY")
    assert "KEY" not in str(raised.value)


def test_a_missing_package_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    _store.cache_clear()
    monkeypatch.setitem(sys.modules, "fsspec", None)
    for scheme, package in {
        "s3": "s3fs",
        "gs": "gcsfs",
        "az": "adlfs",
        "hf": "huggingface_hub",
    }.items():
        with pytest.raises(UnavailableError) as raised:
            graders.load(f"{scheme}://bucket/grader.json")
        assert (
            str(raised.value) == f"{scheme}:// needs {package}: pip install 'local-graders[remote]'"
        )


@pytest.mark.parametrize(
    "words",
    [
        ["score", "g.json", "rows.jsonl", "--api-key-file", "s3://bucket/x"],
        ["score", "g.json", "rows.jsonl", "--python", "s3://bucket/x"],
        ["serve", "--unix-socket", "s3://bucket/x"],
        ["job", "run", "job.json", "--data-dir", "s3://bucket/x"],
        ["init", "s3://bucket/x"],
    ],
)
def test_an_option_for_a_file_of_this_machine_says_so(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert _main(words) == 2
    assert (
        "s3://bucket/x is an address; a path of this machine is needed." in capsys.readouterr().err
    )
    assert not Path("s3:").exists()


def test_pages_are_not_written(tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_bytes(b'{"item": {"a": "x"}, "sample": "x"}\n')
    with pytest.raises(OptionError, match="pages can be read and not written"):
        graders.score_file(graders.load(GRADER), rows, "https://host/out.jsonl")


def test_results_do_not_replace_rows_elsewhere() -> None:
    place = named("s3://bucket/rows.jsonl")
    with pytest.raises(RowsError, match="holds the rows"):
        graders.api.check_apart([place], place)
    with pytest.raises(RowsError, match="the summary would replace"):
        graders.api.check_apart([], place, named("s3://bucket/rows.jsonl.manifest.json"))


@pytest.mark.more
def test_local_files_load_nothing_of_this(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_bytes(b'{"item": {"a": "x"}, "sample": "x"}\n')
    script = (
        f"import sys, graders; graders.score_file(graders.load({GRADER!r}), 'rows.jsonl', 'out.jsonl');"
        "print([one for one in ('fsspec', 'httpx2', 's3fs') if one in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"

"""Object storage on a real server: the same bytes as on this machine, through faults, kills and other machines."""

from __future__ import annotations

import functools
import gzip
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import graders
from graders.batch import elsewhere
from graders.cli import _main
from graders.cli.report import _check_apart
from graders.errors import OptionError, RowsError
from graders.remote import reader
from graders.remote.place import _store, named
from tests.batch.conftest import GRADER, lines
from tests.models.server import ScriptedServer, completion
from tests.remote.storage import KEYS, Way, moto, pointed_at, reached, way
from tests.waiting import PATIENCE, until

pytestmark = [pytest.mark.remote, pytest.mark.filterwarnings("ignore")]

ROWS = lines(3000)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with moto() as url:
        reached(url)
        yield url


@pytest.fixture
def to_it(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Way]:
    """A way to the server, a bucket with rows, and a store of this process that goes that way."""
    import fsspec

    monkeypatch.setattr("graders.remote.fault._LONGEST", 0.0)
    monkeypatch.setattr(reader, "PIECE", 1 << 14)
    with way(server) as found:
        for name, value in pointed_at(found.url, tmp_path / "spool").items():
            monkeypatch.setenv(name, value)
        _store.cache_clear()
        fsspec.spec.AbstractFileSystem.clear_instance_cache()
        fsspec.filesystem("s3").clear_instance_cache()
        system = fsspec.filesystem("s3", use_listings_cache=False)
        if system.exists("bucket"):
            system.rm("bucket", recursive=True)
        system.mkdir("bucket")
        system.pipe_file("bucket/in/rows.jsonl", ROWS)
        system.pipe_file("bucket/in/rows.jsonl.gz", gzip.compress(ROWS))
        system.pipe_file("bucket/g.json", json.dumps(GRADER).encode())
        yield found


def listed() -> set[str]:
    import fsspec

    return set(fsspec.filesystem("s3", use_listings_cache=False).find("bucket/out"))


def content(name: str) -> bytes:
    place: Any = named(name)
    data: bytes = place.read(1 << 30)
    return data


def score(*words: str) -> int:
    return _main(["score", "s3://bucket/g.json", *words, "--workers", "0"])


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.jsonl.gz"])
def test_the_same_bytes_as_on_this_machine(to_it: Way, expected: bytes, name: str) -> None:
    out = "s3://bucket/out/results.jsonl"
    assert score(f"s3://bucket/in/{name}", "-o", out, "--summary", f"{out}.summary") == 0
    assert content(out) == expected
    names = {"results.jsonl", "results.jsonl.manifest.json", "results.jsonl.summary"}
    assert listed() == {f"bucket/out/{one}" for one in names}
    manifest = content(f"{out}.manifest.json")
    assert json.loads(manifest)["complete"]["bytes"] == len(expected)
    assert not any(key.encode() in manifest for key in KEYS.values() if "KEY" in key)
    assert not any(one.is_file() for one in Path(os.environ["GRADERS_SPOOL"]).rglob("*"))
    assert not Path("s3:").exists()
    assert score(f"s3://bucket/in/{name}", "-o", out, "--resume") == 0  # Nothing is left to do.
    assert content(f"{out}.manifest.json") == manifest


def test_a_pattern_names_several_objects(to_it: Way, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.jsonl").write_bytes(ROWS[: 20_000 if name == "a" else 30_000])
        named(f"s3://bucket/many/{name}.jsonl").put(tmp_path / f"{name}.jsonl")  # type: ignore[union-attr]
    assert score("s3://bucket/many/*.jsonl", "-o", str(tmp_path / "there.jsonl")) == 0
    assert score(str(tmp_path / "?.jsonl"), "-o", str(tmp_path / "here.jsonl")) == 0
    there = (tmp_path / "there.jsonl").read_text().replace("s3://bucket/many", str(tmp_path))
    assert there == (tmp_path / "here.jsonl").read_text()


def test_faults_on_the_way_cost_no_row(
    to_it: Way, expected: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(elsewhere, "_BYTES", 30_000)
    kinds = ["cut", "lost", "500", "503", "slow"]
    to_it.fault = lambda number, *_: kinds[number // 3 % 5] if number % 3 == 0 else ""
    assert score("s3://bucket/in/rows.jsonl", "-o", "s3://bucket/out/r.jsonl") == 0
    to_it.fault = lambda *_: ""
    assert {*kinds} <= {*to_it.seen}
    assert content("s3://bucket/out/r.jsonl") == expected
    assert listed() == {"bucket/out/r.jsonl", "bucket/out/r.jsonl.manifest.json"}


_SCRIPT = """
import sys
from graders.batch import elsewhere, parallelism
from graders.cli import main
elsewhere._BYTES, parallelism._PURE_BLOCK = 30_000, 1 << 13
main(sys.argv[1:])
"""


def _far_or_over(parts: Callable[[], int], end: int, process: subprocess.Popen[bytes]) -> bool:
    return parts() >= end or process.poll() is not None


@pytest.mark.parametrize("same_machine", [True, False])
def test_a_killed_run_goes_on_here_and_elsewhere(
    to_it: Way, tmp_path: Path, expected: bytes, same_machine: bool
) -> None:
    out = "s3://bucket/out/killed.jsonl"
    words = [
        "score",
        "s3://bucket/g.json",
        "s3://bucket/in/rows.jsonl",
        "-o",
        out,
        "--workers",
        "0",
    ]
    spools = (
        [tmp_path / "spool"] * 9 if same_machine else [tmp_path / f"spool{one}" for one in range(9)]
    )
    ends, taken = [2, 5], [0]

    def parts() -> int:
        try:
            return len(json.loads(content(f"{out}.partial/state.json"))["parts"])
        except FileNotFoundError:
            return 0

    for number, end in enumerate(ends):
        process = subprocess.Popen(
            [sys.executable, "-c", _SCRIPT, *words, "--resume"],
            env=pointed_at(to_it.url, spools[number]), cwd=tmp_path,
        )  # fmt: skip
        until(functools.partial(_far_or_over, parts, end, process))
        process.send_signal(signal.SIGKILL)
        process.wait(PATIENCE)
        taken.append(parts())
        assert taken[-1] >= end > taken[-2]
    assert "bucket/out/killed.jsonl" not in listed()  # Whole or not at all.
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT, *words, "--resume", "--json"],
        env=pointed_at(to_it.url, spools[-1]), cwd=tmp_path, capture_output=True, check=True,
    )  # fmt: skip
    assert json.loads(done.stdout)["resumed_rows"] > 0
    assert content(out) == expected
    assert listed() == {"bucket/out/killed.jsonl", "bucket/out/killed.jsonl.manifest.json"}


def test_what_stands_there_is_asked_about_and_dropped_on_demand(
    to_it: Way, expected: bytes, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = "s3://bucket/out/some.jsonl"
    assert score("s3://bucket/in/rows.jsonl", "-o", out, "--max-failures", "20") == 1
    assert "the finished rows are in s3://bucket/out/some.jsonl.partial" in capsys.readouterr().err
    assert score("s3://bucket/in/rows.jsonl", "-o", out) == 2
    assert "--resume goes on with them, --restart drops them" in capsys.readouterr().err
    assert score("s3://bucket/in/rows.jsonl", "-o", out, "--resume", "--on-error", "zero") == 2
    assert "s3://bucket/out/some.jsonl cannot be resumed: an option" in capsys.readouterr().err
    assert score("s3://bucket/in/rows.jsonl", "-o", out, "--restart") == 0
    assert content(out) == expected
    assert listed() == {"bucket/out/some.jsonl", "bucket/out/some.jsonl.manifest.json"}


def test_of_two_machines_the_later_goes_on(
    to_it: Way, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest: dict[str, Any] = {
        "format": 1, "versions": {}, "grader": {"name": "g", "type": "multi", "sha256": "1"},
        "metrics": {}, "sandbox": None, "options": {}, "inputs": [],
    }  # fmt: skip
    line = b'{"index":%d,"reward":1.0,"sub_rewards":{},"failures":[]}\n'
    remote: Any = named("s3://bucket/out/two.jsonl")
    monkeypatch.setattr(elsewhere, "_BYTES", 10)
    with elsewhere.RemoteOutput(remote, manifest, first=0) as first:
        first.write(line % 0)
        monkeypatch.setenv("GRADERS_SPOOL", str(tmp_path / "other"))
        with elsewhere.RemoteOutput(remote, manifest, resume=True, first=0) as second:
            assert second.finished.rows == 1
            with pytest.raises(RowsError, match="another run has begun to write it"):
                first.write(line % 1)
            with pytest.raises(RowsError, match="another run has begun to write it"):
                first.finish(2)
            second.write(line % 1)
            second.finish(2)
    assert content(str(remote)) == line % 0 + line % 1


def test_an_object_that_changes_ends_the_run(to_it: Way, tmp_path: Path) -> None:
    (tmp_path / "others.jsonl").write_bytes(ROWS[::-1])

    blocks = graders.rows.find_source(["s3://bucket/in/rows.jsonl"]).blocks(1 << 14)
    assert next(blocks).index == 0
    named("s3://bucket/in/rows.jsonl").put(tmp_path / "others.jsonl")  # type: ignore[union-attr]
    with pytest.raises(RowsError, match="changed while it was read"):
        list(blocks)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("s3://bucket/in/none.jsonl", "s3://bucket/in/none.jsonl: there is no such object"),
        ("s3://nowhere/in/none.jsonl", "s3://nowhere/in/none.jsonl: there is no such bucket"),
        ("s3://bucket/in", "is a folder; name its files, such as s3://bucket/in/*.jsonl"),
        ("s3://bucket/in/", "is a folder; name its files, such as s3://bucket/in/*.jsonl"),
        ("s3://bucket/in/*.csv", "s3://bucket/in/*.csv: no object fits this pattern"),
    ],
)
def test_what_is_not_there_is_a_sentence(
    to_it: Way, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, said: str
) -> None:
    assert score(name, "-o", str(tmp_path / "out.jsonl")) == 2
    assert said in capsys.readouterr().err


def test_no_credentials_are_a_sentence(
    to_it: Way, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fsspec

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    _store.cache_clear()
    fsspec.filesystem("s3").clear_instance_cache()
    with pytest.raises(RowsError, match="no access: Unable to locate credentials"):
        graders.score_file(
            graders.load(GRADER), "s3://bucket/in/rows.jsonl", tmp_path / "out.jsonl"
        )


def test_a_report_is_made_there(to_it: Way, capsys: pytest.CaptureFixture[str]) -> None:
    out = "s3://bucket/out/r.jsonl"
    assert score("s3://bucket/in/rows.jsonl", "-o", out) == 0
    words = ["report", out, "-o", "s3://bucket/out/r.html", "--rows", "s3://bucket/in/rows.jsonl"]
    assert _main(words) == 0
    assert content("s3://bucket/out/r.html").startswith(b"<!doctype html>")
    with pytest.raises(OptionError, match="the page would replace it"):
        _check_apart(out, [named(out)])


def test_a_cache_in_a_bucket_is_paid_for_once(
    to_it: Way, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-x")
    judge = {
        "type": "score_model", "name": "j", "model": "m", "range": [0, 1],
        "input": [{"role": "user", "content": "{{ item.a }}"}],
    }  # fmt: skip
    to_it.fault = lambda number, *_: (
        ["cut", "lost", "500"][number // 4 % 3] if number % 4 == 0 else ""
    )
    rows = [{"item": {"a": f"text {one}"}, "sample": "x"} for one in range(15)]
    server = ScriptedServer(lambda asked, _: completion('{"steps": [], "result": 0.5}'))
    try:
        for machine in ("first", "second"):
            monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / machine))
            grader = graders.load(
                judge, base_url=server.url, cache="all", cache_file="s3://bucket/replies"
            )
            with grader:
                assert [one.reward for one in grader.grade_many(rows)] == [0.5] * 15
    finally:
        server.stop()
    assert len(server.asked) == 15
    assert to_it.seen["500"] > 1


def test_parts_in_a_bucket_are_scored_by_any_machine(
    to_it: Way, tmp_path: Path, expected: bytes
) -> None:
    words = [
        "score",
        "s3://bucket/g.json",
        "s3://bucket/in/rows.jsonl",
        "-o",
        "s3://bucket/out/parts/",
    ]
    words += ["--workers", "0", "--resume", "--shard"]
    state = "s3://bucket/out/parts/part-00001-of-00003.jsonl.partial/state.json"

    def worker(machine: str, shard: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-c", _SCRIPT, *words, shard],
            env=pointed_at(to_it.url, tmp_path / machine), cwd=tmp_path,
        )  # fmt: skip

    def parts() -> int:
        try:
            return len(json.loads(content(state))["parts"])
        except FileNotFoundError:
            return 0

    killed = worker("a", "1/3")
    until(functools.partial(_far_or_over, parts, 1, killed))
    killed.send_signal(signal.SIGKILL)
    assert killed.wait(PATIENCE) == -signal.SIGKILL
    others = [worker(machine, f"{one}/3") for one, machine in enumerate("bcd")]
    assert [one.wait(PATIENCE) for one in others] == [0] * 3
    before = to_it.sent
    assert worker("e", "2/3").wait(PATIENCE) == 0  # A part fetches its own rows and its results.
    assert to_it.sent - before < len(ROWS) / 2 + len(expected)
    assert _main(["merge", "s3://bucket/out/parts/", "-o", "s3://bucket/out/whole.jsonl"]) == 0
    assert content("s3://bucket/out/whole.jsonl") == expected
    assert _main(["merge", "s3://bucket/out/parts", "-o", "s3://bucket/out/whole.parquet"]) == 0
    assert content("s3://bucket/out/whole.parquet").startswith(b"PAR1")


def test_failed_rows_of_results_there_are_scored_again(
    to_it: Way, expected: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, again = "s3://bucket/out/first.jsonl", str(tmp_path / "again.jsonl")
    assert score("s3://bucket/in/rows.jsonl", "-o", first) == 0
    assert score("s3://bucket/in/rows.jsonl", "-o", again, "--only-failed", first) == 0
    assert Path(again).read_bytes() == expected  # What failed fails again, and the rest was kept.
    words = ("s3://bucket/in/rows.jsonl", "-o", first, "--only-failed", first)
    assert score(*words, "--restart") == 0  # In its place.
    assert content(first) == expected
    assert "only_failed" in json.loads(content(f"{first}.manifest.json"))
    capsys.readouterr()
    assert score(*words[:-1], "s3://bucket/out/none.jsonl") == 2
    none = "s3://bucket/out/none.jsonl: cannot be read: there is no such object"
    assert none in capsys.readouterr().err
    assert (
        score("s3://bucket/in/rows.jsonl", "-o", again, "--only-failed", "s3://bucket/g.json") == 2
    )
    assert "s3://bucket/g.json: line 1 is not a result line" in capsys.readouterr().err
    assert not list(Path(tempfile.gettempdir()).glob("graders-*/first.jsonl"))


def test_prices_and_texts_are_read_there(
    to_it: Way, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-x")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    judge: Any = {"type": "score_model", "name": "j", "model": "m", "range": [0, 1],
                  "input": [{"role": "user", "content": "{{ item.a }}"}]}  # fmt: skip
    for name, value in {"j.json": judge, "prices.json": {"m": {"prompt": 1, "completion": 1}},
                        "item.json": {"a": "x"}}.items():  # fmt: skip
        named(f"s3://bucket/{name}").put_bytes(json.dumps(value).encode())  # type: ignore[union-attr]
    server = ScriptedServer(lambda *_: completion('{"steps": [], "result": 0.5}'))
    out = "s3://bucket/out/j.jsonl"
    words = ["score", "s3://bucket/j.json", "s3://bucket/in/rows.jsonl", "-o", out, "--limit", "2",
             "--base-url", server.url, "--json", "--prices"]  # fmt: skip
    try:
        assert _main([*words, "s3://bucket/prices.json"]) == 0
        assert json.loads(capsys.readouterr().out)["cost"]["dollars"] > 0
        assert _main([*words, "s3://bucket/nowhere.json"]) == 2
        said = "s3://bucket/nowhere.json cannot be read: there is no such object"
        assert said in capsys.readouterr().err
    finally:
        server.stop()
    run = [
        "run",
        "s3://bucket/g.json",
        "--item",
        "@s3://bucket/item.json",
        "--sample",
        "x",
        "--json",
    ]
    assert _main(run) == 0
    assert json.loads(capsys.readouterr().out)["reward"] == 1.0


def test_every_output_may_stand_there(
    to_it: Way, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    there = "s3://bucket/out"
    for name in ("a", "b"):
        assert (
            score("s3://bucket/in/rows.jsonl", "-o", f"{there}/{name}.jsonl", "--by", "item.b") == 0
        )
    assert _main(["diff", f"{there}/a.jsonl", f"{there}/b.jsonl", "-o", f"{there}/d.jsonl"]) == 0
    assert len(content(f"{there}/d.jsonl").splitlines()) == len(
        content(f"{there}/a.jsonl").splitlines()
    )
    assert _main(["diff", f"{there}/a.jsonl", f"{there}/b.jsonl", "-o", f"{there}/b.jsonl"]) == 2
    assert "is compared; its deltas would replace it" in capsys.readouterr().err
    _main(["convert", "s3://bucket/g.json", "--to", "gemini", "-o", f"{there}/gemini.json"])
    assert json.loads(content(f"{there}/gemini.json"))
    assert (
        _main(["convert", "s3://bucket/g.json", "--to", "gemini", "-o", f"{there}/gemini.json"])
        == 2
    )
    assert "gemini.json is there already; --force writes over it" in capsys.readouterr().err
    suite = Path(__file__).parents[2] / "samples" / "partial-credit"
    for one in suite.iterdir():
        named(f"s3://bucket/suites/deep/{one.name}").put(one)  # type: ignore[union-attr]
    assert _main(["test", "s3://bucket/suites/", "--junit", f"{there}/junit.xml"]) == 0
    assert content(f"{there}/junit.xml").startswith(b"<?xml")


def test_a_job_is_run_with_its_files_there(
    to_it: Way, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for one in (Path(__file__).parents[2] / "samples" / "rft-job").iterdir():
        named(f"s3://bucket/job/{one.name}").put(one)  # type: ignore[union-attr]
    words = ["job", "run", "s3://bucket/job/job.json", "--data-dir", str(tmp_path / "data")]
    assert _main(words) == 0
    assert "training_file s3://bucket/job/train.jsonl is file-" in capsys.readouterr().err
    assert _main([*words, "--validation", "s3://bucket/job/none.jsonl"]) == 2
    said = "s3://bucket/job/none.jsonl cannot be read: there is no such object"
    assert said in capsys.readouterr().err

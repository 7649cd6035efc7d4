"""Pages: with ranges and without, cut, failing and changing ones, and where they may lead to."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import graders
from graders.cli import _main
from graders.errors import RowsError
from graders.remote import named, reader
from tests.batch.conftest import GRADER, lines
from tests.remote.pages import Pages

pytestmark = pytest.mark.usefixtures("at_once")

ROWS = lines(3000)
PIECE = 1 << 14


@pytest.fixture(autouse=True)
def _pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many requests for few rows."""
    monkeypatch.setattr(reader, "PIECE", PIECE)


def scored(url: str, out: Path, **options: Any) -> bytes:
    graders.score_file(graders.load(GRADER), url, out, workers=0, **options)
    return out.read_bytes()


@pytest.mark.parametrize("ranges", [True, False])
@pytest.mark.parametrize("name", ["/rows.jsonl", "/rows.jsonl.gz"])
def test_rows_come_as_from_a_file(
    served: Pages, tmp_path: Path, expected: bytes, name: str, ranges: bool
) -> None:
    served.files = {"/rows.jsonl": ROWS, "/rows.jsonl.gz": gzip.compress(ROWS)}
    served.ranges = ranges
    assert scored(f"{served.url}{name}?key=SECRET", tmp_path / "out.jsonl") == expected
    text = (tmp_path / "out.jsonl.manifest.json").read_text()
    assert "SECRET" not in text
    assert json.loads(text)["inputs"][0]["path"] == f"{served.url}{name}"


@pytest.mark.parametrize("ranges", [True, False])
@pytest.mark.parametrize("fault", ["cut", "503", "429"])
def test_a_cut_connection_and_a_server_that_is_too_busy_cost_no_row(
    served: Pages, tmp_path: Path, expected: bytes, fault: str, ranges: bool
) -> None:
    served.files, served.ranges = {"/rows.jsonl": ROWS}, ranges
    served.fault = lambda number: fault if number % 3 == 2 else ""
    assert scored(f"{served.url}/rows.jsonl", tmp_path / "out.jsonl") == expected
    assert len(served.seen) > 2


def test_parquet_is_read_by_ranges(served: Pages, tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    count = 6000
    table = pa.table(
        {
            "item": [{"a": "x"}] * count,
            "sample": ["x"] * count,
            "unread": [random.Random(index).randbytes(400) for index in range(count)],
        }
    )
    parquet.write_table(table, tmp_path / "rows.parquet", row_group_size=600)
    whole = (tmp_path / "rows.parquet").read_bytes()
    served.files = {"/rows.parquet": whole}
    served.fault = lambda number: "cut" if number % 4 == 3 else ""
    ours = scored(f"{served.url}/rows.parquet", tmp_path / "out.jsonl")
    served.fault = lambda _: ""
    assert ours == scored(str(tmp_path / "rows.parquet"), tmp_path / "local.jsonl")
    served.seen.clear()
    scored(f"{served.url}/rows.parquet", tmp_path / "few.jsonl", limit=10)
    spans = [one.removeprefix("bytes=").split("-") for _, one in served.seen if one]
    fetched = sorted((int(start), int(stop)) for start, stop in spans if stop != "0")
    assert sum(stop - start for start, stop in fetched) < len(whole) / 2
    assert all(one[1] < after[0] for one, after in pairwise(fetched)), "fetched twice"
    served.ranges = False  # A copy is made then.
    assert scored(f"{served.url}/rows.parquet", tmp_path / "copied.jsonl") == ours


def test_a_page_that_changes_meanwhile_ends_the_run(served: Pages, tmp_path: Path) -> None:
    served.files = {"/rows.jsonl": ROWS}

    def change(number: int) -> str:
        if number == 4:
            served.files["/rows.jsonl"] = ROWS[::-1]
        return ""

    served.fault = change
    with pytest.raises(RowsError, match="changed while it was read"):
        scored(f"{served.url}/rows.jsonl", tmp_path / "out.jsonl")
    assert not (tmp_path / "out.jsonl").exists()


def test_a_run_goes_on_with_a_page_and_not_with_another(
    served: Pages, tmp_path: Path, expected: bytes
) -> None:
    served.files = {"/rows.jsonl": ROWS}
    url, out = f"{served.url}/rows.jsonl", tmp_path / "out.jsonl"
    with pytest.raises(graders.StoppedError):
        scored(url, out, max_failures=graders.MaxFailures(count=20))
    served.files = {"/rows.jsonl": ROWS[:-1] + b" "}
    with pytest.raises(RowsError, match="holds other rows of the same size"):
        scored(url, out, resume=True)
    served.files = {"/rows.jsonl": ROWS}
    assert scored(url, out, resume=True) == expected


@pytest.mark.parametrize("tags", [True, False])
def test_a_page_without_a_tag_is_known_by_its_digest(
    served: Pages, tmp_path: Path, expected: bytes, tags: bool
) -> None:
    served.files, served.tags = {"/rows.jsonl": ROWS}, tags
    assert scored(f"{served.url}/rows.jsonl", tmp_path / "out.jsonl") == expected
    known = json.loads((tmp_path / "out.jsonl.manifest.json").read_text())["inputs"][0]
    assert ("version" in known, "sha256" in known) == (tags, not tags)


@pytest.mark.parametrize(
    ("leads", "said"),
    [
        ("https://127.0.0.1/x", "it leads on from http:// to https://, which is not followed"),
        ("file:///etc/passwd", "it leads on from http:// to file://, which is not followed"),
        ("s3://bucket/x", "it leads on from http:// to s3://, which is not followed"),
        ("/rows.jsonl", "it leads on more than 10 times"),
    ],
)
def test_a_page_leads_on_within_its_scheme_only(
    served: Pages, tmp_path: Path, leads: str, said: str
) -> None:
    served.leads = {"/rows.jsonl": leads}
    with pytest.raises(RowsError, match=said):
        scored(f"{served.url}/rows.jsonl", tmp_path / "out.jsonl")


def test_a_page_that_leads_on_is_read(served: Pages, tmp_path: Path, expected: bytes) -> None:
    served.leads = {"/latest": "/v2/rows.jsonl"}
    served.files = {"/v2/rows.jsonl": ROWS}
    assert scored(f"{served.url}/latest", tmp_path / "out.jsonl") == expected


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("404", "there is nothing at this address"),
        ("403", "access is denied (HTTP 403)"),
        ("500", "the server answers 500 (tried 8 times)"),
        ("418", "the server answers 418"),
    ],
)
def test_what_cannot_be_read_is_a_sentence_without_keys(
    served: Pages, capsys: pytest.CaptureFixture[str], fault: str, said: str
) -> None:
    served.fault = lambda _: fault
    url = f"http://me:SECRET@{served.url.removeprefix('http://')}/grader.json?sig=SECRET"
    assert _main(["validate", url]) == 2
    told = capsys.readouterr().err
    assert said in told
    assert "SECRET" not in told


def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(
        RowsError,
        match=r"the server cannot be reached \(tried 8 times.*\); see whether this machine can reach it",
    ):
        scored("http://127.0.0.1:9/rows.jsonl", tmp_path / "out.jsonl")


def test_a_server_that_gives_more_than_was_asked_for_fills_no_memory(served: Pages) -> None:
    served.files = {"/x": b"x" * (1 << 20)}
    place: Any = named(f"{served.url}/x")
    with pytest.raises(OSError, match="longer than 1,000 bytes"):
        place.read(1000)


def test_graders_suites_and_results_are_read(
    served: Pages, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    suite = {
        "grader": "../g.json",
        "cases": [{"name": "one", "item": {"a": "x"}, "sample": "x", "reward": 1}],
    }
    served.files = {
        "/a/s.graders.json": json.dumps(suite).encode(),
        "/g.json": json.dumps(GRADER).encode(),
        "/rows.jsonl": b'{"item": {"a": "x"}, "sample": "x"}\n',
    }
    assert _main(["test", f"{served.url}/a/s.graders.json"]) == 0
    assert "1 passed" in capsys.readouterr().out
    assert _main(["test", f"{served.url}/a/s.graders.json", "--update"]) == 0
    out = tmp_path / "out.jsonl"
    assert _main(["score", f"{served.url}/g.json", f"{served.url}/rows.jsonl", "-o", str(out)]) == 0
    served.files["/out.jsonl"] = out.read_bytes()
    capsys.readouterr()
    assert _main(["report", f"{served.url}/out.jsonl"]) == 0
    assert "mean reward" in capsys.readouterr().out


def test_pages_are_not_listed(served: Pages, tmp_path: Path) -> None:
    served.files = {"/rows.jsonl": ROWS}
    with pytest.raises(RowsError, match="nothing at this address"):
        scored(f"{served.url}/*.jsonl", tmp_path / "out.jsonl")


def broken(action: Callable[[], object]) -> str:
    with pytest.raises(OSError) as raised:
        action()
    return str(raised.value)


def test_a_connection_that_is_always_cut_ends_in_a_sentence(served: Pages) -> None:
    served.files = {"/x": b"x" * 100_000}
    for ranges in (True, False):
        served.ranges = ranges
        place: Any = named(f"{served.url}/x")
        _ = place.found
        served.fault = lambda _: "cut"
        assert "cut" in broken(lambda place=place: place.open().read())  # type: ignore[misc]
        served.fault = lambda _: ""

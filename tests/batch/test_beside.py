"""Judgements beside results: the same rows, whatever stops a run, and whatever is left on the disk."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import graders
from graders.errors import OptionError, StoppedError
from tests.models.conftest import serve as serve  # noqa: PLC0414
from tests.models.server import Asked, ScriptedServer, Told, completion, error
from tests.waiting import until

GRADER = {
    "type": "multi", "name": "m", "calculate_output": "a + b",
    "graders": {
        "a": {"type": "score_model", "name": "a", "model": "m",
              "input": [{"role": "user", "content": "{{ sample.output_text }}"}]},
        "b": {"type": "string_check", "name": "b", "operation": "eq",
              "input": "{{ sample.output_text }}", "reference": "x"},
    },
}  # fmt: skip
COUNT = 40


def script(asked: Asked, _: int) -> Told:
    row = int(asked.body["messages"][-1]["content"].removeprefix("answer "))
    return completion(json.dumps({
        "steps": [{"description": f"é\u2028 {row}", "conclusion": "fine"}], "result": row % 5 / 4,
    }))  # fmt: skip


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "rows.jsonl"
    lines: list[Any] = [{"item": {}, "sample": f"answer {n}"} for n in range(COUNT)]
    lines[7] = {"item": {}, "sample": None}  # Nobody is asked about it.
    path.write_text("\n".join(map(json.dumps, lines)) + "\nbroken\n")
    return path


Score = Callable[..., Any]


@pytest.fixture
def judged(rows: Path, tmp_path: Path) -> Score:
    """Score the rows by a server to a file."""

    def score(server: ScriptedServer, output: str, **more: Any) -> Any:
        options = {"base_url": server.url, "concurrency": 4, "cache": "none"}
        with graders.load(GRADER, **options) as grader:  # type: ignore[arg-type]
            return graders.score_file(grader, rows, tmp_path / output, keep_judgements=True, **more)

    return score


def read(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text().split("\n")[:-1]]


def judgements(folder: Path, name: str) -> bytes:
    return (folder / f"{name}.judgements.jsonl").read_bytes()


def test_each_row_has_its_line_also_where_nobody_was_asked(
    serve: Any, judged: Score, tmp_path: Path
) -> None:
    judged(serve(script), "out.jsonl")
    kept = read(tmp_path / "out.jsonl.judgements.jsonl")
    assert [one["index"] for one in kept] == list(range(COUNT + 1))
    assert [len(one["judgements"]) for one in kept] == [
        n not in {7, COUNT} for n in range(COUNT + 1)
    ]
    assert kept[3]["judgements"][0]["grader"] == "a"
    assert kept[3]["judgements"][0]["steps"][0]["description"] == "é\u2028 3"


def stop_in_the_middle(server: ScriptedServer, judged: Score, output: str) -> None:
    """Leave an interrupted run behind, of more rows than one block."""

    def few(asked: Asked, count: int) -> Told:
        row = int(asked.body["messages"][-1]["content"].removeprefix("answer "))
        return error(400) if row >= COUNT // 2 else script(asked, count)

    server.script = few
    with pytest.raises(StoppedError):
        judged(server, output, max_failures=graders.MaxFailures(count=1))
    server.script = script


@pytest.mark.parametrize(
    "harm",
    [
        *("torn line", "gone", "results torn"),
        *(
            pytest.param(one, marks=pytest.mark.more)
            for one in ("nothing", "fewer lines", "more lines")
        ),
    ],
)
def test_whatever_an_interruption_left_the_files_end_as_those_of_one_run(
    serve: Any, judged: Score, tmp_path: Path, harm: str
) -> None:
    server = serve(script)
    stop_in_the_middle(server, judged, "out.jsonl")
    place = tmp_path / "out.jsonl.partial.judgements.jsonl"
    results = tmp_path / "out.jsonl.partial"
    whole = place.read_bytes()
    assert 2 < whole.count(b"\n") == results.read_bytes().count(b"\n") < COUNT
    assert place.stat().st_mode & 0o777 == 0o600
    lines = whole.splitlines(keepends=True)
    match harm:
        case "torn line":
            place.write_bytes(whole[:-9])
        case "fewer lines":
            place.write_bytes(b"".join(lines[:2]))
        case "more lines":
            more = lines[-1].replace(
                b'{"index":%d,' % (len(lines) - 1), b'{"index":%d,' % len(lines)
            )
            place.write_bytes(whole + more + b'{"index":')
        case "gone":
            place.unlink()
        case "results torn":
            results.write_bytes(results.read_bytes()[:-9])
    # What failed is in the results: rows that a server refused fail again as they did.
    stop = server.script
    server.script = lambda asked, n: (
        error(400)
        if int(asked.body["messages"][-1]["content"][7:]) >= COUNT // 2
        else stop(asked, n)
    )
    judged(server, "out.jsonl", resume=True)
    judged(server, "whole.jsonl")
    assert (tmp_path / "out.jsonl").read_bytes() == (tmp_path / "whole.jsonl").read_bytes()
    assert judgements(tmp_path, "out.jsonl") == judgements(tmp_path, "whole.jsonl")


@pytest.mark.parametrize("harm", ["changed", "gone"])
def test_complete_results_whose_judgements_are_not_whole_are_made_anew(
    serve: Any, judged: Score, tmp_path: Path, harm: str
) -> None:
    server = serve(script)
    judged(server, "out.jsonl")
    whole, asked = judgements(tmp_path, "out.jsonl"), len(server.asked)
    assert judged(server, "out.jsonl", resume=True).resumed == COUNT + 1
    assert len(server.asked) == asked
    file = tmp_path / "out.jsonl.judgements.jsonl"
    if harm == "gone":
        file.unlink()
    else:
        file.write_bytes(whole.replace(b"fine", b"bad!", 1))
    judged(server, "out.jsonl", resume=True)
    assert judgements(tmp_path, "out.jsonl") == whole
    assert len(server.asked) == 2 * asked


def test_the_last_step_of_a_run_is_made_by_the_next(
    serve: Any, judged: Score, tmp_path: Path
) -> None:
    server = serve(script)
    judged(server, "out.jsonl")
    whole, asked = judgements(tmp_path, "out.jsonl"), len(server.asked)
    # As if it had been killed once the results were in their place.
    (tmp_path / "out.jsonl.judgements.jsonl").rename(
        tmp_path / "out.jsonl.partial.judgements.jsonl"
    )
    (tmp_path / "out.jsonl.manifest.json").rename(tmp_path / "out.jsonl.partial.manifest.json")
    assert judged(server, "out.jsonl", resume=True).complete
    assert judgements(tmp_path, "out.jsonl") == whole
    assert len(server.asked) == asked
    assert not [*tmp_path.glob("out.jsonl.partial*")]


def test_failed_rows_are_judged_again_and_the_others_keep_their_lines(
    serve: Any, judged: Score, tmp_path: Path
) -> None:
    server = serve(lambda asked, n: error(400) if asked.body["messages"][-1]["content"][-1] == "3"
                   else script(asked, n))  # fmt: skip
    judged(server, "first.jsonl")
    before = len(server.asked)
    server.script = script
    judged(server, "second.jsonl", only_failed=tmp_path / "first.jsonl")
    assert len(server.asked) == before + 4
    judged(server, "whole.jsonl")
    assert judgements(tmp_path, "second.jsonl") == judgements(tmp_path, "whole.jsonl")
    # In place, and of results whose judgements nobody kept.
    (tmp_path / "first.jsonl.judgements.jsonl").unlink()
    judged(server, "first.jsonl", only_failed=tmp_path / "first.jsonl")
    kept = read(tmp_path / "first.jsonl.judgements.jsonl")
    assert [one["index"] for one in kept if one["judgements"]] == [3, 13, 23, 33]
    assert kept[0] == {"index": 0, "judgements": None}


def test_a_stream_and_a_run_that_began_without_are_refused(
    serve: Any, judged: Score, tmp_path: Path, rows: Path
) -> None:
    server = serve(script)
    with pytest.raises(OptionError, match="judgements are kept beside results in a file"):
        judged(server, "/dev/null")
    stop_in_the_middle(server, judged, "out.jsonl")
    with (
        graders.load(GRADER, base_url=server.url, cache="none") as grader,
        pytest.raises(graders.RowsError, match="keep_judgements was true and is null"),
    ):
        graders.score_file(grader, rows, tmp_path / "out.jsonl", resume=True)


def test_rows_are_not_written_over(serve: Any, judged: Score, tmp_path: Path, rows: Path) -> None:
    place = rows.rename(tmp_path / "o.judgements.jsonl")
    server = serve(script)
    with (
        graders.load(GRADER, base_url=server.url) as grader,
        pytest.raises(graders.RowsError, match="is read; what this run writes would replace it"),
    ):
        graders.score_file(grader, place, tmp_path / "o", keep_judgements=True)


KILLED = """
import sys, graders
grader = graders.load(sys.argv[1], base_url=sys.argv[2], concurrency=4, cache="none")
graders.score_file(grader, "rows.jsonl", "out.jsonl", keep_judgements=True, resume=True,
                   budget_tokens=10**6)
"""


@pytest.mark.more
def test_a_run_that_is_killed_pays_for_nothing_but_what_was_on_its_way_again(
    serve: Any, judged: Score, tmp_path: Path
) -> None:
    hold_from, stuck = COUNT // 2, [True]

    def slow(asked: Asked, n: int) -> Told:
        told = script(asked, n)
        if n > hold_from:
            told.held = lambda: stuck[0]
        return told

    server = serve(slow)
    command = [sys.executable, "-c", KILLED, json.dumps(GRADER), server.url]
    with subprocess.Popen(command, cwd=tmp_path) as process:
        # All places are held, so whatever was answered before is written down.
        until(lambda: server.now == 4 and len(server.answered_rows) >= hold_from)
        assert process.poll() is None
        process.send_signal(signal.SIGKILL)
    stuck[0] = False
    first = Counter(server.answered_rows)
    server.script = script
    judged(server, "out.jsonl", resume=True)  # No budget is said: what was paid for still counts.
    twice = [row for row, times in Counter(server.answered_rows).items() if times > 1]
    assert twice == []
    assert len(first) >= hold_from
    assert not [*tmp_path.glob("out.jsonl.partial*")]
    judged(server, "whole.jsonl")
    assert (tmp_path / "out.jsonl").read_bytes() == (tmp_path / "whole.jsonl").read_bytes()
    assert judgements(tmp_path, "out.jsonl") == judgements(tmp_path, "whole.jsonl")

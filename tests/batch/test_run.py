"""Whole runs: the same bytes whatever the workers, the cut or the source; limits and ranges."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

import graders
from graders.batch.run import MaxFailures
from graders.batch.tally import Tally
from graders.errors import OptionError, RowsError, StoppedError
from graders.rows import RowRange
from tests.batch.conftest import GRADER, Score, lines
from tests.waiting import PATIENCE


def results(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks so small that a few thousand rows make many."""
    monkeypatch.setattr("graders.batch.parallelism._PURE_BLOCK", 1 << 12)


@pytest.mark.parametrize("workers", [2, *(pytest.param(n, marks=pytest.mark.slow) for n in (1, 8))])
@pytest.mark.usefixtures("small_blocks")
def test_any_number_of_workers_gives_the_same_bytes_and_figures(
    score: Score, tmp_path: Path, workers: int
) -> None:
    expected = score(output="expected.jsonl", workers=0)
    run = score(workers=workers)
    assert (tmp_path / "out.jsonl").read_bytes() == (tmp_path / "expected.jsonl").read_bytes()
    assert run.tally.to_dict() == expected.tally.to_dict()
    assert run.tally.failed > 40
    assert 1 <= len(run.peaks) <= workers


@pytest.mark.parametrize("workers", [0, *(pytest.param(n, marks=pytest.mark.slow) for n in (1, 2))])
@pytest.mark.usefixtures("small_blocks")
def test_a_pipe_gives_the_same_bytes_as_a_file(
    score: Score, tmp_path: Path, rows: Path, workers: int
) -> None:
    score(output="expected.jsonl", workers=0)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_bytes(rows.read_bytes()))
    writer.start()
    score(source=pipe, workers=workers)
    writer.join(PATIENCE)
    assert (tmp_path / "out.jsonl").read_bytes() == (tmp_path / "expected.jsonl").read_bytes()


def test_a_file_may_lack_its_last_newline(score: Score, tmp_path: Path, rows: Path) -> None:
    score(output="expected.jsonl")
    rows.write_bytes(rows.read_bytes().rstrip(b"\n"))
    score()
    assert (tmp_path / "out.jsonl").read_bytes() == (tmp_path / "expected.jsonl").read_bytes()


def test_compressed_rows_give_the_same_bytes(score: Score, tmp_path: Path, rows: Path) -> None:
    score(output="expected.jsonl")
    packed = tmp_path / "rows.jsonl.gz"
    packed.write_bytes(gzip.compress(rows.read_bytes()))
    score(source=packed)
    assert (tmp_path / "out.jsonl").read_bytes() == (tmp_path / "expected.jsonl").read_bytes()


def test_several_files_are_scored_as_one_and_named_in_failures(
    score: Score, tmp_path: Path
) -> None:
    for name, count in (("b.jsonl", 20), ("a.jsonl", 30)):
        (tmp_path / name).write_bytes(lines(count))
    run = score(source=str(tmp_path / "[ab].jsonl"))
    found = results(tmp_path / "out.jsonl")
    assert [line["index"] for line in found] == list(range(52))
    broken = [line for line in found if line["failures"][:1] and line["index"] in (7, 38)]
    assert broken[0]["failures"][0]["message"].startswith(f"{tmp_path}/a.jsonl line 8: not JSON")
    assert broken[1]["failures"][0]["message"].startswith(f"{tmp_path}/b.jsonl line 8: not JSON")
    assert run.tally.rows == 52


@pytest.mark.parametrize(
    ("where", "limit", "indexes"),
    [
        (RowRange(10, 20), None, range(10, 20)),
        (RowRange(1490), None, range(1490, 1515)),
        (None, 7, range(7)),
        (RowRange(100, 200), 3, range(100, 103)),
        (RowRange(100, 200), 300, range(100, 200)),
        (RowRange(17, 18), None, range(17, 18)),
        (RowRange(9000), None, range(0)),
        (None, 0, range(0)),
    ],
)
@pytest.mark.usefixtures("small_blocks")
def test_rows_are_chosen_by_index(
    score: Score, tmp_path: Path, where: RowRange | None, limit: int | None, indexes: range
) -> None:
    score(output="all.jsonl")
    everything = (tmp_path / "all.jsonl").read_bytes().splitlines(keepends=True)
    run = score(where=where, limit=limit)
    wanted = everything[indexes.start : indexes.stop]
    assert (tmp_path / "out.jsonl").read_bytes() == b"".join(wanted)
    assert run.tally.rows == len(wanted)


def test_a_limit_reads_no_further_than_needed(score: Score, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    broke = threading.Event()

    def feed() -> None:
        try:
            with pipe.open("wb", buffering=0) as sink:
                while True:
                    sink.write(lines(50))
        except BrokenPipeError:
            broke.set()

    threading.Thread(target=feed, daemon=True).start()
    assert score(source=pipe, limit=10, workers=0).tally.rows == 10
    assert broke.wait(PATIENCE)


@pytest.mark.parametrize(
    ("limit", "failed", "rows", "exceeded"),
    [
        (MaxFailures(count=0), 0, 10, False),
        (MaxFailures(count=0), 1, None, True),
        (MaxFailures(count=3), 3, 10, False),
        (MaxFailures(share=0.05), 5, 100, False),
        (MaxFailures(share=0.05), 6, 100, True),
        (MaxFailures(share=0.05), 6, None, False),
        (MaxFailures(share=0.29), 29, 100, False),
        (MaxFailures(share=0.29), 30, 100, True),
        (MaxFailures(share=0.07), 7, 100, False),
        (MaxFailures(share=0.0), 1, 10_000_000, True),
        (MaxFailures(share=0.0), 0, 0, False),
        (MaxFailures(), 10, 10, False),
    ],
)
def test_a_limit_is_exceeded_by_one_row_more_than_it_allows(
    limit: MaxFailures, failed: int, rows: int | None, exceeded: bool
) -> None:
    assert limit.exceeded(Tally(rows=failed, scored=0), rows) is exceeded


@pytest.mark.parametrize("share", [n / 1000 for n in range(0, 1001, 7)])
def test_exactly_the_share_allowed_may_fail(share: float) -> None:
    failed = round(share * 1000)
    assert not MaxFailures(share=share).exceeded(Tally(rows=failed, scored=0), 1000)
    assert MaxFailures(share=share).exceeded(Tally(rows=failed + 1, scored=0), 1000)


@pytest.mark.parametrize(
    ("limit", "text"),
    [
        (MaxFailures(count=1200), "1,200"),
        (MaxFailures(share=0.05), "5%"),
        (MaxFailures(share=0.125), "12.5%"),
    ],
)
def test_a_limit_reads_as_it_was_written(limit: MaxFailures, text: str) -> None:
    assert str(limit) == text


@pytest.mark.parametrize("limit", [MaxFailures(count=20), MaxFailures(share=0.02)])
@pytest.mark.usefixtures("small_blocks")
def test_too_many_failures_stop_a_run_early_and_it_goes_on_with_a_higher_limit(
    score: Score, tmp_path: Path, limit: MaxFailures
) -> None:
    score(output="expected.jsonl")
    with pytest.raises(StoppedError, match="more than the") as stopped:
        score(max_failures=limit)
    assert 20 < stopped.value.run.tally.failed < 60
    assert stopped.value.run.tally.rows < 1300
    assert not (tmp_path / "out.jsonl").exists()
    run = score(resume=True)
    assert run.resumed == stopped.value.run.tally.rows
    assert (tmp_path / "out.jsonl").read_bytes() == (tmp_path / "expected.jsonl").read_bytes()


@pytest.mark.usefixtures("small_blocks")
def test_a_failed_row_can_stop_the_run_by_name(score: Score) -> None:
    with pytest.raises(StoppedError, match="row 3 failed: invalid_variable_error: "):
        score(on_error="raise")


def test_a_failed_row_can_be_zero(score: Score, tmp_path: Path) -> None:
    run = score(on_error="zero")
    failed = [line for line in results(tmp_path / "out.jsonl") if line["failures"]]
    assert len(failed) == run.tally.failed > 40
    assert {line["reward"] for line in failed} == {0.0}


@pytest.mark.usefixtures("small_blocks")
def test_progress_tells_rows_and_bytes(score: Score, rows: Path) -> None:
    told: list[tuple[int, int]] = []
    score(on_progress=lambda now: told.append((now.tally.rows, now.done)))
    assert len(told) > 5
    assert told == sorted(told)
    assert told[-1] == (1515, rows.stat().st_size)


@pytest.mark.parametrize("workers", [0, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.usefixtures("small_blocks")
def test_only_the_failed_rows_of_an_earlier_run_are_scored_again(
    score: Score, tmp_path: Path, rows: Path, workers: int
) -> None:
    good = rows.read_bytes()
    expected = score(output="expected.jsonl")
    # The same rows, of which some are broken at first.
    broken = [
        b"x" * (len(line) - 1) + b"\n" if index % 9 == 4 and line.strip() else line
        for index, line in enumerate(good.splitlines(keepends=True))
    ]
    rows.write_bytes(b"".join(broken))
    earlier = score()
    assert earlier.tally.failed > expected.tally.failed + 100
    for name in ("out.jsonl.manifest.json",):
        (tmp_path / name).unlink()  # It says that the rows were others.
    rows.write_bytes(good)
    run = score(output="again.jsonl", only_failed=tmp_path / "out.jsonl", workers=workers)
    assert (tmp_path / "again.jsonl").read_bytes() == (tmp_path / "expected.jsonl").read_bytes()
    assert run.tally.to_dict() == expected.tally.to_dict()
    # In place, too.
    score(only_failed=tmp_path / "out.jsonl")
    assert (tmp_path / "out.jsonl").read_bytes() == (tmp_path / "expected.jsonl").read_bytes()


def test_results_of_another_grader_are_not_mixed_in(
    score: Score, tmp_path: Path, rows: Path
) -> None:
    score()
    other = graders.load({**GRADER, "calculate_output": "same + near"})
    with pytest.raises(RowsError, match="is of another run: the grader has changed"):
        graders.score_file(
            other, rows, tmp_path / "again.jsonl", only_failed=tmp_path / "out.jsonl"
        )


def test_options_that_cannot_be_are_told(score: Score) -> None:
    with pytest.raises(OptionError, match='on_error is one of null, zero, raise, got "nothing"'):
        score(on_error="nothing")
    with pytest.raises(OptionError, match="workers is at least 0"):
        score(workers=-1)
    with pytest.raises(OptionError, match="only results in a file can be resumed"):
        score(output="/dev/null", resume=True)


@pytest.mark.parametrize(
    "workers", [pytest.param(1, marks=pytest.mark.more), pytest.param(2, marks=pytest.mark.slow)]
)
def test_grade_many_gives_the_same_grades_from_workers_and_reads_only_a_little_ahead(
    grader: graders.Grader, workers: int
) -> None:
    rows = [json.loads(line) for line in lines(400).splitlines() if line.startswith(b"{")]
    alone = list(grader.grade_many(rows))
    assert any(one.failures for one in alone)
    taken = 0

    def counted() -> Any:
        nonlocal taken
        for row in rows:
            taken += 1
            yield row

    for done, grade in enumerate(grader.grade_many(counted(), workers=workers, chunk=10)):
        assert grade == alone[done]
        assert taken <= done + 10 * 5
    assert done + 1 == len(alone)


def test_grade_many_may_be_left(grader: graders.Grader) -> None:
    left = False

    def endless() -> Any:
        nonlocal left
        try:
            while True:
                yield {"item": {"a": "x"}, "sample": "x"}
        finally:
            left = True

    grades = grader.grade_many(endless(), workers=1, chunk=10)
    assert [next(grades).reward for _ in range(25)] == [1.0] * 25
    assert not left
    grades.close()  # type: ignore[attr-defined]
    assert left


def test_grade_many_tells_what_is_no_json(grader: graders.Grader) -> None:
    with pytest.raises(OptionError, match="row 1 is no JSON value"):
        list(grader.grade_many([{"item": {"a": "x"}}, {"item": object()}], workers=1))


@pytest.mark.more
def test_a_script_without_a_main_guard_may_use_workers(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import graders\n"
        "check = {'type': 'string_check', 'name': 'c', 'operation': 'eq',\n"
        "         'input': '{{ sample.output_text }}', 'reference': '{{ item.a }}'}\n"
        "rows = [{'item': {'a': 'x'}, 'sample': s} for s in 'xyx' * 100]\n"
        "grades = graders.load(check).grade_many(rows, workers=1, chunk=20)\n"
        "print(sum(grade.reward for grade in grades))\n"
    )
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert (done.stdout, done.stderr) == ("200.0\n", "")


def test_an_earlier_file_that_is_not_whole_is_refused(score: Score, tmp_path: Path) -> None:
    score(output="whole.jsonl")
    whole = (tmp_path / "whole.jsonl").read_bytes().splitlines(keepends=True)
    earlier = tmp_path / "earlier.jsonl"
    for data, says in (
        ([*whole[:100], b'{"index":100,"rew\n', *whole[101:]], "line 101 is not a result line"),
        ([*whole[:100], whole[100][:-1]], "line 101 is not a result line"),
        ([*whole[:5], whole[3]], "not in the order of the rows"),
    ):
        earlier.write_bytes(b"".join(data))
        with pytest.raises(RowsError, match=says):
            score(only_failed=earlier)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(RowsError, match="is no file; its results are read twice"):
        score(only_failed=pipe)


def test_a_run_that_mends_is_not_gone_on_with_by_another(score: Score, tmp_path: Path) -> None:
    score(output="a.jsonl")
    score(output="b.jsonl", on_error="zero")
    for name in ("a", "b"):
        (tmp_path / f"{name}.jsonl.manifest.json").unlink()
    with pytest.raises(StoppedError):
        score(only_failed=tmp_path / "a.jsonl", max_failures=MaxFailures(count=5))
    with pytest.raises(RowsError, match="the earlier results of --only-failed are others"):
        score(only_failed=tmp_path / "b.jsonl", resume=True)
    with pytest.raises(RowsError, match="--only-failed was given for one run and not for the"):
        score(resume=True)
    assert score(only_failed=tmp_path / "a.jsonl", resume=True).complete


def test_how_deep_a_row_nests_is_the_same_question_everywhere(
    score: Score, tmp_path: Path, rows: Path
) -> None:
    text = ""
    for depth in (240, 300, 600, 900, 960, 980, 1000, 1100):
        deep = "[" * depth + "]" * depth
        text += f'{{"item": {{"a": {deep}}}, "sample": "x"}}\n'
        text += f'{{"item": {{"a": {deep}, "n": {2**70}}}, "sample": "x"}}\n'
    rows.write_text(text)
    score(workers=0, output="expected.jsonl")
    score(workers=1)
    for here, there in zip(
        results(tmp_path / "expected.jsonl"), results(tmp_path / "out.jsonl"), strict=True
    ):
        assert here == there
    assert (tmp_path / "out.jsonl").read_bytes() == (tmp_path / "expected.jsonl").read_bytes()


@pytest.mark.parametrize("workers", [0, 2, pytest.param(1, marks=pytest.mark.slow)])
def test_the_rows_before_one_that_breaks_the_iterator_are_graded(
    grader: graders.Grader, workers: int
) -> None:
    def breaks() -> Any:
        for _ in range(95):
            yield {"item": {"a": "x"}, "sample": "x"}
        raise RuntimeError("broken")

    grades = grader.grade_many(breaks(), workers=workers, chunk=10)
    assert [next(grades).reward for _ in range(95)] == [1.0] * 95
    with pytest.raises(RuntimeError, match="broken"):
        next(grades)


@pytest.mark.parametrize("workers", [0, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.usefixtures("small_blocks")
def test_what_was_read_before_a_file_breaks_is_scored(
    score: Score, tmp_path: Path, workers: int
) -> None:
    packed = tmp_path / "rows.jsonl.gz"
    packed.write_bytes(gzip.compress(lines(3000))[:-1000])
    with pytest.raises(RowsError, match=r"cannot be read: .*; the finished rows are in .*--resume"):
        score(source=packed, workers=workers)
    assert len((tmp_path / "out.jsonl.partial").read_bytes().splitlines()) > 1000


def test_a_grader_with_sandboxes_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch = tmp_path / "tmp"
    scratch.mkdir()
    monkeypatch.setenv("TMPDIR", str(scratch))
    monkeypatch.setattr("tempfile.tempdir", None)
    body = {"type": "python", "name": "p", "source": "def grade(sample, item):\n    return 1\n"}
    (tmp_path / "rows.jsonl").write_bytes(b'{"item": {}, "sample": "x"}\n' * 300)
    with graders.load(body) as grader:
        run = graders.score_file(grader, tmp_path / "rows.jsonl", tmp_path / "out.jsonl", workers=2)
    assert run.tally.rewards.mean == 1.0
    assert run.python is not None
    assert run.python.calls == 300
    assert list(scratch.iterdir()) == []

"""Executors: blocks that end their process are narrowed to the row that does it; no row is lost."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import graders
from graders import config, plan
from graders.batch.executor import Job, LocalExecutor, LostError, ProcessExecutor, score_surely
from graders.batch.run import Progress
from graders.batch.score import Scored, score_block
from graders.calls import PythonCall, PythonReply
from graders.errors import UnavailableError
from graders.grading.performers import Performers, Setup
from graders.rows import Block, Layout, count_rows
from tests.batch.conftest import GRADER, Score, lines
from tests.waiting import children_of, command_of, is_gone, until

PLAN = plan.build(config.load(GRADER))
JOB = Job(None, Layout())


class Fragile:
    """Scores blocks, but is lost at those that hold certain rows."""

    def __init__(self, guilty: set[int], tries: int = 10**9) -> None:
        self.guilty = guilty
        self.tries = tries
        self.asked: list[int] = []
        self._runner = Performers.of(Setup(config=config.load(GRADER))).runner()

    def __call__(self, block: Block) -> Scored:
        self.asked.append(count_rows(block))
        rows = range(block.index, block.index + count_rows(block))
        if self.guilty & set(rows) and self.tries > 0:
            self.tries -= 1
            raise LostError("ended its worker process with signal 11, again and again")
        return score_block(self._runner, block, Layout())


@pytest.mark.parametrize("guilty", [{0}, {63}, {17}, {17, 18}, {3, 30, 60}, set(range(64))])
def test_only_the_guilty_rows_fail_and_by_name(guilty: set[int]) -> None:
    block = Block(b'{"item": {"a": "x"}, "sample": "x"}\n\n' * 64)
    scored = score_surely(Fragile(guilty), PLAN, block, JOB)
    found = [json.loads(line) for line in scored.lines.splitlines()]
    assert [line["index"] for line in found] == list(range(64))
    assert {line["index"] for line in found if line["failures"]} == guilty
    assert scored.tally.failed == len(guilty)
    message = next(line for line in found if line["failures"])["failures"][0]["message"]
    assert message == "scoring this row ended its worker process with signal 11, again and again"


def test_a_block_that_is_lost_once_is_just_scored_again() -> None:
    fragile = Fragile({5}, tries=1)
    scored = score_surely(fragile, PLAN, Block(lines(20)), JOB)
    assert fragile.asked == [21, 21]
    assert "other_error" not in scored.tally.codes


def test_finding_one_row_among_a_thousand_takes_few_tries() -> None:
    fragile = Fragile({700})
    score_surely(fragile, PLAN, Block(b"{}\n" * 1024), JOB)
    assert len(fragile.asked) <= 2 + 2 * 10


def test_a_row_that_breaks_our_own_code_fails_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    from graders.batch import executor

    def breaks(runner: object, block: Block, *_: object, **__: object) -> Scored:
        if b"bad" in block.data:
            raise RecursionError("too deep\nand more")
        return score_block(runner, block, Layout())  # type: ignore[arg-type]

    monkeypatch.setattr(executor, "score_block", breaks)
    own = LocalExecutor(Performers.of(Setup(config=config.load(GRADER))), Job(None, Layout()))
    rows = b'{"item": {"a": "x"}, "sample": "x"}\n' * 5
    scored = own.score(Block(rows + b'{"item": {"a": "x"}, "sample": "bad"}\n' + rows))
    assert scored.tally.failed == 1
    assert scored.tally.first["other_error"] == [
        (5, "scoring this row failed with RecursionError: too deep")
    ]


def process_executor() -> ProcessExecutor:
    return ProcessExecutor(Job(Setup(config=config.load(GRADER)), Layout()), PLAN)


@pytest.mark.more
def test_a_worker_killed_between_blocks_costs_no_row_and_its_successor_ends_with_the_run() -> None:
    executor = process_executor()
    try:
        before = set(children_of(os.getpid()))
        first = executor.score(Block(lines(50)))
        (killed,) = set(children_of(os.getpid())) - before
        os.kill(killed, signal.SIGKILL)
        second = executor.score(Block(lines(50)))
        assert second.lines == first.lines
        assert first.peak is not None
        assert second.peak is not None
        assert second.peak[0] != first.peak[0]
        (successor,) = set(children_of(os.getpid())) - before - {killed}
    finally:
        executor.close()
    assert is_gone(successor)
    executor.close()


def test_a_worker_may_be_ended_before_it_began() -> None:
    process_executor().close()


def test_a_worker_that_cannot_start_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    dead = [sys.executable, "-c", "raise SystemExit(3)"]
    monkeypatch.setattr("graders.batch.executor.program", lambda _: dead)
    executor = process_executor()
    with pytest.raises(UnavailableError, match="could not be started; it ended with exit code 3"):
        executor.score(Block(lines(5)))


def test_a_grader_that_cannot_run_in_a_worker_says_why_as_here(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_API_KEY_FILE", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    judge = config.load(
        {"type": "score_model", "name": "j", "model": "m", "input": [{"role": "user", "content": "x"}]}
    )  # fmt: skip
    with pytest.raises(UnavailableError, match="OPENAI_API_KEY") as here:
        graders.load(judge).grade()
    executor = ProcessExecutor(Job(Setup(config=judge), Layout()), plan.build(judge))
    try:
        with pytest.raises(UnavailableError) as there:
            executor.score(Block(lines(5)))
    finally:
        executor.close()
    assert str(there.value) == str(here.value)


KILLER = """
import os, signal, sys
if "graders.batch.worker" in " ".join(sys.orig_argv):
    import graders.batch.executor as executor
    real = executor.score_block
    def score_block(runner, block, *rest, **more):
        if b"KILLER" in block.data:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(runner, block, *rest, **more)
    executor.score_block = score_block
"""


def test_a_row_that_kills_its_worker_fails_by_name_and_the_run_goes_on(
    score: Score, tmp_path: Path, rows: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sitecustomize.py").write_text(KILLER)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    killer = b'{"item": {"a": "x"}, "sample": "KILLER"}\n'
    rows.write_bytes(killer + lines(1))
    score(workers=1)
    found = [json.loads(line) for line in (tmp_path / "out.jsonl").read_bytes().splitlines()]
    assert [line["index"] for line in found] == [0, 1]
    guilty = [line for line in found if "other_error" in str(line["failures"])]
    assert [line["index"] for line in guilty] == [0]
    assert "ended its worker process with signal 9" in guilty[0]["failures"][0]["message"]


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_worker_that_is_killed_in_the_middle_changes_no_byte(
    score: Score, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    monkeypatch.setattr("graders.batch.parallelism._PURE_BLOCK", 1 << 13)
    monkeypatch.setattr(
        "graders.batch.parallelism._SMALL", 0
    )  # The workers begin while the rest gets ready.
    score(output="expected.jsonl", workers=0)
    killed: set[int] = set()

    def kill(_: Progress) -> None:
        for child in children_of(os.getpid()):
            if b"graders.batch.worker" in command_of(child) and len(killed) < workers:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(child, signal.SIGKILL)
                    killed.add(child)
                    return

    score(workers=workers, on_progress=kill)
    assert killed  # How many depends on how soon others take their places.
    assert (tmp_path / "out.jsonl").read_bytes() == (tmp_path / "expected.jsonl").read_bytes()


def test_workers_do_not_outlive_a_run_that_was_killed(tmp_path: Path, rows: Path) -> None:
    (tmp_path / "grader.json").write_text(json.dumps(GRADER))
    with subprocess.Popen(
        [sys.executable, "-c", "from graders.cli import main; main()",
         "score", "grader.json", "-", "-o", "out.jsonl", "--workers", "1"],
        cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    ) as running:  # fmt: skip
        assert running.stdin is not None
        running.stdin.write(rows.read_bytes() * 10)  # A few blocks, and more might come.
        running.stdin.flush()
        until(lambda: children_of(running.pid))
        children = children_of(running.pid)
        running.kill()
    until(lambda: all(map(is_gone, children)))


def test_graders_that_are_performed_by_the_caller_stay_in_his_process(tmp_path: Path) -> None:
    class Performs:
        def check(self, source: str, image_tag: str | None = None) -> None:
            return None

        def perform(self, call: PythonCall) -> list[PythonReply]:
            return [PythonReply(0.5) for _ in call.items]

    body = {"type": "python", "name": "p", "source": "def grade(sample, item): return 1"}
    grader = graders.Grader(config.load(body), python=Performs())
    (tmp_path / "rows.jsonl").write_bytes(lines(10))
    run = graders.score_file(grader, tmp_path / "rows.jsonl", tmp_path / "out.jsonl", workers=2)
    assert run.tally.rewards.mean == 0.5
    assert not run.peaks

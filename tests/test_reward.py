"""A reward goes anywhere, answers one or many, and never holds up whoever trains."""

from __future__ import annotations

import asyncio
import copy
import multiprocessing
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from graders import FailedError, Reward, load
from graders.errors import OptionError
from tests.adapters.conftest import BOTH, EXACT, PYTHON
from tests.models.server import Asked, ScriptedServer, Told, completion
from tests.waiting import PATIENCE, children_of, until

JUDGE = {
    "type": "score_model", "name": "judge", "model": "m",
    "input": [{"role": "user", "content": "{{sample.output_text}}"}],
}  # fmt: skip
SAID = '{"steps": [], "result": 0.5}'


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., ScriptedServer]]:
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    started: list[ScriptedServer] = []

    def start(script: Callable[[Asked, int], Told]) -> ScriptedServer:
        started.append(ScriptedServer(script))
        return started[-1]

    yield start
    for one in started:
        one.stop()


def test_one_and_many_give_what_the_grader_gives() -> None:
    reward, grader = Reward(BOTH), load(BOTH)
    rows = [{"answer": "Paris", "sample": said} for said in ("Paris", "Pariss", "", None)]
    wanted = [grader.grade(row, row["sample"]).reward for row in rows]
    assert reward.batch(rows) == wanted
    assert [reward(row, row["sample"]) for row in rows] == wanted
    assert asyncio.run(reward.abatch(rows)) == wanted
    assert [asyncio.run(reward.areward(row, row["sample"])) for row in rows] == wanted
    assert wanted[3] is None
    assert (reward.counts.rows, reward.counts.failed) == (16, 4)
    assert set(reward.counts.codes) == {"invalid_variable_error"}
    assert reward.parts == ["exact", "near"]


def test_item_and_sample_are_found_by_the_words_for_paths() -> None:
    reward = Reward(EXACT, item="meta.row", sample="messages")
    talk = [{"role": "user", "content": "?"}, {"role": "assistant", "content": "Paris"}]
    row = {"meta": {"row": {"answer": "Paris"}}, "messages": talk}
    assert reward.batch([row]) == [1.0]
    assert reward.item_of(row) == {"answer": "Paris"}
    assert reward.item_of({}) is None


@pytest.mark.parametrize(("failed", "wanted"), [(None, None), (0.0, 0.0), (-1, -1.0)])
def test_what_failed_is_what_was_said(failed: Any, wanted: Any) -> None:
    reward = Reward(EXACT, failed=failed)
    assert reward.batch([{"sample": "x"}]) == [wanted]
    assert reward({}, "x") == wanted


def test_what_failed_can_raise() -> None:
    reward = Reward(EXACT, failed="raise")
    for call in (lambda: reward({}, "x"), lambda: reward.batch([{"sample": "x"}])):
        with pytest.raises(FailedError, match="item has no answer"):
            call()
    assert reward({"answer": "x"}, "x") == 1.0


@pytest.mark.parametrize("failed", [True, "zero", [], float])
def test_what_cannot_stand_for_a_failure_is_said(failed: Any) -> None:
    with pytest.raises(OptionError, match="failed is a number, raise or None"):
        Reward(EXACT, failed=failed)


def test_options_of_a_loaded_grader_are_refused() -> None:
    with pytest.raises(OptionError, match="dialect says nothing"):
        Reward(load(EXACT), dialect="jinja2")
    with pytest.raises(OptionError, match="within is more than 0"):
        Reward(EXACT, within=0.0)


@pytest.mark.parametrize(
    "again", [lambda one: pickle.loads(pickle.dumps(one)), copy.copy, copy.deepcopy]
)
def test_a_reward_goes_along_after_use(again: Callable[[Reward], Reward]) -> None:
    with Reward(PYTHON, failed=-1.0) as reward:
        assert reward({"number": 3}, "x") == 3.0
        with again(reward) as other:
            assert other({"number": 4}, "x") == 4.0
            assert other({}, "x") == -1.0
        assert reward({"number": 5}, "x") == 5.0


FORKED = """
import asyncio, os, graders
source = "def grade(sample, item):\\n    return float(item['n'])"
reward = graders.Reward({"type": "python", "name": "p", "source": source})
assert reward({"n": 1}, "x") == 1.0
assert asyncio.run(reward.areward({"n": 2}, "x")) == 2.0
child = os.fork()
if child == 0:
    ok = reward({"n": 3}, "x") == 3.0 and asyncio.run(reward.areward({"n": 4}, "x")) == 4.0
    reward.close()
    os._exit(0 if ok else 1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
assert reward.batch([{"n": 5, "sample": "x"}]) == [5.0]
print("good")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks here")
def test_a_fork_and_the_end_of_a_process_leave_nothing(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FORKED], capture_output=True, text=True, check=False,
        timeout=PATIENCE, cwd=tmp_path,
    )  # fmt: skip
    assert (done.stdout, done.stderr, done.returncode) == ("good\n", "", 0)


def test_a_reward_that_comes_again_and_again_is_made_once_a_process() -> None:
    first, other = Reward(PYTHON), Reward(PYTHON)
    sent = [pickle.dumps(one) for one in (first, other)]
    arrived = [pickle.loads(one) for one in sent * 2]
    assert arrived[0] is arrived[2] is pickle.loads(pickle.dumps(arrived[0]))
    assert arrived[1] is arrived[3] is not arrived[0]


@pytest.mark.more
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="sandboxes are Linux's")
def test_tasks_of_a_pool_share_their_processes_sandbox() -> None:
    reward = Reward(PYTHON)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        rows = [({"number": at}, "x") for at in range(4)]
        found = pool.starmap(reward, rows, chunksize=1)
        (process,) = multiprocessing.active_children()
        assert process.pid is not None
        assert len(children_of(process.pid)) == 1
    assert found == [0.0, 1.0, 2.0, 3.0]


@pytest.mark.more
def test_a_spawned_process_takes_one_along() -> None:
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        assert pool.apply(Reward(EXACT), ({"answer": "x"}, "x")) == 1.0


def test_threads_that_come_one_at_a_time_are_graded_together(
    judged: Callable[..., ScriptedServer],
) -> None:
    """Sixty-four threads wait for a judge that answers once all of them have come."""
    server = judged(lambda *_: Told(body=completion(SAID).body, held=lambda: server.most < 64))
    with Reward(JUDGE, base_url=server.url, cache="none") as reward:
        _warm(server, reward)
        found: list[Any] = []
        threads = [
            threading.Thread(target=lambda at=at: found.append(reward({}, f"s{at}")))
            for at in range(64)
        ]
        for one in threads:
            one.start()
        for one in threads:
            one.join(PATIENCE)
    assert found == [0.5] * 64


@pytest.mark.parametrize("who", ["grader", pytest.param("reward", marks=pytest.mark.more)])
def test_as_many_as_are_awaited_are_asked_at_once(
    judged: Callable[..., ScriptedServer], who: str
) -> None:
    """No pool of threads bounds them: the judge answers nobody before all 200 have asked."""
    many = 200
    server = judged(lambda *_: Told(body=completion(SAID).body, held=lambda: server.most < many))
    options: Any = {"base_url": server.url, "cache": "none", "concurrency": many}
    asked: Any = Reward(JUDGE, **options) if who == "reward" else load(JUDGE, **options)

    async def ask() -> list[Any]:
        first = await asyncio.to_thread(_warm, server, asked)
        rest = await asyncio.gather(*(asked.agrade({}, f"s{at}") for at in range(many)))
        return [first, *rest]

    assert {one.reward for one in asyncio.run(ask())} == {0.5}
    asked.close()


def _warm(server: ScriptedServer, asked: Any) -> Any:
    """Ask once alone, for a client learns from its first answer."""
    held, server.script = server.script, lambda *_: completion(SAID)
    try:
        return asked.grade({}, "first")
    finally:
        server.script = held


def test_a_judge_that_hangs_holds_nobody_up(judged: Callable[..., ScriptedServer]) -> None:
    server = judged(lambda *_: Told(held=lambda: True))
    options: Any = {"base_url": server.url, "cache": "none", "deadline": PATIENCE}
    reward = Reward(JUDGE, within=0.2, failed=-1.0, **options)
    assert reward({}, "x") == -1.0
    assert reward.batch([{"sample": "x"}, {"sample": "y"}]) == [-1.0, -1.0]
    assert asyncio.run(reward.areward({}, "x")) == -1.0
    grade = reward.grade({}, "x")
    assert "no grade within 0.2 seconds" in grade.failures[0].message
    assert reward.counts.codes["other_error"] >= 4


def test_a_call_that_hangs_ends_before_the_rows_along_with_it_are_late() -> None:
    held: Any = Reward(BOTH, within=10.0).grader
    assert (held._judge.deadline, held._python.timeout) == (8.0, 8.0)
    held = Reward(BOTH, within=10.0, deadline=20.0, python_timeout=1.0).grader
    assert (held._judge.deadline, held._python.timeout) == (20.0, 1.0)
    usual: Any = Reward(BOTH).grader
    held = Reward(BOTH, within=10_000.0).grader
    assert (held._judge, held._python) == (usual._judge, usual._python)


@pytest.mark.parametrize("many", [False, True])
def test_what_nobody_waits_for_any_more_leaves_its_place_to_others(
    judged: Callable[..., ScriptedServer], *, many: bool
) -> None:
    hung = threading.Event()

    def script(asked: Asked, _: int) -> Told:
        if b"hang" not in asked.raw:
            return completion(SAID)
        hung.set()
        return Told(held=lambda: True)

    server = judged(script)

    async def ask(reward: Reward) -> float | None:
        waiting = asyncio.create_task(
            reward.abatch([{"sample": "hang"}] * 2) if many else reward.areward({}, "hang")
        )
        await asyncio.to_thread(hung.wait)
        waiting.cancel()
        return await reward.areward({}, "x")

    with Reward(JUDGE, base_url=server.url, cache="none", concurrency=1) as reward:
        assert asyncio.run(ask(reward)) == 0.5


@pytest.mark.more
def test_a_process_ends_while_a_judge_hangs(judged: Callable[..., ScriptedServer]) -> None:
    server = judged(lambda *_: Told(held=lambda: True))
    script = (
        "import graders, sys\n"
        f"r = graders.Reward({JUDGE!r}, base_url={server.url!r}, cache='none', within=0.2)\n"
        "print(r({}, 'x'))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False,
        timeout=PATIENCE, env={**os.environ, "OPENAI_API_KEY": "k"},
    )  # fmt: skip
    assert (done.stdout, done.returncode) == ("None\n", 0), done.stderr


def test_a_failure_of_the_machine_reaches_whoever_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    reward = Reward(PYTHON)

    def broken(*_: Any, **__: Any) -> Any:
        raise MemoryError("no more")

    monkeypatch.setattr(reward.grader, "grade_many", broken)
    with pytest.raises(MemoryError, match="no more"):
        reward({"number": 1}, "x")
    with pytest.raises(MemoryError, match="no more"):
        asyncio.run(reward.areward({"number": 1}, "x"))


def test_the_thread_that_gathers_goes_when_nobody_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("graders.gather._IDLE", 0.01)
    with Reward(PYTHON) as reward:
        assert reward({"number": 1}, "x") == 1.0
        gatherer = reward._gatherer()
        until(lambda: gatherer._thread is None)
        assert reward({"number": 2}, "x") == 2.0


def test_a_reward_has_a_name_that_trainers_can_log() -> None:
    for name, wanted in (("both", "both"), ("my grader!", "my_grader_"), ("5", "reward_5")):
        assert Reward({**EXACT, "name": name}).__name__ == wanted
    assert repr(Reward(EXACT)) == "<Reward 'exact' (string_check)>"


def test_a_batch_is_shaped_by_its_groups_and_one_row_alone_is_not() -> None:
    steps = [{"type": "rank"}]
    reward = Reward(EXACT, shaping=steps)
    rows = [{"answer": "a", "sample": said} for said in ("a", "b", None, "a")] * 2
    groups = [0] * 4 + [1] * 4
    shaped = [0.75, 0.0, None, 0.75] * 2
    assert reward.batch(rows, groups=groups) == shaped
    assert asyncio.run(reward.abatch(rows, groups=groups)) == shaped
    assert pickle.loads(pickle.dumps(reward)).batch(rows, groups=groups) == shaped
    assert Reward(EXACT, shaping=steps, failed=-3.0).batch(rows[:4], groups=[0] * 4)[2] == -3.0
    with pytest.raises(OptionError, match="rank needs groups"):
        reward.batch(rows)
    with pytest.raises(OptionError, match="shaping needs the rows of whole groups"):
        reward({"answer": "a"}, "a")
    with pytest.raises(FailedError):
        Reward(EXACT, shaping=steps, failed="raise").batch(rows, groups=groups)
    with pytest.raises(OptionError, match="did you mean rank"):
        Reward(EXACT, shaping=[{"type": "ranks"}])


@pytest.mark.parametrize(
    ("reference", "item"),
    [
        ("{{ item.answer }}", {"answer": None, "other": 1}),
        ("{{ item.a.b[0].c }}, {{ item.a.b[0].c }}", {"a": {"b": [{"c": None, "d": 1}, 2]}}),
        ("{{ item.a[1] }}", {"a": ["x", None, "y"]}),
        ("{{ item.a.b }}", {"a": None}),
    ],
)
def test_a_null_that_a_template_names_is_a_value_that_the_row_lacks(
    reference: str, item: Any
) -> None:
    config = {**EXACT, "reference": reference}
    before = copy.deepcopy(item)
    with Reward(config) as whole, Reward(config, item="in") as inner:
        assert whole(item, "null") is None
        assert whole.batch([{**item, "sample": "null"}]) == [None]
        assert inner.batch([{"in": item, "sample": "null"}] * 2) == [None, None]
        assert asyncio.run(whole.agrade(item, "null")).failures[0].code == "invalid_variable_error"
    assert item == before


def test_python_graders_see_nulls_that_no_template_names() -> None:
    source = "def grade(sample, item):\n    return float(item['hint'] is None)"
    parts = {"right": EXACT, "python": {"type": "python", "name": "python", "source": source}}
    config = {"type": "multi", "name": "m", "graders": parts, "calculate_output": "right * python"}
    with Reward(config) as reward:
        assert reward({"answer": "a", "hint": None}, "a") == 1.0

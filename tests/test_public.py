"""What `graders` exports: all that a signature takes or gives, on one page; graders go anywhere."""

from __future__ import annotations

import asyncio
import copy
import dataclasses
import inspect
import multiprocessing
import os
import pickle
import subprocess
import sys
import threading
import typing
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import graders
from graders.grade import Usage
from tests.waiting import PATIENCE

PAGE = (Path(__file__).parents[1] / "docs" / "reference" / "api.md").read_text(encoding="utf-8")
CHECK = graders.StringCheck(
    name="c", input="{{ sample.output_text }}", reference="{{ item.a }}", operation="eq"
)
CODE = graders.Python(name="p", source="def grade(sample, item):\n    return float(item['n'])")


def classes_in(hint: Any) -> Iterator[type]:
    for inner in typing.get_args(hint):
        yield from classes_in(inner)
    if isinstance(hint, type) and hint.__module__.startswith("graders."):
        yield hint


def signatures() -> Iterator[tuple[str, Any]]:
    for name in graders.__all__:
        thing = getattr(graders, name)
        if inspect.isfunction(thing):
            yield name, thing
        if not inspect.isclass(thing):
            continue
        if dataclasses.is_dataclass(thing):
            yield name, thing
        for member, value in inspect.getmembers(thing):
            called = value.fget if isinstance(value, property) else value
            ours = (getattr(called, "__module__", None) or "").startswith("graders.")
            if not member.startswith("_") and inspect.isfunction(called) and ours:
                yield f"{name}.{member}", called


SIGNATURES = dict(signatures())


@pytest.mark.parametrize("name", SIGNATURES)
def test_whatever_a_signature_takes_or_gives_is_exported(name: str) -> None:
    known = {"Usage": Usage, "Any": Any}  # Imported for types alone, by modules that must be light.
    hints = typing.get_type_hints(SIGNATURES[name], localns=known)
    for found in {one for hint in hints.values() for one in classes_in(hint)}:
        # The metrics are a library of their own, with exports of its own.
        exported = (
            found.__module__.startswith("graders.metrics") or found.__name__ in graders.__all__
        )
        assert exported, f"{name} names {found.__module__}.{found.__name__}"


def test_dir_shows_what_is_public_and_the_page_has_every_name() -> None:
    assert dir(graders) == graders.__all__
    assert [name for name in graders.__all__ if f"`{name}`" not in PAGE] == []


def test_a_grader_made_in_python_is_that_of_its_json() -> None:
    multi = graders.Multi(graders={"a": CHECK, "b": CODE}, calculate_output="a * b", name="m")
    assert graders.load(graders.dump(multi)).config == multi
    assert graders.dump(multi)["graders"]["a"]["type"] == "string_check"
    with graders.load(multi) as grader:
        assert grader({"a": "x", "n": 3}, "x") == 3.0


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: graders.StringCheck(inputt="x"), 'unknown field "inputt"; did you mean input?'),  # type: ignore[call-arg]
        (lambda: graders.Multi(graders={"a": CHECK}, calculate_output="b"), "unknown name b"),
        (lambda: graders.Multi(graders={}, calculate_output="1"), "graders needs at least one"),
        (lambda: graders.Message(role="robot", content="x"), "one of user, assistant, system"),
        (lambda: graders.SamplingParams(max_tokens=1), "write max_completions_tokens"),  # type: ignore[call-arg]
    ],
)  # fmt: skip
def test_what_is_wrong_with_one_is_said_as_of_json(make: Callable[[], Any], said: str) -> None:
    with pytest.raises(graders.ConfigError, match=said.replace("?", r"\?")):
        make()


def test_a_call_gives_the_reward_or_raises_with_the_grade() -> None:
    grader = graders.load(CHECK)
    assert grader({"a": "x"}, "x") == 1.0
    with pytest.raises(graders.FailedError, match="invalid_variable_error") as raised:
        grader({}, "x")
    assert raised.value.grade.failures[0].code == "invalid_variable_error"
    again = pickle.loads(pickle.dumps(raised.value))
    assert again.grade == raised.value.grade


@pytest.mark.parametrize(
    "again",
    [
        lambda one: pickle.loads(pickle.dumps(one)),
        pytest.param(copy.copy, marks=pytest.mark.more),
        pytest.param(copy.deepcopy, marks=pytest.mark.more),
    ],
    ids=["pickled", "copied", "deeply copied"],
)
def test_a_grader_goes_on_as_another_after_use(again: Callable[[Any], Any]) -> None:
    options: dict[str, Any] = {"rendering": "python", "python_timeout": 7.0}
    both = graders.Multi(graders={"a": CHECK, "b": CODE}, calculate_output="a + b")
    with graders.load(both, **options) as grader:
        assert grader({"a": "x", "n": 2}, "x") == 3.0
        with again(grader) as other:
            assert other({"a": "x", "n": 2}, "x") == 3.0
            assert other.config == grader.config
            assert other.plan.reading == grader.plan.reading
            assert other.setup == grader.setup
        assert grader({"a": "y", "n": 2}, "x") == 2.0  # Closing one closes nothing of the other's.


def test_a_performer_that_was_given_goes_along() -> None:
    grader = pickle.loads(pickle.dumps(graders.load(CODE, judge=graders.JudgeOptions(repeats=2))))
    assert grader.setup.judge.repeats == 2


def test_threads_and_loops_share_one() -> None:
    with graders.load(CODE) as grader:
        found: dict[int, Any] = {}

        def ask(n: int) -> None:
            found[n] = asyncio.run(grader.agrade({"n": n}, "x")).reward

        threads = [threading.Thread(target=ask, args=(n,)) for n in range(6)]
        for one in threads:
            one.start()
        for one in threads:
            one.join(PATIENCE)
    assert found == {n: float(n) for n in range(6)}


FORKED = """
import os, sys, graders
source = "def grade(sample, item):\\n    return float(item['n'])"
grader = graders.load({"type": "python", "name": "p", "source": source})
assert grader({"n": 1}, "x") == 1.0
child = os.fork()
if child == 0:
    ok = grader({"n": 2}, "x") == 2.0
    grader.close()
    os._exit(0 if ok else 1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
assert grader({"n": 3}, "x") == 3.0, "the parent's is alive"
grader.close()
print("good")
"""


@pytest.mark.more
@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks here")
def test_a_fork_has_sandboxes_of_its_own() -> None:
    done = subprocess.run(
        [sys.executable, "-c", FORKED], capture_output=True, text=True, check=False,
        timeout=PATIENCE,
    )  # fmt: skip
    assert (done.stdout, done.stderr) == ("good\n", "")


@pytest.mark.more
def test_a_spawned_process_takes_one_along() -> None:
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        assert pool.apply(graders.load(CHECK), ({"a": "x"}, "x")) == 1.0


def test_a_run_shows_itself_in_a_line(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"item": {"a": "x"}, "sample": "x"}\n{"item": {}}\n')
    run = graders.score_file(graders.load(CHECK), tmp_path / "rows.jsonl", tmp_path / "out.jsonl")
    assert repr(run) == "<Run of 2 rows: mean reward 1, 1 failed>"

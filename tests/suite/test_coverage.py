"""What of a grader the rows of a suite reach; looking does not change a grade."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import graders
from graders.calls import PythonReply
from graders.grade import Grade
from graders.kinds import LabelModel
from graders.plan import build
from graders.suite import Bench, Coverage, load_suite
from graders.suite.coverage import Trace

Write = Callable[..., Path]

SOURCE = '''"""A docstring."""
from __future__ import annotations
import random

LIMIT = 3


class Box:
    """Holds a number."""
    size: int = 1


def grade(sample, item):
    """Grade."""
    print("noise" * 100_000)
    text = sample["output_text"]
    if text == "boom": raise ValueError("boom")
    long = 1.0 if len(text) > LIMIT else 0.0
    while text and text[0] == " ":
        text = text[1:]
    picked = [c for c in text if c.isupper()]
    try:
        rest = 1 / len(picked)
    except ZeroDivisionError:
        rest = 0.0
    return long + rest + random.random()
'''


def covered(path: Path) -> tuple[Coverage, list[bool]]:
    with Bench(load_suite(path), covering=True) as bench:
        passed = [bench.run(test).passed for test in bench.suite.tests]
        coverage = bench.coverage
    assert coverage is not None
    return coverage, passed


def suite_of(grader: dict[str, Any], *samples: str) -> str:
    cases = [{"name": f"{i}", "item": {"a": "x"}, "sample": s} for i, s in enumerate(samples)]
    return json.dumps({"grader": grader, "cases": cases})


def python(source: str) -> dict[str, Any]:
    return {"type": "python", "name": "p", "source": source}


def test_checks_have_two_outcomes_and_a_metric_one(write: Write) -> None:
    coverage, _ = covered(write("cases: [{name: a, item: {a: x}, sample: y}]"))
    assert {part.key: part.missing for part in coverage.parts} == {"exact": ["holds"], "near": []}
    assert coverage.share == pytest.approx(2 / 3)


def test_lines_and_conditions_of_a_python_source_are_followed(write: Write) -> None:
    coverage, _ = covered(write(suite_of(python(SOURCE), "  ab", "C")))
    (part,) = coverage.parts
    assert part.note == ""
    assert part.missing == ["condition of line 17 true"]
    coverage, _ = covered(write(suite_of(python(SOURCE), "abcd")))
    assert coverage.parts[0].missing == [
        "line 20",
        "condition of line 17 true",
        "condition of line 18 false",
        "condition of line 19 true",
        "condition of line 21 true",
    ]


def test_looking_does_not_change_a_grade(write: Write) -> None:
    path = write(suite_of(python(SOURCE), "abcd", "C", "boom"))
    plain = graders.load(python(SOURCE))
    with Bench(load_suite(path), covering=True) as bench, plain:
        for test in bench.suite.tests:
            row = test.row  # type: ignore[union-attr]
            seen, alone = bench.grade(row), plain.explain(row.item, row.sample)
            assert seen.grade == alone.grade
            assert seen.printed == alone.printed


def test_two_conditions_of_a_line_are_told_apart(write: Write) -> None:
    source = "def grade(sample, item):\n    return (1 if item else 2) + (3 if sample else 4)\n"
    coverage, _ = covered(write(suite_of(python(source), "x")))
    assert coverage.parts[0].missing == [
        "condition of line 2 (1) false", "condition of line 2 (2) false",
    ]  # fmt: skip


LONG = "def grade(s, i):\n    x = 1\n    if x == 0: return 0\n"
CHAIN = (
    LONG + "".join(f"    elif x == -{n}: return {n}\n" for n in range(1, 500)) + "    return 1\n"
)
LINK = CHAIN.partition("    elif x == -200:")[0] + "    return 1\n"
FLAT = LONG + "".join(f"    if x == -{n}: return {n}\n" for n in range(1, 5000)) + "    return 1\n"
SHORT = FLAT.partition("    if x == -400:")[0] + "    return 1\n"


@pytest.mark.parametrize(
    ("source", "points"),
    [
        (SHORT, 1204),
        pytest.param(LINK, 604, marks=pytest.mark.more),
        pytest.param(CHAIN, 1504, marks=pytest.mark.slow),
        pytest.param(FLAT, 15004, marks=pytest.mark.slow),
    ],
    ids=["flat", "chain", "longest chain", "longest"],
)  # fmt: skip
def test_a_long_source_is_followed_whole(write: Write, source: str, points: int) -> None:
    coverage, _ = covered(write(suite_of(python(source), "x")))
    (part,) = coverage.parts
    assert part.note == ""
    assert len(part.points) == points


def test_a_source_that_ends_its_process_says_so(write: Write) -> None:
    source = "import os\ndef grade(sample, item):\n    os._exit(3)\n"
    coverage, _ = covered(write(suite_of(python(source), "x")))
    (part,) = coverage.parts
    assert "not every run of the source could be followed" in part.note
    assert coverage.share == 0.0


@pytest.mark.parametrize(
    "stdout",
    [
        "",
        "graders-coverage {",
        "graders-coverage []",
        "graders-coverage 5",
        'graders-coverage ["x", "0", [], "0", "0"]',
        'graders-coverage ["0", 5, [], "0", "0"]',
        'graders-coverage ["0", "0", ["x"], "0", "0"]',
        'graders-coverage ["0", "0", {}, "0", "0"]',
        "graders-coverage " + "[" * 50_000,
    ],
)
def test_forged_marks_are_a_note_not_an_error(stdout: str) -> None:
    trace = Trace()
    trace.add(PythonReply(0.0, None, stdout))
    assert trace.note
    assert trace.points() == {}


def test_labels_are_told_by_what_the_judge_said() -> None:
    config = LabelModel.model_validate({
        "type": "label_model", "name": "l", "model": "m", "labels": ["good", "bad"],
        "passing_labels": ["good"], "input": [{"role": "user", "content": "x"}],
    })  # fmt: skip
    coverage = Coverage(build(config))
    assert coverage.parts[0].missing == ["label good", "label bad"]
    said = {"": ['{"steps": [], "result": "bad"}']}
    coverage.note(graders.Explanation(Grade(reward=0.0), {}, {}, said))
    coverage.note(graders.Explanation(Grade(reward=0.0), {}, {}, {"": ["nonsense"]}))
    assert coverage.parts[0].missing == ["label good"]


def test_a_pass_mark_has_two_sides(write: Write) -> None:
    grader = {
        "type": "text_similarity", "name": "n", "evaluation_metric": "fuzzy_match",
        "input": "{{ sample.output_text }}", "reference": "{{ item.a }}", "pass_threshold": 0.5,
    }  # fmt: skip
    coverage, _ = covered(write(suite_of(grader, "x")))
    assert coverage.parts[0].missing == ["does not pass"]

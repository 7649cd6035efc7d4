"""What packages do on their first use is done before rows get processes, and changes no score."""

from __future__ import annotations

import sys
import threading
import types
from collections.abc import Iterator
from typing import Any

import pytest

from graders.calls import PythonCall
from graders.sandbox import Limits, PythonSandbox
from graders.sandbox.inside import warm

CACHE = """
import math_verify.parser

def grade(sample, item):
    return math_verify.parser.lazy_expr_regex.cache_info().currsize
"""
MATH = """
import math_verify.parser
from math_verify import parse, verify

def grade(sample, item):
    if item is None:
        return math_verify.parser.lazy_expr_regex.cache_info().currsize
    return float(verify(parse("$" + item + "$"), parse(sample["output_text"])))
"""
SYMPY = """
import sympy

def grade(sample, item):
    return float(sympy.simplify(sympy.sympify(sample["output_text"]) - item) == 0)
"""
ANSWERS = [
    (r"\frac{1}{2}", r"so $\boxed{0.5}$", 1.0), (r"3\sqrt{8}", r"$6\sqrt{2}$", 1.0), ("(1,2)", "$(2,1)$", 0.0),
    (r"\{1,2\}", r"$\{2,1\}$", 1.0), ("[0,1)", "$[0,1]$", 0.0), (r"(-\infty,2)", "$x<2$", 0.0), ("1,234", "it is 1234", 1.0),
    ("x^2-1", "$(x-1)(x+1)$", 1.0), (r"12\%", "$0.12$", 1.0), (r"\begin{pmatrix}1&2\end{pmatrix}", "$(1,3)$", 0.0),
    ("7", "no number at all", 0.0), ("7", "", 0.0),
]  # fmt: skip
"""Golds, answers, and the scores of math-verify without the sandbox."""


def scores(source: str, samples: list[str], items: list[Any], **options: Any) -> list[float | None]:
    with PythonSandbox(**options) as sandbox:
        call = PythonCall(source, [{"output_text": sample} for sample in samples], items)
        return [reply.score for reply in sandbox.perform(call)]


@pytest.mark.more
def test_where_rows_share_a_process_no_cache_is_filled() -> None:
    assert scores(CACHE, [""], [None], isolation="module") == [0]


@pytest.mark.parametrize(
    "isolation", [pytest.param(one, marks=pytest.mark.more) for one in ("row", "module")]
)
def test_mathematics_gets_the_scores_it_has_without_and_rows_find_caches_filled(
    isolation: Any,
) -> None:
    golds, answers, plain = (list(column) for column in zip(*ANSWERS, strict=True))
    *found, cached = scores(MATH, [*answers, ""], [*golds, None], isolation=isolation)
    assert found == plain
    assert isolation == "module" or cached == 1


@pytest.mark.more
def test_the_scores_are_those_of_the_version_that_is_here() -> None:
    names: dict[str, Any] = {}
    exec(MATH, names)
    for gold, answer, score in ANSWERS:
        assert names["grade"]({"output_text": answer}, gold) == score


@pytest.mark.more
def test_an_expression_without_end_is_killed_alone_from_any_thread() -> None:
    samples = ["x + 1 - x", "9**9**9**9", "2/2", "import os", "1"]
    found: list[float | None] = []
    limits = Limits(call_seconds=1.0)
    thread = threading.Thread(
        target=lambda: found.extend(scores(SYMPY, samples, [1] * 5, limits=limits))
    )
    thread.start()
    thread.join()
    assert found == [1.0, None, 1.0, None, 1.0]


@pytest.mark.more
def test_numbers_that_sympy_tries_are_the_same_in_each_run() -> None:
    source = (
        "from sympy.core.random import rng\ndef grade(sample, item):\n    return rng.random()\n"
    )
    first = scores(source, ["a", "b"], [None, None])
    assert first == scores(source, ["a", "b"], [None, None])
    assert first[0] != first[1]


def steps_of(seconds: float, monkeypatch: pytest.MonkeyPatch, imported: list[str]) -> list[int]:
    done: list[int] = []

    def uses(_: types.ModuleType) -> Iterator[None]:
        for number in range(5):
            done.append(number)
            yield

    monkeypatch.setattr(warm, "_FIRST_USES", {"json": uses})
    warm.warm_up(imported, seconds)
    return done


def test_it_ends_with_its_time_and_is_for_what_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    assert steps_of(-1.0, monkeypatch, ["json"]) == [0]
    assert steps_of(3600.0, monkeypatch, ["json.decoder"]) == [0, 1, 2, 3, 4]
    assert steps_of(3600.0, monkeypatch, ["jsonschema"]) == []


@pytest.mark.parametrize(
    "name",
    [
        "math_verify",
        "sympy",
        "sympy.parsing.latex",
        "latex2sympy2_extended",
    ],
)
def test_another_version_is_used_as_far_as_it_goes(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    warm.warm_up([name], 3600.0)


@pytest.mark.parametrize("name", ["math_verify", "sympy", "latex2sympy2_extended"])
def test_every_use_works_with_the_version_that_is_here(name: str) -> None:
    module = __import__(name)
    assert len(list(warm._FIRST_USES[name](module))) >= 10

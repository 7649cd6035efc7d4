"""Running suites: what passes, what does not, and what the explanation shows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from graders.api import Explanation
from graders.suite import Bench, Outcome, load_suite
from graders.suite.explain import explain_outcome

Write = Callable[..., Path]


def run(path: Path, *, covering: bool = False) -> dict[str, Outcome]:
    with Bench(load_suite(path), covering=covering) as bench:
        return {test.name: bench.run(test) for test in bench.suite.tests}


def test_cases_pass_where_all_is_as_expected(write: Write) -> None:
    outcomes = run(
        write("""
        defaults: {item: {a: abcd}}
        cases:
          - {name: exact, sample: abcd, reward: 1, sub_rewards: {exact: 1.0, near: "> 0.9"}}
          - {name: bound, sample: abce, reward: {at_least: 0.3, below: 0.5}}
          - {name: about, sample: abce, reward: {about: 0.37, within: 0.01}}
          - {name: fails, item: 5, sample: abce, failure: invalid_variable_error}
          - {name: somehow, item: 5, sample: abce, reward: null}
          - {name: no sample, failure: {code: invalid_variable_error, where: near}}
          - {name: wrong, sample: abce, reward: 1, sub_rewards: {exact: 0, near: 0.5}}
          - {name: no failure, sample: abcd, failure: invalid_variable_error}
          - {name: other failure, item: 5, sample: abcd, failure: other_error}
          - {name: unforeseen, item: 5, sample: abcd, reward: ">= 0"}
          - {name: unforeseen parts, item: 5, sample: abcd, sub_rewards: {near: null}}
          - {name: pending, sample: abcd}
        """)
    )
    assert [name for name, one in outcomes.items() if one.passed] == [
        "exact", "bound", "about", "fails", "somehow", "no sample",
    ]  # fmt: skip
    assert outcomes["wrong"].problems == (
        "reward: expected 1.0, got 0.375",
        "near: expected 0.5, got 0.75",
    )
    assert "got invalid_variable_error in exact" in outcomes["other failure"].problems[0]
    assert "but the row fails: invalid_variable_error" in outcomes["unforeseen"].problems[0]
    assert outcomes["unforeseen parts"].problems[0].startswith("the row fails: ")
    assert outcomes["pending"].problems[0].startswith("nothing is expected yet; the reward is 1.0")


def test_the_explanation_shows_formula_sub_rewards_and_rendered_inputs(write: Write) -> None:
    outcomes = run(
        write("""
        cases:
          - {name: c, item: {a: abcd}, sample: "abce ", reward: 1, sub_rewards: {near: 0.5}}
        """)
    )
    text = explain_outcome(outcomes["c"])
    assert "  (exact + near) / 2\n= (0.0 + 0.6666666666666667) / 2\n= 0.33333333333333337\n" in text
    assert "near        text_similarity  0.6666666666666667  0.5" in text
    assert 'near.input       "abce "' in text
    assert "near.reference   abcd" in text


def test_an_explanation_cannot_steer_a_terminal(write: Write) -> None:
    outcomes = run(
        write("""
        cases: [{name: "c\\e[1m", item: {a: "\\e[31m"}, sample: "\\e]0;x\\a", reward: 9}]
        orderings: [{name: o, order: [{name: "\\e[1m", sample: "\\e"}, {sample: q}]}]
        """)
    )
    texts = [explain_outcome(outcome) for outcome in outcomes.values()]
    assert [text for text in texts if not text or "\x1b" in text] == []


def test_python_graders_show_item_and_sample(write: Write) -> None:
    outcomes = run(
        write("""
        grader: {type: python, name: p, source: "def grade(sample, item): return 1"}
        cases: [{name: c, item: {a: 1}, sample: the text, reward: 2}]
        """)
    )
    text = explain_outcome(outcomes["c"])
    assert 'item            {"a":1}' in text
    assert "sample          the text" in text


def test_a_long_text_is_shortened(write: Write) -> None:
    outcomes = run(write(f"cases: [{{name: c, item: {{a: {'x' * 5000}}}, sample: y, reward: 9}}]"))
    assert "… 4,700 more characters" in explain_outcome(outcomes["c"])


def test_orderings_want_each_to_beat_the_next(write: Write) -> None:
    outcomes = run(
        write("""
        defaults: {item: {a: abcdefghij}}
        cases:
          - {name: best, sample: abcdefghij, reward: 1}
          - {name: near, sample: abcdefghiX, reward: null}
          - {name: fails, item: 5, sample: x, reward: null}
        orderings:
          - {name: right, order: [best, near, {sample: zz}]}
          - {name: margin, order: [best, near], margin: 0.55}
          - {name: too much, order: [best, near], margin: 0.56}
          - {name: wrong, order: [near, best]}
          - {name: equal, order: [best, best]}
          - {name: failed, order: [best, fails]}
          - {name: own, item: {a: zz}, order: [{sample: zz}, {sample: abcdefghij}]}
        """)
    )
    passed = [name for name, one in outcomes.items() if one.passed]
    assert passed == ["best", "fails", "right", "margin", "own"]
    assert outcomes["too much"].problems[0].endswith("by at least 0.56")
    assert "near (0.45) does not beat best (1.0)" in outcomes["wrong"].problems[0]
    assert "fails has no reward: invalid_variable_error" in outcomes["failed"].problems[0]


def test_invariances_want_the_reward_to_stay(write: Write) -> None:
    outcomes = run(
        write("""
        defaults: {item: {a: Ab c}}
        cases: [{name: c, sample: Ab c, reward: 1}]
        invariances:
          - {name: none, sample: {output_tools: [], output_text: Ab c}, paraphrases: Ab c}
          - {name: case, of: c, changes: case}
          - {name: near, of: c, changes: inner_whitespace, within: 0.6}
          - {name: chat, sample: {choices: [{message: {content: Ab c}}]}, changes: upper_case}
          - {name: fails, item: 5, sample: x, changes: upper_case}
        """)
    )
    assert [name for name, one in outcomes.items() if one.passed] == ["c", "none", "near"]
    assert [one.split(":")[0] for one in outcomes["case"].problems] == [
        "c, upper case", "c, lower case",
    ]  # fmt: skip
    assert (
        outcomes["chat"].problems[0].startswith("the sample, upper case: the reward goes from 1.0")
    )
    assert "has no reward" in outcomes["fails"].problems[0]


def test_equal_rows_are_graded_once(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    suite = load_suite(
        write("""
        defaults: {item: {a: x}}
        cases: [{name: a, sample: x, reward: 1}, {name: b, sample: x, reward: 1}]
        invariances: [{of: a, paraphrases: [x]}]
        """)
    )
    asked: list[Any] = []
    with Bench(suite) as bench:
        explain = bench.grader.explain

        def counted(item: Any, sample: Any) -> Explanation:
            asked.append((item, sample))
            return explain(item, sample)

        monkeypatch.setattr(bench.grader, "explain", counted)
        assert all(bench.run(test).passed for test in suite.tests)
    assert len(asked) == 1

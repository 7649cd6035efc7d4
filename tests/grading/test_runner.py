"""Grading a chunk: every way a row can fail, alone and among others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from graders import config, plan
from graders.calls import PythonCall, PythonError, PythonReply
from graders.errors import UnavailableError
from graders.grade import Failure
from graders.grading.runner import Graded, Runner
from graders.reading import Reading
from graders.rows import Chunk


class ByHand:
    """Answers python calls with what `output_text` says: a number, or an error's kind."""

    def __init__(self) -> None:
        self.calls: list[PythonCall] = []

    def check(self, source: str, image_tag: str | None = None) -> PythonError | None:
        return None

    def perform(self, call: PythonCall) -> list[PythonReply]:
        self.calls.append(call)
        return [self._reply(sample.get("output_text", "")) for sample in call.samples]

    @staticmethod
    def _reply(text: Any) -> PythonReply:
        try:
            return PythonReply(float(text), stdout=f"saw {text}\n")
        except ValueError:
            error = PythonError("runtime", f"ValueError: {text}", "Traceback: line 2")
            return PythonReply(None, error, stderr="oh")


def check(operation: str = "eq", left: str = "sample.output_text", right: str = "item.a") -> Any:
    return {
        "type": "string_check", "name": "check", "operation": operation,
        "input": f"{{{{ {left} }}}}", "reference": f"{{{{ {right} }}}}",
    }  # fmt: skip


def fuzzy(left: str = "sample.output_text", right: str = "item.a") -> Any:
    return {
        "type": "text_similarity", "name": "fuzzy", "evaluation_metric": "fuzzy_match",
        "input": f"{{{{ {left} }}}}", "reference": f"{{{{ {right} }}}}",
    }  # fmt: skip


PYTHON = {"type": "python", "name": "py", "source": "def grade(sample, item):\n    return 1.0\n"}


def multi(formula: str, invalid_grade: float | None = None, **graders: Any) -> dict[str, Any]:
    body = {"type": "multi", "name": "m", "graders": graders, "calculate_output": formula}
    return body if invalid_grade is None else {**body, "invalid_grade": invalid_grade}


def runner(body: Any, python: ByHand | None = None, **reading: Any) -> Runner:
    return Runner(
        plan.build(config.load(body), Reading(**reading)),
        {} if python is None else {"python": python},
    )


def grade(
    body: Any, rows: Sequence[tuple[Any, Any]], python: ByHand | None = None, **reading: Any
) -> Graded:
    chunk = Chunk([item for item, _ in rows], [sample for _, sample in rows], [None] * len(rows))
    return runner(body, python, **reading).grade(chunk)


def codes(graded: Graded, row: int = 0) -> list[tuple[str, str]]:
    return [(failure.code, failure.where) for failure in graded.failures.get(row, ())]


def test_an_empty_chunk_gives_empty_columns() -> None:
    for body in (check(), fuzzy(), multi("a + b", a=check(), b=fuzzy())):
        graded = grade(body, [])
        assert graded.rewards == []
        assert all(column == [] for column in graded.sub_rewards.values())


def test_a_reward_is_none_exactly_where_there_is_a_failure() -> None:
    graded = grade(check(), [({"a": "x"}, "x"), ({}, "x"), ({"a": "x"}, "y"), (None, "x")])
    assert graded.rewards == [1.0, None, 0.0, None]
    assert sorted(graded.failures) == [1, 3]


@pytest.mark.parametrize(
    ("body", "item", "sample", "code", "says"),
    [
        (check(), {}, "x", "invalid_variable_error", "item.a: item has no a; keys there: none"),
        (check(), {"b": 1, "aa": 2}, "x", "invalid_variable_error", "keys there: b, aa"),
        (check(), None, "x", "invalid_variable_error", "the row has no item"),
        (check(), {"a": "x"}, None, "invalid_variable_error", "the row has no sample"),
        (check(), [1], "x", "invalid_variable_error", "item is a list, not an object"),
        (
            check(left="sample.output_json.k"), {"a": "x"}, "prose", "sample_parse_error",
            "the output text is not JSON",
        ),
        (
            check(left="sample.output_json.k"), {"a": "x"}, "", "sample_parse_error",
            "the output text is empty, not JSON",
        ),
        (
            check(left="sample.output_json.k"), {"a": "x"}, "{}", "invalid_variable_error",
            "sample.output_json has no k",
        ),
        (
            check(left="sample.output_tools[0].function.name"), {"a": "x"},
            {"output_tools": []}, "invalid_variable_error", "a list of 0 elements",
        ),
        (check(), {"a": "x"}, 5, "sample_parse_error", "a sample is text, an object or a list, not"),
        (check(), {"a": "x"}, ["x"], "sample_parse_error", "a sample that is a list holds messages"),
        (check(), {"a": "x"}, {"output_text": 1}, "sample_parse_error", "output_text is text"),
    ],
)  # fmt: skip
def test_a_row_that_cannot_be_scored_says_why_and_harms_no_other(
    body: Any, item: Any, sample: Any, code: str, says: str
) -> None:
    good = ({"a": "x"}, '{"k": "x"}')
    graded = grade(body, [good, (item, sample), good])
    assert graded.rewards[1] is None
    assert codes(graded, 1) == [(code, "")]
    assert says in graded.failures[1][0].message
    assert list(graded.failures) in ([1], [0, 2, 1], [0, 1, 2])


def test_one_bad_row_leaves_the_scores_of_its_neighbours_as_they_are() -> None:
    graded = grade(fuzzy(), [({"a": "abcd"}, "abce"), ({}, "x"), ({"a": "same"}, "same")])
    assert graded.rewards == [0.75, None, 1.0]


def test_a_failed_sub_grader_fails_the_multi_with_its_own_reason_and_place() -> None:
    body = multi("(a + b) / 2", a=check(), b=fuzzy(right="item.other"))
    graded = grade(body, [({"a": "x", "other": "x"}, "x"), ({"a": "x"}, "x")])
    assert graded.rewards == [1.0, None]
    assert graded.sub_rewards == {"a": [1.0, 1.0], "b": [1.0, None]}
    assert codes(graded, 1) == [("invalid_variable_error", "b")]


def test_every_failed_sub_grader_is_told_of() -> None:
    body = multi("a + b + c", a=check(right="item.p"), b=fuzzy(right="item.q"), c=check())
    graded = grade(body, [({"a": "x"}, "x")])
    assert codes(graded) == [("invalid_variable_error", "a"), ("invalid_variable_error", "b")]
    assert graded.sub_rewards == {"a": [None], "b": [None], "c": [1.0]}


def test_sub_rewards_keep_the_order_of_the_config() -> None:
    body = multi("z + y + x", z=fuzzy(), y=check(), x=fuzzy())
    assert list(grade(body, [({"a": "x"}, "x")]).sub_rewards) == ["z", "y", "x"]


@pytest.mark.parametrize(
    ("formula", "says"),
    [
        ("1 / a", "1 / 0.0"),
        ("log(a)", "log(0.0)"),
        ("sqrt(a - 1)", "sqrt(0.0 - 1)"),
        ("exp(1000 - a)", "exp(1000 - 0.0)"),
        ("(a - 2) ^ 0.5", "(0.0 - 2) ^ 0.5"),
    ],
)
def test_a_formula_without_a_finite_value_fails_the_row_and_shows_the_numbers(
    formula: str, says: str
) -> None:
    graded = grade(multi(formula, a=check()), [({"a": "x"}, "y")])
    assert graded.rewards == [None]
    assert codes(graded) == [("formula_runtime_error", "")]
    assert says in graded.failures[0][0].message
    assert graded.sub_rewards == {"a": [0.0]}


def test_a_formula_fails_only_the_rows_it_has_no_value_for() -> None:
    rows = [({"a": "x"}, "x"), ({"a": "x"}, "y"), ({}, "x"), ({"a": "x"}, "x")]
    graded = grade(multi("1 / a", a=check()), rows)
    assert graded.rewards == [1.0, None, None, 1.0]
    assert codes(graded, 1) == [("formula_runtime_error", "")]
    assert codes(graded, 2) == [("invalid_variable_error", "a")]


def test_a_multis_reward_is_not_clipped() -> None:
    assert grade(multi("100 * a - 250", a=check()), [({"a": "x"}, "x")]).rewards == [-150.0]


def test_a_formula_without_names_has_its_value_in_every_row() -> None:
    assert grade(multi("1 + 1", a=check()), [({"a": "x"}, "x")] * 3).rewards == [2.0, 2.0, 2.0]


def test_an_invalid_grade_stands_for_failures_of_sub_graders_and_formula() -> None:
    body = multi("1 / a", invalid_grade=-1.0, a=check())
    graded = grade(body, [({"a": "x"}, "x"), ({}, "x"), ({"a": "x"}, "y")])
    assert graded.rewards == [1.0, -1.0, -1.0]
    assert not graded.failures
    assert [found[0].code for _, found in sorted(graded.replaced.items())] == [
        "invalid_variable_error",
        "formula_runtime_error",
    ]
    assert graded.grade(1).replaced == graded.replaced[1]


def test_an_unreadable_row_stays_failed_whatever_the_invalid_grade() -> None:
    bad = Failure("row_parse_error", "line 2: not JSON")
    chunk = Chunk([{"a": "x"}, None], ["x", None], [None, None], {1: bad})
    graded = runner(multi("a", invalid_grade=0.0, a=check())).grade(chunk)
    assert graded.rewards == [1.0, None]
    assert graded.failures == {1: (bad,)}


CRITERIA = {
    "name": "eval",
    "testing_criteria": [check(), {**fuzzy(), "name": "near", "pass_threshold": 0.75}],
}


@pytest.mark.parametrize(
    ("reference", "text", "reward"),
    [("abcd", "abcd", 1.0), ("abcd", "abce", 0.0), ("abcd", "zzzz", 0.0)],
)
def test_criteria_pass_when_every_one_passes(reference: str, text: str, reward: float) -> None:
    assert grade(CRITERIA, [({"a": reference}, text)]).rewards == [reward]


def test_a_criterion_passes_exactly_at_its_threshold() -> None:
    body = {
        "testing_criteria": [
            {**fuzzy(), "name": "one", "pass_threshold": 0.75},
            {**fuzzy(), "name": "two", "pass_threshold": 0.5},
        ]
    }
    graded = grade(body, [({"a": "abcd"}, "abce"), ({"a": "abcd"}, "abxy")])
    assert graded.sub_rewards["one"] == [0.75, 0.5]
    assert graded.rewards == [1.0, 0.0]


def test_a_criterion_that_fails_fails_the_row() -> None:
    graded = grade(CRITERIA, [({}, "x")])
    assert graded.rewards == [None]
    assert codes(graded) == [
        ("invalid_variable_error", "check"),
        ("invalid_variable_error", "near"),
    ]


def test_python_graders_are_asked_once_for_a_column_and_settle_row_by_row() -> None:
    hand = ByHand()
    graded = grade(PYTHON, [({"a": 1}, "0.5"), ({"a": 2}, "boom"), (None, "7")], hand)
    assert len(hand.calls) == 1
    assert hand.calls[0].items == [{"a": 1}, {"a": 2}, {}]
    assert graded.rewards == [0.5, None, 7.0]
    assert codes(graded, 1) == [("python_grader_runtime_error", "")]
    assert graded.failures[1][0].details == "Traceback: line 2"
    assert graded.printed(0) == {"": "saw 0.5\n"}
    assert graded.printed(1) == {"": "oh"}


def test_a_python_grader_never_sees_a_row_that_could_not_be_read() -> None:
    hand = ByHand()
    bad = Failure("row_parse_error", "line 1: not JSON")
    chunk = Chunk([None, {}], [None, "3"], [None, None], {0: bad})
    graded = runner(multi("p + 1", p=PYTHON), hand).grade(chunk)
    assert [len(call.samples) for call in hand.calls] == [1]
    assert graded.rewards == [None, 4.0]
    assert graded.printed(0) == {}
    assert graded.printed(1) == {"p": "saw 3\n"}


def test_a_python_grader_inside_a_multi_has_its_place_in_the_failure() -> None:
    graded = grade(multi("p + a", p=PYTHON, a=check()), [({"a": "x"}, "x")], ByHand())
    assert codes(graded) == [("python_grader_runtime_error", "p")]
    assert graded.sub_rewards == {"p": [None], "a": [1.0]}


def test_a_python_grader_without_a_performer_is_refused() -> None:
    with pytest.raises(UnavailableError, match="python graders need a sandbox"):
        runner(PYTHON)


JUDGE = {
    "type": "score_model", "name": "judge", "model": "m",
    "input": [{"role": "user", "content": "{{ item.a }}"}],
}  # fmt: skip


def test_a_model_grader_without_a_chat_client_is_refused_by_its_key() -> None:
    with pytest.raises(UnavailableError, match=r"^j: model graders need a chat client"):
        runner(multi("j + a", j=JUDGE, a=check()))


def test_a_field_that_cannot_be_rendered_is_left_out_of_what_is_shown() -> None:
    shown = plan.build(config.load(multi("a + b", a=check(), b=fuzzy(right="item.other"))))
    assert shown.render_row({"a": "x"}, "y") == {
        "a": {"input": "y", "reference": "x"},
        "b": {"input": "y"},
    }
    assert shown.render_row({"a": "x"}, 5) == {"a": {"reference": "x"}}


def test_a_rendered_value_is_never_rendered_again() -> None:
    graded = grade(check(), [({"a": "{{ item.b }}", "b": "secret"}, "{{ item.b }}")])
    assert graded.rewards == [1.0]


def test_the_choices_reach_the_templates() -> None:
    rows = [({"a": True}, "True"), ({"a": True}, "true")]
    assert grade(check(), rows).rewards == [0.0, 1.0]
    assert grade(check(), rows, rendering="python").rewards == [1.0, 0.0]
    into = check(left="sample.output_tools[0].function.arguments.city")
    call = {"output_tools": [{"function": {"name": "f", "arguments": '{"city": "Oslo"}'}}]}
    assert grade(into, [({"a": "Oslo"}, call)]).rewards == [1.0]
    assert grade(into, [({"a": "Oslo"}, call)], tool_arguments="text").rewards == [None]

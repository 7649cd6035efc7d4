"""promptfoo's assertions as graders, one by one, as its own handlers decide."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import graders
from graders.convert import convert
from graders.convert.promptfoo import assertion, is_promptfoo, read
from graders.errors import ConfigError, GradersError
from tests import unconfined

ITEM = {"a": "Paris", "n": 3, "deep": {"x": "seine"}}


def graded(one: dict[str, Any], text: str, item: Any = ITEM) -> float | None:
    """Return what an answer gets by an assertion."""
    made = assertion(one)
    assert isinstance(made, dict), made
    return unconfined.load({"name": "x", **made}).grade(item=item, sample=text).reward


@pytest.mark.parametrize(
    ("one", "passes", "fails"),
    [
        ({"type": "equals", "value": "{{a}}"}, "Paris", "paris"),
        ({"type": "not-equals", "value": "{{a}}"}, "paris", "Paris"),
        ({"type": "contains", "value": "{{ deep.x }}"}, "la seine", "Seine"),
        ({"type": "not-contains", "value": "{{a}}"}, "Rome", "In Paris"),
        ({"type": "icontains", "value": "SEINE"}, "la seine", "la"),
        ({"type": "not-icontains", "value": "{{a}}"}, "rome", "PARIS"),
        ({"type": "starts-with", "value": "{{a}} {{n}}"}, "Paris 3 x", " Paris 3"),
        ({"type": "not-starts-with", "value": "{{a}}"}, "x", "Paris"),
        ({"type": "contains-any", "value": ["{{a}}", "Rome"]}, "Rome", "paris"),
        ({"type": "contains-all", "value": ["{{a}}", "Rome"]}, "Rome, Paris", "Rome"),
        ({"type": "icontains-all", "value": ["{{a}}", "ROME"]}, "rome paris", "paris"),
        ({"type": "regex", "value": r"^\d{2}$"}, "12", "12\n"),
        ({"type": "regex", "value": r"a.c"}, "abc", "a\u2028c"),
        ({"type": "regex", "value": r"^a..c$"}, "a\U0001f600c", "abc"),
        ({"type": "regex", "value": "\U0001f600+$"}, "\U0001f600", "x"),
        ({"type": "regex", "value": r"[\w.$]+@x"}, "$.a@x", "é"),
        ({"type": "regex", "value": r"^\B$"}, "", "x"),
        ({"type": "not-regex", "value": r"\bno\b"}, "note", "no"),
        ({"type": "is-json"}, '{"a": 1}', "{a: 1}"),
        ({"type": "not-is-json"}, "NaN", "3"),
        ({"type": "levenshtein", "value": "{{a}}", "threshold": 1}, "Pari", "Par"),
        ({"type": "levenshtein", "value": "x", "threshold": 2}, "\U0001f600", "abcd"),
        ({"type": "python", "value": "len(output) > 3 and context['vars']['n'] == 3"}, "long", "no"),
        ({"type": "python", "value": "if output:\n    return 1\nreturn False"}, "x", ""),
        ({"type": "python", "value": "{'pass': True, 'score': float(json.loads(output))}"}, "1", "0"),
    ],
)  # fmt: skip
def test_an_assertion_is_the_same_yes_and_the_same_no(
    one: dict[str, Any], passes: str, fails: str
) -> None:
    assert graded(one, passes) == 1.0
    assert graded(one, fails) == 0.0


def test_a_row_without_its_variable_fails_and_is_no_wrong_answer() -> None:
    for kind in ("equals", "starts-with"):
        assert graded({"type": kind, "value": "{{gone}}"}, "x") is None


@pytest.mark.parametrize(
    "one",
    [
        {"type": "rouge-n", "value": "{{a}}"}, {"type": "bleu", "value": "x"}, {"type": "similar", "value": "x"},
        {"type": "javascript", "value": "output.length"}, {"type": "llm-rubric", "value": "kind"},
        {"type": "equals", "value": {"a": 1}}, {"type": "equals", "value": "{% if a %}x{% endif %}"},
        {"type": "equals", "value": "file://x.txt"}, {"type": "contains-any", "value": "a,b"},
        {"type": "is-json", "value": {"type": "object"}}, {"type": "regex", "value": "(?<name>x)"},
        {"type": "regex", "value": r"\p{L}"}, {"type": "regex", "value": "("}, {"type": "regex", "value": ""},
        {"type": "regex", "value": "[]"}, {"type": "regex", "value": "a{,2}"}, {"type": "regex", "value": "a++"}, {"type": "python", "value": "file://x.py"},
        {"type": "python", "value": "return ("}, {"type": "not-python", "value": "True"},
        {"type": "equals", "value": "x", "transform": "output.trim()"}, {"type": 3}, {}, None, "equals",
        {"type": "levenshtein", "value": "x", "threshold": "far"},
    ],
)  # fmt: skip
def test_another_meaning_is_none_and_says_why(one: Any) -> None:
    assert isinstance(assertion(one), str)


CONFIG = {
    "description": "capitals", "prompts": ["{{q}}"], "providers": ["echo"],
    "defaultTest": {
        "assert": [
            {"type": "icontains", "value": "{{a}}", "weight": 2, "metric": "right"},
            {"type": "not-contains", "value": "sorry"},
            {"type": "rouge-n", "value": "{{a}}"},
        ]
    },
    "tests": [{"vars": ITEM}],
}  # fmt: skip


def test_a_config_is_the_weighted_mean_that_promptfoo_shows() -> None:
    made = read(CONFIG)
    [loss] = made.losses
    assert (loss.path, loss.nearest) == (
        "$.defaultTest.assert[2]", "text_similarity by rouge_1",
    )  # fmt: skip
    grader = graders.load(made.document)
    assert grader.name == "capitals"
    for text, gives in (("PARIS", 1.0), ("sorry, paris", 2 / 3), ("Rome", 1 / 3)):
        assert grader.grade(item=ITEM, sample=text).reward == gives


def test_a_list_of_assertions_is_enough_and_unlike_tests_are_named() -> None:
    listed = CONFIG["defaultTest"]["assert"]  # type: ignore[index]
    assert read(listed).document["graders"] == read(CONFIG).document["graders"]
    tests = [{"assert": [{"type": one, "value": "a"}]} for one in ("equals", "contains")]
    losses = read({**CONFIG, "tests": tests, "threshold": 0.5}).losses
    assert [one.path for one in losses] == ["$.tests", "$.defaultTest.assert[2]", "$.threshold"]


def test_tests_that_compare_with_texts_of_their_own_become_rows() -> None:
    tests = [
        {
            "vars": {"q": q, "expected": 1},
            "assert": [{"type": "contains", "value": a}, {"type": "is-json"}, {"type": "icontains", "value": a}],
        }
        for q, a in (("France?", "Paris"), ("Italy?", "Rome"))
    ]  # fmt: skip
    made = read({"prompts": ["{{q}}"], "defaultTest": {"vars": {"all": 1}}, "tests": tests})
    assert not made.losses
    assert [one["item"] for one in made.rows] == [
        {"all": 1, "q": "France?", "expected": 1, "expected_2": "Paris"},
        {"all": 1, "q": "Italy?", "expected": 1, "expected_2": "Rome"},
    ]
    grader = graders.load(made.document)
    for row, text in zip(made.rows, ('"Paris"', '"Rome"'), strict=True):
        assert grader.grade(item=row["item"], sample=text).reward == 1.0
        assert grader.grade(item=row["item"], sample="Bern").reward == 0.0


def test_nothing_that_can_be_read_is_a_sentence() -> None:
    with pytest.raises(ConfigError, match="no assertion could be read"):
        read([{"type": "javascript", "value": "1"}])


ODD = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=6) | st.sampled_from(["{{a}}", "{{", "(", "\\"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip
KINDS = st.sampled_from(
    ["equals", "contains-any", "regex", "levenshtein", "python", "is-json", "x"]
)
NAMES = st.sampled_from(["value", "weight", "metric", "threshold", "other"])


@given(
    st.lists(
        st.builds(
            lambda kind, more: {"type": kind, **more}, KINDS | ODD, st.dictionaries(NAMES, ODD)
        ),
        max_size=3,
    )
)
def test_odd_assertions_end_in_a_grader_or_one_sentence(found: list[Any]) -> None:
    try:
        made = convert({"defaultTest": {"assert": found}}, "graders", read_as="promptfoo")
    except GradersError:
        return
    unconfined.load(made.document)


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        [3],
        {"type": "multi"},
        [{"type": "string_check"}],
        [{"type": "python", "source": "x"}],
    ],
)
def test_other_documents_are_not_taken_for_promptfoos(value: Any) -> None:
    assert not is_promptfoo(value)


ASSERTED = st.builds(lambda kind, value: {"type": kind, "value": value}, KINDS, ODD | st.just("b"))
TESTS = st.lists(
    st.fixed_dictionaries(
        {"assert": st.lists(ASSERTED | ODD, max_size=3) | ODD},
        optional={"vars": st.dictionaries(st.sampled_from(["a", "expected", "item"]), ODD) | ODD},
    )
    | ODD,
    max_size=3,
)


@given(TESTS | ODD, ODD)
def test_odd_tests_end_in_a_grader_or_one_sentence(tests: Any, default: Any) -> None:
    document = {"tests": tests, "defaultTest": default}
    try:
        made = convert(document, "graders", read_as="promptfoo")
    except GradersError:
        return
    unconfined.load(made.document)
    assert all(isinstance(one["item"], dict) for one in made.rows)


SAME = {"type": "equals", "value": "{{answer}}"}
TEST = {"vars": {"answer": "a"}}


@pytest.mark.parametrize(
    ("more", "path"),
    [
        ({"defaultTest": {"assert": [SAME], "options": {"transform": "output.trim()"}}}, "$.defaultTest.options.transform"),
        ({"defaultTest": {"assert": [SAME], "options": {"postprocess": "x"}}}, "$.defaultTest.options.postprocess"),
        ({"tests": [TEST, {**TEST, "options": {"transform": "x"}}]}, "$.tests[1].options.transform"),
        ({"tests": [{**TEST, "options": {"transformVars": "x"}}]}, "$.tests[0].options.transformVars"),
        ({"tests": [{**TEST, "options": {"disableDefaultAsserts": True}}]}, "$.tests[0].options.disableDefaultAsserts"),
        ({"providers": ["echo", {"id": "echo", "transform": "x"}]}, "$.providers[1].transform"),
        ({"tests": [{**TEST, "threshold": 0}]}, "$.tests[0].threshold"),
        ({"tests": [{**TEST, "assertScoringFunction": "file://x.js"}]}, "$.tests[0].assertScoringFunction"),
        ({"scenarios": [{"config": [TEST], "tests": [{"assert": [SAME]}]}]}, "$.scenarios"),
        ({"derivedMetrics": [{"name": "f1", "value": "a / b"}]}, "$.derivedMetrics"),
        ({"extensions": ["file://hook.py:run"]}, "$.extensions"),
        ({"nunjucksFilters": {"loud": "./loud.js"}}, "$.nunjucksFilters"),
        ({"defaultTest": "file://default.yaml"}, "$.defaultTest"),
        ({"tests": ["file://more.csv", TEST]}, "$.tests[0]"),
        ({"tests": {"path": "file://made.py"}}, "$.tests"),
        ({"tests": [{"vars": "file://vars.csv"}]}, "$.tests[0].vars"),
        ({"tests": [{"vars": {"answer": "file://a.txt"}}]}, "$.tests[0].vars.answer"),
        ({"tests": [{"vars": {"answer": "{{other}}"}}]}, "$.tests[0].vars.answer"),
        ({"defaultTest": {"assert": SAME}}, "$.defaultTest.assert"),
    ],
)  # fmt: skip
def test_what_else_decides_on_scores_is_named(more: Any, path: str) -> None:
    made = read({"prompts": ["x"], "assert": [SAME], **more})
    assert [one.path for one in made.losses] == [path]


def test_the_same_setting_of_many_tests_is_said_once() -> None:
    tests = [{**TEST, "threshold": 0.5}] * 3
    (loss,) = read({"prompts": ["x"], "assert": [SAME], "tests": tests}).losses
    assert loss.path == "$.tests[0].threshold"
    assert "and at 2 more places" in loss.why


def test_what_switches_nothing_is_not_named() -> None:
    tests = [{**TEST, "options": {"disableDefaultAsserts": False}, "threshold": None}]
    assert not read({"prompts": ["x"], "assert": [SAME], "tests": tests}).losses


def test_rows_are_the_tests_that_promptfoo_runs() -> None:
    default = {"assert": [SAME], "vars": {"answer": "a"}}
    tests = [
        {"description": "of the default alone"},
        {"vars": {"answer": ["b", "c"], "n": [1, 2]}},
        {"vars": {"answer": ["d", "e"]}, "options": {"disableVarExpansion": True}},
        {"vars": {"q": "1"}, "providerOutput": "said"},
    ]
    assert read({"prompts": ["x"], "defaultTest": default, "tests": tests}).rows == [
        {"item": {"answer": "a"}},
        {"item": {"answer": "b", "n": [1, 2]}},
        {"item": {"answer": "c", "n": [1, 2]}},
        {"item": {"answer": ["d", "e"]}},
        {"item": {"answer": "a", "q": "1"}, "sample": "said"},
    ]


def test_a_text_of_its_own_does_not_take_the_name_of_a_shared_one() -> None:
    default = {"vars": {"expected": "all"}, "assert": [{"type": "contains", "value": "{{expected}}"}]}  # fmt: skip
    tests = [{"assert": [{"type": "contains", "value": said}]} for said in "ab"]
    made = read({"prompts": ["x"], "defaultTest": default, "tests": tests})
    assert [one["item"] for one in made.rows] == [
        {"expected": "all", "expected_2": "a"},
        {"expected": "all", "expected_2": "b"},
    ]


@pytest.mark.parametrize("value", ["{{env.HOME}}", "{{ _conversation[0].output }}"])
@pytest.mark.parametrize("kind", ["equals", "not-contains"])
def test_names_of_promptfoos_own_are_no_variables(kind: str, value: str) -> None:
    assert assertion({"type": kind, "value": value}) == "its value is no text of plain variables"

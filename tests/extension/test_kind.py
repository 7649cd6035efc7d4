"""Kinds of other packages: they load, combine and grade as ours do, and are held to what ours keep."""

from __future__ import annotations

import json
import pickle
from typing import Any

import pytest

import graders
from graders.config import schema
from graders.errors import ExtensionError
from graders.kinds import KINDS, kind_of
from tests.extension.conftest import Extend

GOOD = '''
from typing import Literal
from pydantic import field_validator
from graders.calls import PythonCall
from graders.grade import Failure
from graders.kinds import GraderConfig, Kind, Number, Scores, Settled, Text, TextField
from graders.metrics import Request

class WordCount(GraderConfig):
    """Pass answers of few words."""

    type: Literal["word_count"] = "word_count"
    input: Text
    """The answer."""
    most: Number = 3
    """So many words pass."""

    @field_validator("most")
    @classmethod
    def _whole(cls, value):
        if value != int(value):
            raise ValueError("most is a whole number")
        return value

class WordCountKind(Kind[WordCount]):
    name = "word_count"
    config = WordCount

    def performer(self, config):
        return "itself"

    def texts(self, config):
        yield TextField(("input",), config.input)

    def ask(self, config, rows, repeats):
        return Settled([self.score(one, config.most) for one in rows.texts["input"]])

    def score(self, text, most):
        return float(len(text.split()) <= most)

    def settle(self, config, replies, repeats):
        raise NotImplementedError

    def scores(self, config):
        return Scores(0.0, 1.0, (0.0, 1.0))

KIND = WordCountKind()
'''
CONFIG: dict[str, Any] = {"type": "word_count", "name": "n", "input": "{{ sample.output_text }}"}
CHECK: dict[str, Any] = {
    "type": "string_check", "name": "c", "operation": "eq", "input": "a", "reference": "a",
}  # fmt: skip
MULTI = {
    "type": "multi", "name": "m", "graders": {"n": CONFIG, "c": CHECK}, "calculate_output": "n + c",
}  # fmt: skip
HEAD = (
    "the extension acme-graders 1.2 is broken: its entry point word_count = acme_count:KIND in "
    "graders.kinds "
)


def add(extend: Extend, *changes: tuple[str, str], name: str = "word_count") -> None:
    code = GOOD
    for old, new in changes:
        assert old in code
        code = code.replace(old, new)
    extend({"kinds": {name: "acme_count:KIND"}}, {"acme_count": code})


def faults_of(config: Any) -> list[tuple[str, str]]:
    with pytest.raises(graders.ConfigError) as caught:
        graders.load(config)
    return [(one.path, one.message) for one in caught.value.faults]


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        (CONFIG, 1.0),
        (MULTI, 2.0),
        ({"testing_criteria": [CONFIG, CHECK]}, 1.0),
        ({"grader": MULTI}, 2.0),
        ({"method": {"type": "reinforcement", "reinforcement": {"grader": MULTI}}}, 2.0),
    ],
)
def test_it_works_wherever_ours_do(extend: Extend, body: Any, wanted: float) -> None:
    add(extend)
    grader = graders.load(body)
    assert grader({}, "one two") == wanted
    assert pickle.loads(pickle.dumps(grader.config)) == grader.config
    assert graders.load(graders.dump(grader.config)).config == grader.config
    assert graders.load(grader.config)({}, "one two") == wanted
    assert "word_count|package:acme-graders@1.2|graders:" in str(grader.signatures)
    assert [str(one) for one in grader.plan.extensions] == ["acme-graders 1.2"]


def test_its_faults_are_worded_and_placed_as_ours(extend: Extend) -> None:
    add(extend)
    assert faults_of({**CONFIG, "mots": 2}) == [
        ("$.mots", 'unknown field "mots"; did you mean most?')
    ]
    (found,) = faults_of({**CONFIG, "input": "{{ item"})
    assert found[0] == "$.input"
    assert found[1].startswith("this {{ has no }}")
    many = {**MULTI, "graders": {"n": {**CONFIG, "most": "x"}, "c": {**CONFIG, "most": 1.5}}}
    assert faults_of(many) == [
        ("$.graders.n.most", 'a number is needed, got "x"'),
        ("$.graders.c.most", "most is a whole number"),
    ]
    (near,) = faults_of({**CONFIG, "type": "word_counts"})
    assert near == ("$", 'unknown type "word_counts"; did you mean word_count?')


def test_it_is_made_in_python_too(extend: Extend) -> None:
    add(extend)
    assert kind_of(graders.load(CONFIG).config).name == "word_count"
    from acme_count import WordCount  # type: ignore[import-not-found]

    assert graders.load(WordCount(input="a b", name="x"))({}, "y") == 1.0
    made = graders.Multi(
        graders={"n": WordCount(input="{{ sample.output_text }}")}, calculate_output="n * 2"
    )
    assert graders.load(made)({}, "y") == 2.0
    with pytest.raises(graders.ConfigError, match="did you mean most"):
        WordCount(input="a", mots=2)


def test_the_schema_has_it(extend: Extend) -> None:
    before = schema()
    assert "word_count" not in json.dumps(before)
    add(extend)
    made = json.dumps(schema())
    assert '"const": "word_count"' in made
    assert "So many words pass." in made


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('name = "word_count"', 'name = "words"', 'gives a kind of the name "words"'),
        ('    name = "word_count"\n', "", "gives a kind of the name null"),
        ("KIND = WordCountKind()", "KIND = WordCountKind", "is the class WordCountKind itself; an object of a class made from graders.kinds.Kind"),
        ("    config = WordCount\n", "    config = dict\n", "has no fields: its config is to be a class"),
        ('    type: Literal["word_count"] = "word_count"\n', "    type: str\n", "has fields without their type"),
        ("    def scores(self", "    def scared(self", "failed when it was imported (TypeError"),
        ("    config = WordCount\n", "    config = WordCount\n    alone = 3\n", "has 3 for alone; a bool is needed"),
        ("most: Number = 3", "most: 'Nothing' = 3", "failed when its fields were read ("),
    ],
)  # fmt: skip
def test_a_broken_one_is_one_sentence(extend: Extend, old: str, new: str, problem: str) -> None:
    add(extend, (old, new))
    for config, place in ((CONFIG, "$"), (MULTI, "$.graders.n")):
        ((path, said),) = faults_of(config)
        assert path == place
        assert said.startswith(HEAD)
        assert problem in said
        assert "\n" not in said


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('return "itself"', 'return "embed"', 'gave "embed" in performer(); one of itself, metrics, python, chat, endpoint is needed'),
        ('return "itself"', "return config.gone", "failed in performer() (AttributeError"),
        ("yield TextField", "yield 3; TextField", "gave 3 in texts(); a TextField is needed"),
        ("yield TextField", "1 / 0; yield TextField", "failed in texts() (ZeroDivisionError"),
        ("    def settle", "    def passes_at(self, config):\n        return 'half'\n\n    def settle", 'gave "half" in passes_at(); a finite number is needed'),
    ],
)  # fmt: skip
def test_what_it_says_of_a_grader_fails_the_load(
    extend: Extend, old: str, new: str, problem: str
) -> None:
    add(extend, (old, new))
    with pytest.raises(ExtensionError) as caught:
        graders.load(CONFIG)({}, "a")
    assert str(caught.value) == HEAD + problem or str(caught.value).startswith(HEAD + problem)


def test_the_model_that_it_names_is_a_name(extend: Extend) -> None:
    says = "    def model(self, config):\n        return config.input if config.most else 3\n\n"
    add(extend, ("    def settle", f"{says}    def settle"))
    config = graders.load(CONFIG).config
    assert kind_of(config).model(config) == CONFIG["input"]
    config = config.model_copy(update={"most": 0})
    with pytest.raises(ExtensionError, match=r"gave 3 in model\(\); a text or None is needed"):
        kind_of(config).model(config)


@pytest.mark.parametrize(
    ("score", "problem"),
    [
        ("1 / (text != 'bad')", "failed in ask() (ZeroDivisionError: division by zero)"),
        ("0.5 if text != 'bad' else None", "gave null for this row; a finite number is needed"),
        ("0.5 if text != 'bad' else 'x'", 'gave "x" for this row; a finite number is needed'),
        ("0.5 if text != 'bad' else float('nan')", "gave nan for this row; a finite number is needed"),
        ("0.5 if text != 'bad' else 7", "gave 7 for this row; its scores are from 0 to 1"),
    ],
)  # fmt: skip
def test_a_row_without_a_score_fails_and_no_other(extend: Extend, score: str, problem: str) -> None:
    add(extend, ("return float(len(text.split()) <= most)", f"return {score}"))
    rows = [{"sample": one} for one in ("a", "bad", "c")]
    grades = list(graders.load(CONFIG).grade_many(rows))
    assert [one.reward is None for one in grades] == [False, True, False]
    (failure,) = grades[1].failures
    assert (failure.code, failure.message) == ("other_error", HEAD + problem)


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ("Settled([0.5])", "gave 1 scores for 3 rows; one a row is needed"),
        ("[0.5] * 3", "gave a list in ask(); a Settled is needed"),
        ("Request('bleu', ['a'] * 3, ['b'] * 3)", "gave a Request in ask(); a Settled is needed"),
        ("Settled([None] * 3, {0: 'x', 1: 'y', 2: 'z'})", "as a failure; a Failure with one of the service's codes is needed"),
        ("Settled([None] * 3, {n: Failure('odd', 'm') for n in range(3)})", 'gave "odd" as a failure;'),
    ],
)  # fmt: skip
def test_what_fits_no_rows_fails_them_all(extend: Extend, given: str, problem: str) -> None:
    line = 'return Settled([self.score(one, config.most) for one in rows.texts["input"]])'
    add(extend, (line, f"return {given}"))
    grades = list(graders.load(CONFIG).grade_many([{"sample": one} for one in "abc"]))
    assert [one.reward for one in grades] == [None] * 3
    assert all(problem in one.failures[0].message for one in grades), grades


def test_it_may_ask_the_metrics(extend: Extend) -> None:
    add(
        extend,
        ('return "itself"', 'return "metrics"'),
        (
            'return Settled([self.score(one, config.most) for one in rows.texts["input"]])',
            'return Request("fuzzy_match", rows.texts["input"], ["ab"] * len(rows.items))',
        ),
        ("raise NotImplementedError", "return Settled([min(1.0, 2 * one) for one in replies])"),
    )
    assert (
        list(graders.load(MULTI).grade_many([{"sample": "ab"}, {"sample": "x"}]))[1].reward == 1.0
    )


def test_a_reply_that_it_cannot_settle_fails_its_row_alone(extend: Extend) -> None:
    add(
        extend,
        ('return "itself"', 'return "metrics"'),
        (
            'return Settled([self.score(one, config.most) for one in rows.texts["input"]])',
            'return Request("fuzzy_match", rows.texts["input"], ["ab"] * len(rows.items))',
        ),
        ("raise NotImplementedError", "return Settled([1 / one / 8 for one in replies])"),
    )
    grades = list(graders.load(CONFIG).grade_many([{"sample": "ab"}, {"sample": "x"}]))
    assert [one.reward for one in grades] == [0.125, None]
    assert "failed in settle() (ZeroDivisionError" in grades[1].failures[0].message


def test_it_may_ask_the_sandbox(extend: Extend) -> None:
    add(
        extend,
        ('return "itself"', 'return "python"'),
        (
            'return Settled([self.score(one, config.most) for one in rows.texts["input"]])',
            'return PythonCall("def grade(sample, item):\\n    return 0.25", rows.samples, rows.items)',
        ),
        ("raise NotImplementedError", "return Settled([one.score for one in replies])"),
    )
    with graders.load(CONFIG) as grader:
        assert grader({}, {"output_text": "a"}) == 0.25


def test_no_name_of_ours_or_of_the_services_is_taken(extend: Extend) -> None:
    add(extend, name="string_check")
    assert kind_of(graders.load(CHECK).config) is KINDS["string_check"]
    add(extend, name="azure_ai_evaluator")
    assert "Azure-only" in faults_of({**CONFIG, "type": "azure_ai_evaluator"})[0][1]
    add(extend, name="multi")
    inside = {**MULTI, "graders": {"n": {**CONFIG, "type": "multi"}}}
    assert "a multi cannot stand inside a multi" in faults_of(inside)[0][1]


def test_off_says_so(extend: Extend, monkeypatch: pytest.MonkeyPatch) -> None:
    add(extend)
    monkeypatch.setenv("GRADERS_EXTENSIONS", "off")
    assert faults_of(MULTI) == [
        (
            "$.graders.n",
            (
                "word_count is of the extension acme-graders 1.2, and extensions are off "
                "(--no-extensions, or GRADERS_EXTENSIONS=0)"
            ),
        )
    ]
    assert all(one.extension is None for one in KINDS.values())

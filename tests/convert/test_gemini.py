"""Gemini's rewards as one grader: every kind of them, and what is said of the rest."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import graders
from graders.convert import convert
from graders.convert.gemini import is_gemini, read
from graders.errors import ConfigError, GradersError
from tests import unconfined

IDENTITY = {"parseType": "IDENTITY"}
ROW = {
    "contents": [{"role": "user", "parts": [{"text": "Capital of France?"}]}],
    "references": {"answer": "Paris"},
}


def match(
    expression: str = "{{references.answer}}", operation: str = "EXACT_MATCH", *, right: float = 1.0,
    wrong: float = -1.0, name: str = "exact", parse: Any = None, key: str | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Return a string match."""
    inner: dict[str, Any] = {"matchOperation": operation, "expression": expression}
    named = "stringMatchExpression"
    if key is not None:
        named, inner = "jsonMatchExpression", {"keyName": key, "valueStringMatchExpression": inner}
    return {
        "rewardName": name, "parseResponseConfig": parse or IDENTITY,
        "stringMatchRewardScorer": {"wrongAnswerReward": wrong, "correctAnswerReward": right, named: inner},
    }  # fmt: skip


CODE = {
    "rewardName": "code", "parseResponseConfig": IDENTITY,
    "codeExecutionRewardScorer": {
        "pythonCodeSnippet": "def evaluate(example, response):\n    text = response['parts'][0]['text']\n"
        "    return 5 if text == example['references']['answer'] else -0.5\n"
    },
}  # fmt: skip
TAGGED = match(
    ".*{{references.answer}}.*$", "REGEX_CONTAINS", right=0.7, wrong=0.1, name="tagged",
    parse={"parseType": "REGEX_EXTRACT", "regexExtractExpression": "<a>(.*?)</a>"},
)  # fmt: skip
JUDGE = {
    "rewardName": "judge",
    "autoraterScorer": {
        "autoraterConfig": {"autoraterModel": "gemini-2.5-pro", "generationConfig": {"temperature": 0.0}},
        "autoraterPrompt": "Rate {{response}} to {{prompt}}; right is {{references.answer}}",
        "parsedResponseConversionScorer": {},
    },
}  # fmt: skip


def composite(*rewards: tuple[float, dict[str, Any]]) -> dict[str, Any]:
    """Return a weighted mean of rewards."""
    listed = [{"weight": weight, "rewardConfig": one} for weight, one in rewards]
    return {"compositeRewardConfig": {"weightedRewardConfigs": listed}}


WHOLE = composite((2, match()), (1, TAGGED), (0.5, CODE))


def graded(document: Any, text: str, item: Any = ROW) -> float | None:
    """Return the reward of an answer by what a document was read as."""
    return unconfined.load(read(document).document).grade(item=item, sample=text).reward


@pytest.mark.parametrize(
    ("reward", "text", "gives"),
    [
        (match(), "Paris", 1.0), (match(), "paris", -1.0), (match(right=3), "Paris", 1.0),
        (match(operation="PARTIAL_MATCH"), "It is Paris.", 1.0),
        (match(operation="PARTIAL_MATCH", wrong=0.25), "Rome", 0.25),
        (match("^P.*s$", "REGEX_CONTAINS"), "Paris", 1.0),
        (match("^P.*s$", "REGEX_CONTAINS"), "Paris\n", -1.0),
        (match(r"^\d+$", "REGEX_CONTAINS"), "٣", -1.0), (match(r"^\s$", "REGEX_CONTAINS"), "\v", -1.0),
        (match(r"^[\s$]$", "REGEX_CONTAINS"), "$", 1.0), (match(r"\$", "REGEX_CONTAINS"), "3 $", 1.0),
        (match("{{references.answer}}|Rome", "REGEX_CONTAINS"), "Rome", 1.0),
        (TAGGED, "<a>Rome</a> <a>Paris</a>", 0.7), (TAGGED, "<a>Paris</a> <a>Rome</a>", 0.1),
        (TAGGED, "Paris", 0.1),
        (match(key="city"), '{"city": "Paris"}', 1.0), (match(key="city"), "Paris", -1.0),
        (match(key="city"), "[]", -1.0), (match("3", key="city"), '{"city": 3}', 1.0),
        (CODE, "Paris", 1.0), (CODE, "Rome", -0.5),
    ],
)  # fmt: skip
def test_a_single_reward_is_what_gemini_gives(
    reward: dict[str, Any], text: str, gives: float
) -> None:
    assert graded({"singleRewardConfig": reward}, text) == gives
    assert graded(reward, text) == gives


def test_a_composite_is_the_weighted_mean() -> None:
    with graders.load(read(WHOLE).document) as grader:
        found = [grader.grade(item=ROW, sample=text).reward for text in ("Paris", "<a>Paris</a>")]
    assert found == [(2 * 1.0 + 1 * 0.1 + 0.5 * 1.0) / 3.5, (2 * -1.0 + 1 * 0.7 + 0.5 * -0.5) / 3.5]
    job = {"reinforcementTuningSpec": {**WHOLE, "trainingDatasetUri": "gs://rows"}}
    made = read(job)
    assert made.document == read(WHOLE).document
    assert any("trainingDatasetUri" in note for note in made.notes)


def test_the_packages_own_spelling_is_read_too() -> None:
    snake = {
        "reward_name": "exact",
        "string_match_reward_scorer": {
            "wrong_answer_reward": -1.0, "correct_answer_reward": 1.0,
            "string_match_expression": {"match_operation": "exact_match", "expression": "Paris"},
        },
    }  # fmt: skip
    assert graded({"single_reward_config": snake}, "Paris") == 1.0


def test_a_row_without_its_reference_fails_and_is_no_wrong_answer() -> None:
    for reward in (match(), TAGGED, CODE):
        assert graded(reward, "<a>x</a>", {"references": {}}) is None


def test_an_autorater_is_a_score_model_within_minus_one_and_one() -> None:
    made = read(JUDGE)
    assert not made.losses
    assert made.document == {
        "type": "score_model", "name": "judge", "model": "gemini-2.5-pro", "range": [-1.0, 1.0],
        "input": [
            {
                "role": "user",
                "content": "Rate {{ sample.output_text }} to {{ item.contents[0].parts[0].text }}; "
                "right is {{ item.references.answer }}",
            }
        ],
        "sampling_params": {"temperature": 0.0},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("reward", "says"),
    [
        ({"rewardName": "s", "cloudRunRewardScorer": {"cloudRunUri": "https://x.run.app"}}, "https://x.run.app"),
        (match(r"\pL", "REGEX_CONTAINS"), "not the same in RE2"),
        (match("a{,2}", "REGEX_CONTAINS"), "not the same in RE2"), (match("a++", "REGEX_CONTAINS"), "not the same"),
        (match("(", "REGEX_CONTAINS"), "reads no regular expression"),
        (match(operation="MAYBE"), "is no operation"),
        ({"codeExecutionRewardScorer": {"pythonCodeSnippet": "def other(): pass"}}, "no evaluate"),
        ({"codeExecutionRewardScorer": {"pythonCodeSnippet": "def ("}}, "not Python, at line 1"),
        ({"autoraterScorer": {"autoraterPrompt": "{{other}}"}}, "placeholder"),
        ({**JUDGE, "parseResponseConfig": TAGGED["parseResponseConfig"]}, "parseResponseConfig"),
    ],
)  # fmt: skip
def test_what_has_no_like_here_is_named_and_the_rest_is_read(
    reward: dict[str, Any], says: str
) -> None:
    with pytest.raises(ConfigError, match="no reward could be read"):
        read(reward)
    made = read(composite((1, match()), (3, reward)))
    [loss] = made.losses
    assert says in str(loss)
    assert loss.path.startswith("$.compositeRewardConfig.weightedRewardConfigs[1].rewardConfig")
    assert "over the weights of the others" in loss.why
    assert made.document["graders"].keys() == {"exact"}


def test_a_judges_parsing_is_named_as_lost() -> None:
    judge = copy.deepcopy(JUDGE)
    judge["autoraterScorer"]["autoraterResponseParseConfig"] = TAGGED["parseResponseConfig"]  # type: ignore[index]
    [loss] = read(judge).losses
    assert loss.nearest == "score_model"


VALUES = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@st.composite
def bent(draw: st.DrawFn) -> Any:
    """Return a document with one of its places replaced by something odd."""
    document = copy.deepcopy(composite((2, match()), (1, TAGGED), (0.5, CODE), (1, JUDGE)))
    node: Any = document
    while True:
        keys = list(node) if isinstance(node, dict) else list(range(len(node)))
        key = draw(st.sampled_from(keys))
        if not isinstance(node[key], dict | list) or not node[key] or draw(st.integers(0, 4)) == 0:
            node[key] = draw(VALUES)
            return document
        node = node[key]


@example(composite((1, {**match(), "stringMatchRewardScorer": {"": {}}})))
@given(bent())
def test_an_odd_document_ends_in_a_grader_or_one_sentence(document: Any) -> None:
    try:
        made = convert(document, "graders", read_as="gemini")
    except GradersError:
        return
    unconfined.load(made.document)


@pytest.mark.parametrize("weight", [10**400, float("inf"), True, "2"])
def test_a_weight_is_a_finite_number(weight: Any) -> None:
    with pytest.raises(ConfigError, match=r"\[0\]\.weight: a number is expected"):
        read(composite((weight, match()), (1, CODE)))


@pytest.mark.parametrize("value", [None, 3, [], {}, {"type": "multi"}, {"rewardName": "x"}])
def test_other_documents_are_not_taken_for_geminis(value: Any) -> None:
    assert not is_gemini(value)
    with pytest.raises(ConfigError):
        read(value)


LABELLED: dict[str, Any] = copy.deepcopy(JUDGE)
LABELLED["autoraterScorer"]["exactMatchScorer"] = {
    "correctAnswerReward": 1.0, "wrongAnswerReward": 0.0, "expression": "yes",
}  # fmt: skip
del LABELLED["autoraterScorer"]["parsedResponseConversionScorer"]


def objects(value: Any, path: str = "$") -> list[tuple[str, dict[str, Any]]]:
    """Return every object in a document, with where it stands."""
    if isinstance(value, list):
        pairs = [(f"{path}[{at}]", one) for at, one in enumerate(value)]
        return [each for where, one in pairs for each in objects(one, where)]
    if not isinstance(value, dict):
        return []
    inner = [each for name, one in value.items() for each in objects(one, f"{path}.{name}")]
    return [(path, value), *inner]


@pytest.mark.parametrize(
    "document",
    [match(), match(key="answer"), TAGGED, CODE, JUDGE, LABELLED, composite((2, match()), (1, CODE))],
)  # fmt: skip
def test_a_field_that_is_not_known_is_named_wherever_it_stands(document: dict[str, Any]) -> None:
    for at, (path, _) in enumerate(objects(document)):
        changed = copy.deepcopy(document)
        objects(changed)[at][1]["surprise"] = 1
        made = read(changed)
        said = [one.path for one in made.losses] + list(made.notes)
        assert any(f"{path}.surprise" in one or f"{path}: surprise" in one for one in said), path


def test_a_judge_that_gives_labels_has_no_sampling_and_says_so() -> None:
    made = read(LABELLED)
    assert graders.load(made.document).plan.asks
    paths = [one.path for one in made.losses]
    assert "$.autoraterScorer.autoraterConfig.generationConfig.temperature" in paths


def test_the_reward_that_is_not_read_is_named() -> None:
    two = {"singleRewardConfig": match(), **composite((1, CODE))}
    (loss,) = read({"reinforcementTuningSpec": two}).losses
    assert loss.path == "$.reinforcementTuningSpec.compositeRewardConfig"
    both = copy.deepcopy(match(key="answer"))
    both["stringMatchRewardScorer"]["stringMatchExpression"] = {"expression": "x"}
    (loss,) = read(both).losses
    assert loss.path == "$.stringMatchRewardScorer.stringMatchExpression"


def test_a_field_without_a_name_is_said_as_any_that_is_not_known() -> None:
    one = match()
    one["stringMatchRewardScorer"][""] = {"expression": "x"}
    made = convert(composite((1, one)), "graders", read_as="gemini")
    assert [loss.what for loss in made.losses if "not known" in loss.why] == [""]

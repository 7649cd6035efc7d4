"""Graders as Gemini's rewards, and both ways round."""

from __future__ import annotations

import json
from typing import Any

import pytest

import graders
from graders.convert import convert
from graders.convert.gemini import read
from graders.convert.gemini_write import write
from tests import unconfined
from tests.convert.test_gemini import CODE, JUDGE, ROW, TAGGED, WHOLE, composite, match


def check(
    operation: str = "eq", reference: str = "{{ item.answer }}", **more: Any
) -> dict[str, Any]:
    """Return a string_check."""
    return {
        "type": "string_check", "name": "check", "operation": operation, "reference": reference,
        "input": "{{ sample.output_text }}", **more,
    }  # fmt: skip


LENGTH = {
    "type": "python", "name": "length",
    "source": "def grade(sample, item):\n    right = sample['output_text'] == item['answer']\n"
    "    return right * 0.5 + min(len(sample['output_text']) / 100, 0.5)\n",
}  # fmt: skip
MULTI = {
    "type": "multi", "name": "both", "graders": {"check": check(), "length": LENGTH},
    "calculate_output": "0.75 * check + 0.25 * length",
}  # fmt: skip
TEXTS = ["Paris", "paris", "It is Paris.", "", "Rome"]


@pytest.mark.parametrize(
    "document",
    [
        WHOLE, {"singleRewardConfig": match()}, {"singleRewardConfig": TAGGED}, {"singleRewardConfig": CODE},
        composite((1, match(key="city")), (3, JUDGE)), composite((1, match(right=1, wrong=0)), (1, CODE)),
    ],
)  # fmt: skip
def test_geminis_own_document_comes_back_the_same(document: Any) -> None:
    there = read(document)
    back = write(there.document)
    assert not [*there.losses, *back.losses]
    found = json.loads(json.dumps(back.document))
    for one in found.get("compositeRewardConfig", {}).get("weightedRewardConfigs", []):
        if one["rewardConfig"]["rewardName"] == "judge":
            one["rewardConfig"].pop("parseResponseConfig", None)
    assert found == document


@pytest.mark.parametrize(
    "grader",
    [
        check(), check("ne"), check("like"), check("ilike", "PARIS"), LENGTH, MULTI, check("ilike"),
        check("ne", "{{ sample.output_text }}", input="{{ item.answer }}"),
        check("like", "x {{ item.answer }}", input="x {{ sample.output_text }} y"),
        {**MULTI, "calculate_output": "(check + length) / 2"},
        {**MULTI, "calculate_output": "(1 * (0.5 * check + -1 * (1 - check)) + 3 * length) / (1 + 3)"},
    ],
)  # fmt: skip
def test_there_and_back_gives_the_same_grades(grader: dict[str, Any]) -> None:
    there = write(grader)
    assert not there.losses
    back = read(there.document)
    assert not back.losses
    before, after = unconfined.load(grader), unconfined.load(back.document)
    for text in TEXTS:
        was = before.grade(item={"answer": "Paris"}, sample=text).reward
        now = after.grade(item=ROW, sample=text).reward
        assert was is not None
        assert now == pytest.approx(was, rel=1e-15)


def test_a_key_of_json_goes_by_code_and_a_response_without_it_still_fails() -> None:
    grader = check(input="{{ sample.output_json.city[0] }}")
    there = write(grader)
    assert not there.losses
    after = graders.load(read(there.document).document)
    for text, gives in (
        ('{"city": ["Paris"]}', 1.0),
        ('{"city": [3]}', 0.0),
        ("Paris", None),
        ("{}", None),
    ):
        assert graders.load(grader).grade(item={"answer": "Paris"}, sample=text).reward == gives
        assert after.grade(item=ROW, sample=text).reward == gives


def test_messages_of_a_judge_become_one_prompt_and_their_roles_a_loss() -> None:
    messages = [
        {"role": "system", "content": "Rate it."},
        {"role": "user", "content": {"type": "input_text", "text": "{{ sample.output_text }}"}},
    ]
    judge = {
        "type": "score_model",
        "name": "s",
        "model": "gemini-x",
        "input": messages,
        "range": [-1.0, 1.0],
    }
    made = write(judge)
    [loss] = made.losses
    assert (loss.path, loss.what) == ("$.input", "2 messages")
    scorer = made.document["singleRewardConfig"]["autoraterScorer"]
    assert scorer["autoraterPrompt"] == "Rate it.\n\n{{response}}"


def test_a_sub_grader_that_the_formula_lacks_is_named() -> None:
    made = write({**MULTI, "calculate_output": "check"})
    assert [one.path for one in made.losses] == ["$.graders.length"]


def test_judges_come_back_as_they_were() -> None:
    message = {
        "role": "user",
        "content": "{{ sample.output_text }} or {{ item.references.answer }}?",
    }
    judges: list[dict[str, Any]] = [
        {"type": "score_model", "name": "s", "model": "gemini-x", "input": [message], "range": [0.0, 0.5]},
        {
            "type": "label_model", "name": "l", "model": "gemini-x", "input": [message],
            "labels": ["good", "bad"], "passing_labels": ["good"],
        },
    ]  # fmt: skip
    for judge in judges:
        there = write(judge)
        back = read(there.document)
        assert not [*there.losses, *back.losses]
        assert back.document == judge


@pytest.mark.parametrize(
    ("grader", "says"),
    [
        ({"type": "text_similarity", "name": "t", "evaluation_metric": "bleu"}, "nothing like it"),
        (check(input="{{ sample.output_tools[0].function.name }}"), "code does not see"),
        (check(reference="{{ item.a.b }}"), "code does not see"),
        ({"type": "endpoint", "name": "e", "url": "https://x.example"}, "nothing like it"),
        (
            {"type": "score_model", "name": "s", "model": "m", "input": [], "range": [1, 7]},
            "clips to",
        ),
    ],
)
def test_what_gemini_cannot_say_is_named(grader: dict[str, Any], says: str) -> None:
    alone = write(grader)
    assert alone.document == {}
    assert says in str(alone.losses[0])
    both = {**MULTI, "graders": {"check": check(), "length": grader}}
    made = write(both)
    assert any(
        says in str(loss) and loss.path.startswith("$.graders.length") for loss in made.losses
    )


@pytest.mark.parametrize(
    ("formula", "says"),
    [
        ("min(check, length)", "weighted means alone"), ("check + length", "divides by the sum"),
        ("check - length", "no negative weights"), ("0.5 * check + 0.5", "no constants"),
    ],
)  # fmt: skip
def test_a_formula_that_is_no_mean_is_named(formula: str, says: str) -> None:
    made = write({**MULTI, "calculate_output": formula})
    assert says in str(made.losses[0])
    assert made.losses[0].path == "$.calculate_output"


def test_more_than_sixteen_are_named() -> None:
    many = {f"g{at}": check() for at in range(17)}
    formula = f"({' + '.join(many)}) / 17"
    made = write({**MULTI, "graders": many, "calculate_output": formula})
    assert "16 rewards at most" in str(made.losses[0])


def test_the_written_document_is_what_googles_package_takes() -> None:
    types = pytest.importorskip("google.genai.types")
    for grader in (check("like"), MULTI, read(composite((1, TAGGED), (1, JUDGE))).document):
        types.ReinforcementTuningSpec.model_validate(convert(grader, "gemini").document)

"""One judge for several criteria in one request, and several judges in place of one."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

import graders
from graders.calls import ChatCall, ChatError, ChatReply
from graders.grade import Usage
from graders.grading.judging import Judging, ask_judges, settled_by
from graders.kinds import Judged, kind_of
from graders.kinds.label_model import LabelModel
from graders.kinds.score_model import ScoreModel
from tests.models.server import Asked, Told, completion

INPUT = [{"role": "user", "content": "{{ sample.output_text }}"}]
CLEAR = {"type": "score_model", "name": "c", "model": "m", "input": INPUT, "range": [0, 10]}
RIGHT = {"type": "label_model", "name": "r", "model": "m", "input": INPUT,
         "labels": ["yes", "no"], "passing_labels": ["yes"]}  # fmt: skip
OTHER = {**CLEAR, "model": "another"}
SEEDED = {**CLEAR, "sampling_params": {"seed": 1}}
GRADER = {
    "type": "multi", "name": "m", "calculate_output": "clear + right + other + seeded",
    "graders": {"clear": CLEAR, "right": RIGHT, "other": OTHER, "seeded": SEEDED},
}  # fmt: skip


def verdict(result: Any) -> dict[str, Any]:
    return {"steps": [{"description": "d", "conclusion": "c"}], "result": result}


def call(
    key: str, config: dict[str, Any], texts: Sequence[str] = ("x",), subject: str = "it"
) -> ChatCall:
    """What a grader asks of rows with these texts."""
    messages = [[{"role": "user", "content": text}] for text in texts]
    return ChatCall(config["model"], messages, key, {"title": key}, grader=key, subject=subject)


class Hand:
    """Answers each call by a function, and keeps it."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.calls: list[ChatCall] = []

    def __call__(self, calls: Sequence[ChatCall]) -> list[list[ChatReply]]:
        self.calls += calls
        return [[self.answer(one) for _ in one.messages] for one in calls]


def test_calls_of_one_model_and_input_are_one_and_others_stay_apart() -> None:
    calls = {
        "a": call("a", CLEAR), "b": call("b", RIGHT), "c": call("c", OTHER),
        "d": call("d", CLEAR, ["y"], "other"), "e": call("e", CLEAR, subject=""),
        "f": call("f", CLEAR, subject=""),
    }  # fmt: skip
    both = ChatReply(json.dumps({"a": verdict(1), "b": verdict("yes")}), usage=Usage(9, 2, 11))
    alone = ChatReply(json.dumps(verdict(0)))
    hand = Hand(lambda one: both if one.schema_name == "criteria" else alone)
    found = ask_judges(calls, Judging(together=True), hand)
    assert [one.schema_name for one in hand.calls] == ["criteria", "c", "d", "e", "f"]
    whole = hand.calls[0].schema
    assert whole["required"] == ["a", "b"]
    assert whole["properties"] == {
        key: {"description": f"The verdict on the criterion {key}.", "title": key} for key in "ab"
    }
    assert json.loads(found["a"][""][0].text) == verdict(1)
    assert json.loads(found["b"][""][0].text) == verdict("yes")
    # The tokens of one request are counted once.
    assert [found[key][""][0].usage for key in "ab"] == [Usage(9, 2, 11), None]
    hand = Hand(lambda _: alone)
    ask_judges(calls, Judging(), hand)
    assert [one.schema_name for one in hand.calls] == ["a", "b", "c", "d", "e", "f"]


SCORE = ScoreModel.model_validate(CLEAR)
LABEL = LabelModel.model_validate(RIGHT)


@pytest.mark.parametrize(
    ("reply", "clear", "right"),
    [
        ({"clear": verdict(7), "right": verdict("yes")}, 7.0, 1.0),
        ({"clear": verdict(7), "right": verdict("yes"), "more": 1}, 7.0, 1.0),
        (
            json.dumps({"clear": verdict(987), "right": verdict("no")}).replace("987", "1e999"),
            "holds Infinity",
            0.0,
        ),
        ({"clear": verdict(7)}, 7.0, "has no criterion right; it has clear"),
        ({"right": verdict("no")}, "has no criterion clear; it has right", 0.0),
        ({"clear": 7, "right": verdict("yes")}, "is not a JSON object", 1.0),
        ({"clear": verdict(7), "right": verdict("perhaps")}, 7.0, "not one of the labels"),
        (
            {"clear": {**verdict(7), "x": 1}, "right": verdict("no")},
            "does not have exactly the fields",
            0.0,
        ),
        ({}, "has no criterion clear; it has none", "has no criterion right; it has none"),
        ([1], "is not a JSON object", "is not a JSON object"),
        ("prose", "is not one JSON object", "is not one JSON object"),
        (ChatError("length", "cut off"), "cut off", "cut off"),
    ],
)
def test_each_criterion_is_read_by_itself(reply: Any, clear: Any, right: Any) -> None:
    if isinstance(reply, ChatError):
        answer = ChatReply("", reply)
    else:
        answer = ChatReply(reply if isinstance(reply, str) else json.dumps(reply))
    judging = Judging(together=True)
    calls = {"clear": call("clear", CLEAR), "right": call("right", RIGHT)}
    found = ask_judges(calls, judging, Hand(lambda _: answer))
    for key, config, expected in (("clear", SCORE, clear), ("right", LABEL, right)):
        settled = settled_by(kind_of(config), config, found[key], judging)
        assert isinstance(settled, Judged)
        if isinstance(expected, str):
            assert settled.scores == [None]
        else:
            assert settled.scores == [expected]
            assert settled.failures == {}


def test_every_judge_of_a_panel_is_asked_for_what_is_together() -> None:
    judging = Judging(together=True, panel=graders.Panel(["p", "q@http://127.0.0.1:9/v1"]))
    calls = {"a": call("a", CLEAR), "b": call("b", RIGHT)}
    both = ChatReply(json.dumps({"a": verdict(1), "b": verdict("yes")}))
    hand = Hand(lambda _: both)
    found = ask_judges(calls, judging, hand)
    assert [(one.model, one.judge) for one in hand.calls] == [("p", "p"), ("q", "q")]
    assert {key: [*columns] for key, columns in found.items()} == {"a": ["p", "q"], "b": ["p", "q"]}
    assert judging.signature == "panel:p+q|rule:auto|quorum:2|together:yes"
    assert Judging().signature == ""


def script(asked: Asked, _: int) -> Told:
    """Judge by the length of the text, whatever is asked together."""
    text, format_ = asked.body["messages"][-1]["content"], asked.body["response_format"]
    clear, right = verdict(len(text) % 11), verdict("yes" if len(text) % 2 else "no")
    named = format_["json_schema"]["name"]
    said = {"float_score_classification": clear, "label_classification": right}
    told = said.get(named) or {"clear": clear, "right": right}
    if named == "criteria" and text == "lacks":
        del told["right"]
    return completion(json.dumps(told))


def test_by_a_server_the_numbers_of_a_judge_that_does_not_mind_are_the_same(serve: Any) -> None:
    server = serve(script)
    rows = [{"item": {}, "sample": "x" * n} for n in range(1, 9)]
    options: dict[str, Any] = {"base_url": server.url, "cache": "none"}
    with graders.load(GRADER, **options) as apart:
        expected = [one.to_dict() for one in apart.grade_many(rows)]
    assert len(server.asked) == 4 * len(rows)
    assert apart.signatures == {}
    with graders.load(GRADER, ask_together=True, **options) as together:
        found = [one.to_dict() for one in together.grade_many(rows)]
        assert len(server.asked) == (4 + 3) * len(rows)
        for one, other in zip(expected, found, strict=True):
            assert one["sub_rewards"] == other["sub_rewards"]
            assert one["usage"]["judge-1"]["total_tokens"] == 60
            assert other["usage"]["judge-1"]["total_tokens"] == 45
        lacking = together.grade(sample="lacks")
        assert lacking.sub_rewards["clear"] == 5.0
        assert [(one.where, one.code) for one in lacking.failures] == [
            ("right", "model_grader_parse_error")
        ]
        assert together.signatures["clear"].startswith("score_model|together:yes|graders:")


def with_system(text: str, config: dict[str, Any] = CLEAR) -> dict[str, Any]:
    return {**config, "input": [{"role": "system", "content": text}, *INPUT]}


@pytest.mark.parametrize(
    ("first", "second", "requests"),
    [
        ("Judge clarity.", "Judge style.", 1),
        ("Judge it.", "Judge it.", 1),
        ("Judge {{ item.what }}.", "Judge {{ item.what }}.", 1),
        (
            "Judge {{ item.what }}.",
            "Judge clarity.",
            2,
        ),  # Whether they are equal is the rows' doing.
    ],
)
def test_fixed_instructions_may_differ_and_stand_under_their_criterion(
    serve: Any, first: str, second: str, requests: int
) -> None:
    server = serve(
        lambda asked, _: completion(json.dumps(
            {"a": verdict(1), "b": verdict(2)}
            if asked.body["response_format"]["json_schema"]["name"] == "criteria"
            else verdict(3)
        ))
    )  # fmt: skip
    body = {"type": "multi", "name": "m", "calculate_output": "a + b",
            "graders": {"a": with_system(first), "b": with_system(second)}}  # fmt: skip
    with graders.load(body, base_url=server.url, ask_together=True, cache="none") as grader:
        grade = grader.grade({"what": "clarity"}, "x")
    assert grade.reward == (3.0 if requests == 1 else 6.0)
    assert len(server.asked) == requests
    sent = server.asked[0].body["messages"]
    assert sent[-1] == {"role": "user", "content": "x"}
    if first != second and requests == 1:
        assert sent[0] == {
            "role": "system",
            "content": "Criterion a:\nJudge clarity.\n\nCriterion b:\nJudge style.",
        }
    else:
        assert sent[0]["content"] in {"Judge clarity.", "Judge it."}

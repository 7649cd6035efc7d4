"""Several judges' verdicts become one, by each rule; who has none is never left out in silence."""

from __future__ import annotations

import itertools
import json
import statistics
from typing import Any

import numpy as np
import pytest

from graders.calls import ChatError, ChatReply, PanelRule
from graders.grade import Failure, Usage
from graders.kinds.judge import Judged
from graders.kinds.label_model import LabelModel, LabelModelKind
from graders.kinds.panel import combined
from graders.kinds.score_model import ScoreModel, ScoreModelKind

INPUT = [{"role": "user", "content": "x"}]
SCORE = ScoreModel.model_validate(
    {"type": "score_model", "name": "s", "model": "m", "input": INPUT}
)
LABEL = LabelModel.model_validate({
    "type": "label_model", "name": "l", "model": "m", "input": INPUT,
    "labels": ["good", "fine", "bad"], "passing_labels": ["good", "fine"],
})  # fmt: skip


def reply(result: Any) -> ChatReply:
    """A reply with a result; None for a judge that cannot be reached."""
    if result is None:
        return ChatReply("", ChatError("server", "it fell over"))
    return ChatReply(json.dumps({"steps": [], "result": result}), usage=Usage(1, 2, 3))


def panel(
    said: dict[str, list[Any]],
    rule: PanelRule = "auto",
    quorum: int | None = None,
    repeats: int = 1,
) -> Judged:
    """What a panel comes to whose judges said this, row after row; texts are labels."""
    labels = any(isinstance(one, str) for column in said.values() for one in column)
    kind, config = (LabelModelKind(), LABEL) if labels else (ScoreModelKind(), SCORE)
    judges = {
        name: kind.settle(config, [reply(one) for one in column], repeats)  # type: ignore[arg-type]
        for name, column in said.items()
    }
    quorum = len(judges) if quorum is None else quorum
    return combined(judges, rule, quorum, labels=labels)


def test_mean_and_median_of_scores_are_those_of_the_libraries_in_any_order() -> None:
    scores = {"a": 0.1, "b": 0.7, "c": 0.4, "d": 1.0}
    for names in itertools.permutations(scores):
        said = {name: [scores[name]] for name in names}
        assert panel(said, "median").scores == [np.median([*scores.values()])]
        assert panel(said, "mean").scores == [pytest.approx(statistics.fmean(scores.values()))]
        assert panel(said).scores == panel(said, "mean").scores
        apart = [abs(a - b) for a, b in itertools.combinations(scores.values(), 2)]
        found = panel(said).panels[0]
        assert found is not None
        assert found.disagreement == pytest.approx(statistics.fmean(apart), abs=1e-15)
        assert found.scores == {name: scores[name] for name in names}


def test_equal_scores_have_themselves_as_mean_and_no_disagreement() -> None:
    found = panel({name: [0.1] for name in "abc"}, "mean")
    assert found.scores == [0.1]
    assert found.panels[0] is not None
    assert found.panels[0].disagreement == 0.0


def test_a_majority_is_of_labels_and_not_of_what_passes() -> None:
    found = panel({"a": ["good"], "b": ["fine"], "c": ["bad"], "d": ["bad"]})
    assert found.scores == [0.0]  # Two of four pass, by labels that differ.
    assert found.panels[0] is not None
    assert found.panels[0].disagreement == 5 / 6  # All pairs but one.


def test_a_tie_fails_by_name_unless_all_of_it_is_worth_the_same() -> None:
    tied = panel({"a": ["good"], "b": ["bad"]})
    assert tied.scores == [None]
    assert tied.failures[0].code == "other_error"
    assert tied.failures[0].message == 'the panel is tied: "good" has 1 vote, "bad" has 1 vote'
    assert panel({"a": ["good"], "b": ["fine"]}).scores == [1.0]
    assert panel({"a": [0.5], "b": [1.0]}, "majority").failures[0].message == (
        "the panel is tied: 0.5 has 1 vote, 1.0 has 1 vote"
    )
    assert panel({"a": [0.5], "b": [1.0], "c": [0.5]}, "majority").scores == [0.5]


def test_labels_by_mean_and_median_are_the_share_that_passes() -> None:
    said: dict[str, list[Any]] = {"a": ["good"], "b": ["bad"], "c": ["fine"]}
    assert panel(said, "mean").scores == [2 / 3]
    assert panel(said, "median").scores == [1.0]


def test_a_judge_asked_several_times_has_one_vote_in_all() -> None:
    said: dict[str, list[Any]] = {
        "a": ["good"] * 3,
        "b": ["bad", "bad", "good"],
        "c": ["bad", "bad", "bad"],
    }
    assert panel(said, repeats=3).scores == [0.0]
    assert panel({**said, "d": ["good"] * 3}, repeats=3).scores == [1.0]
    assert [one.repeat for one in panel(said, repeats=3).said[0]] == [0, 1, 2] * 3


def test_too_few_verdicts_fail_the_row_and_say_who_had_none_and_why() -> None:
    said: dict[str, list[Any]] = {"a": [0.5, 0.5], "b": [1.0, None], "c": [None, None]}
    found = panel(said)
    assert found.scores == [None, None]
    assert found.failures[0].code == "model_grader_server_error"
    assert found.failures[0].message == (
        "2 of the panel's 3 judges gave a verdict, and 3 must; c: it fell over"
    )
    found = panel(said, "mean", quorum=2)
    assert found.scores == [0.75, None]
    assert found.panels[0] is not None
    assert found.panels[0].scores == {"a": 0.5, "b": 1.0, "c": None}
    assert found.failures[1].message.startswith("1 of the panel's 3 judges gave a verdict, and 2")
    alone = panel(said, quorum=1)
    assert alone.scores == [0.75, 0.5]
    assert alone.panels[1] is not None
    assert alone.panels[1].disagreement is None


def test_every_judgement_is_there_with_its_judge_and_its_tokens() -> None:
    found = panel({"a": [0.5], "b": [7], "c": [None]}, quorum=1)
    assert [(one.judge, one.score, one.result) for one in found.said[0]] == [
        ("a", 0.5, 0.5), ("b", 1.0, 7), ("c", None, None),
    ]  # fmt: skip
    assert found.usage(0) == {"m": Usage(2, 4, 6)}
    assert found.repeats(0) == []


def test_a_panel_keeps_its_rows_among_others_that_failed() -> None:
    found = panel({"a": [0.5, None], "b": [1.0, 0.0]})
    whole = found.among([1, 3], 4, {0: Failure("other_error", "no item")})
    assert whole.scores == [None, 0.75, None, None]
    assert whole.panels == [None, found.panels[0], None, found.panels[1]]
    assert whole.said[1::2] == found.said
    assert sorted(whole.failures) == [0, 3]

"""Old against new: equal to the last bit, what differs and why, the rows to read first."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest

import graders
from graders.evals.compare import Comparison, compare
from graders.jobs import RunOptions
from graders.models import JudgeOptions
from graders.reading import Reading
from tests.evals.conftest import JUDGE
from tests.evals.test_move import ALIKE, EXACT, UUID, an_item
from tests.models.server import ScriptedServer

ROUGE: dict[str, Any] = {
    **ALIKE, "name": "rouge", "id": f"rouge-{UUID}", "evaluation_metric": "rouge_l",
}  # fmt: skip
TEXTS = ("the cat sat on the mat", "a cat sat on a mat", "dogs", "the mats", "the cat was sitting")


def graded(
    criteria: Sequence[dict[str, Any]], outputs: Sequence[str], reading: Reading | None = None
) -> list[dict[str, Any]]:
    """Return output items as the hosted API would give them where it reads as this does."""
    items = []
    for place, output in enumerate(outputs):
        item = an_item(place, output, datasource_item={"answer": TEXTS[0]})
        item["results"] = []
        for one in criteria:
            config = {name: value for name, value in one.items() if name != "id"}
            score = (
                graders.load(config, reading=reading).grade(item["datasource_item"], output).reward
            )
            passed = score is not None and score >= one.get("pass_threshold", 1.0)
            item["results"].append(
                {"name": one["id"], "score": score or 0.0, "passed": passed,
                 "status": "pass" if passed else "fail", "sample": None}
            )  # fmt: skip
        items.append(item)
    return items


def compared(items: Any, *criteria: dict[str, Any], **more: Any) -> Comparison:
    return compare(items, criteria, more.pop("options", RunOptions()), **more)


def test_what_the_service_gave_comes_out_to_the_last_bit() -> None:
    found = compared(graded((EXACT, ALIKE, ROUGE), TEXTS), EXACT, ALIKE, ROUGE)
    assert [(one.compared, one.equal, one.differ) for one in found.figures] == [(5, 5, 0)] * 3
    assert (found.items, found.faulty, found.first) == (5, False, [])
    assert found.to_dict()["deterministic_criteria_are_equal"] is True


@pytest.mark.parametrize(
    ("reading", "option"),
    [
        (Reading(rouge_measure="recall"), "--rouge-measure recall"),
        (Reading(rouge_stemmer=True), "--rouge-stemmer"),
        (
            Reading(rouge_stemmer=True, rouge_measure="recall"),
            "--rouge-measure recall --rouge-stemmer",
        ),
    ],
)
def test_another_reading_that_gives_the_old_scores_is_named(reading: Reading, option: str) -> None:
    found = compared(graded((ROUGE,), TEXTS, reading), ROUGE)
    (one,) = found.figures
    assert one.differ > 0
    assert (one.option, found.faulty) == (option, True)
    assert "gives every old score to the last bit" in one.why
    again = compared(graded((ROUGE,), TEXTS, reading), ROUGE, options=RunOptions(reading=reading))
    assert not again.faulty


def test_a_score_that_no_reading_gives_is_said_to_be_so() -> None:
    items = graded((ROUGE,), TEXTS)
    items[1]["results"][0]["score"] += 0.1
    (one,) = compared(items, ROUGE).figures
    assert (one.differ, one.option, round(one.largest, 9)) == (1, "", 0.1)
    assert "no other reading" in one.why


def test_flipped_verdicts_come_first_then_the_largest_differences() -> None:
    items = graded((ALIKE,), TEXTS)
    for place, delta in ((1, 0.01), (2, 0.2)):
        items[place]["results"][0]["score"] -= delta
    flipped = items[3]["results"][0]
    flipped.update(passed=not flipped["passed"], status="fail" if flipped["passed"] else "pass")
    found = compared(items, ALIKE, most=2)
    assert [one.place for one in found.first] == [3, 2]
    assert found.first[0].flipped
    assert found.first[0].fields == {"input": TEXTS[3], "reference": TEXTS[0]}
    assert (found.figures[0].flipped, found.faulty) == (1, True)


def test_what_could_not_be_graded_was_0_there_and_is_none_here() -> None:
    missing = {**EXACT, "reference": "{{ item.nothing }}"}
    found = compared([an_item(0, "x")], missing)
    (one,) = found.figures
    assert (one.lost, one.zero, one.faulty) == (1, 1, False)
    assert "a score of 0 there, and none here" in one.why
    assert found.first[0].says
    good = compared([an_item(0)], missing).figures[0]
    assert (good.lost, good.zero, good.faulty) == (1, 0, True)


def test_what_has_a_score_on_the_other_side_alone_is_counted() -> None:
    item = an_item(0)
    item["results"][0].update(score=None, status="error", passed=False)
    (one,) = compared([item], EXACT).figures
    assert (one.gained, one.compared, one.faulty) == (1, 0, False)


def test_scores_that_were_rounded_are_equal_as_far_as_they_go() -> None:
    items = graded((ALIKE,), TEXTS)
    for item in items:
        item["results"][0]["score"] = round(item["results"][0]["score"], 4)
    (one,) = compared(items, ALIKE).figures
    assert one.rounded > 0
    assert (one.differ, one.faulty) == (0, False)
    assert "are rounded" in one.why


def test_a_judge_is_not_asked_without_a_server() -> None:
    judge = {**JUDGE, "id": f"judge-{UUID}"}
    found = compared([an_item(0)], EXACT, judge)
    exact, one = found.figures
    assert (exact.equal, one.compared, one.exact) == (1, 0, False)
    assert "gpt-4o is asked for its scores: --judges" in one.skipped
    assert not found.faulty


def test_a_judge_with_a_server_is_compared_and_never_faulty(
    serve: Callable[..., ScriptedServer],
) -> None:
    judge = {**JUDGE, "id": f"judge-{UUID}"}
    item = an_item(0, datasource_item={"answer": "Paris", "question": "q0"})
    item["results"].append(
        {"name": f"judge-{UUID}", "score": 0.25, "passed": False, "status": "fail"}
    )
    options = RunOptions(judge=JudgeOptions(base_url=serve().url, cache="none"))
    found = compared([item], EXACT, judge, options=options, asks=True)
    one = found.figures[1]
    assert (one.compared, one.differ, one.flipped, one.faulty) == (1, 1, 1, False)
    assert "another model" in one.why
    assert found.first[0].criterion == "judge"


def test_a_python_criterion_is_run_and_cosine_waits_for_a_server() -> None:
    code = {
        "type": "python", "name": "code", "id": f"code-{UUID}", "pass_threshold": 0.5,
        "source": "def grade(sample, item):\n    return float(sample['output_text'] == item['answer'])",
    }  # fmt: skip
    cosine = {**ALIKE, "name": "cosine", "id": f"cosine-{UUID}", "evaluation_metric": "cosine"}
    item = an_item(0)
    item["results"] = [
        {"name": f"code-{UUID}", "score": 1.0, "passed": True},
        {"name": f"cosine-{UUID}", "score": 0.99, "passed": True},
    ]
    ran, waits = compared([item], code, cosine).figures
    assert (ran.exact, ran.equal) == (True, 1)
    assert (waits.exact, waits.compared) == (False, 0)
    assert "the embedding model is asked for its scores" in waits.skipped


def test_python_that_gives_another_number_is_said_to_be_code() -> None:
    code = {"type": "python", "name": "code", "id": f"code-{UUID}", "pass_threshold": 0.5,
            "source": "def grade(sample, item):\n    return 0.75"}  # fmt: skip
    item = an_item(0)
    item["results"] = [{"name": f"code-{UUID}", "score": 1.0, "passed": True}]
    (one,) = compared([item], code).figures
    assert (one.differ, one.faulty) == (1, True)
    assert "other versions of packages" in one.why


def test_a_criterion_that_is_not_ours_is_said_not_to_be_compared() -> None:
    foreign = {
        "type": "azure_ai_evaluator",
        "name": "violence",
        "evaluator_name": "builtin.violence",
    }
    exact, one = compared([an_item(0)], EXACT, foreign).figures
    assert exact.equal == 1
    assert one.skipped


def test_results_of_no_criterion_are_named() -> None:
    item = an_item(0)
    item["results"].append({"name": "gone", "score": 1.0, "passed": True, "status": "pass"})
    assert compared([item], EXACT).strangers == {"gone": 1}


def test_samples_that_items_do_not_show_come_from_the_runs_rows() -> None:
    item = an_item(1, sample={"input": [], "output": []})
    rows = [{"item": {}}, {"item": {}, "sample": {"output_text": "Paris"}}]
    (one,) = compared([item], EXACT, rows=rows).figures
    assert one.equal == 1


def test_the_comparison_is_json() -> None:
    items = graded((ALIKE,), TEXTS)
    items[1]["results"][0]["score"] = 0.25
    told = json.loads(json.dumps(compared(items, ALIKE).to_dict()))
    (one,) = told["criteria"]
    assert (one["name"], one["compared"], one["equal"], one["differ"]) == ("alike", 5, 4, 1)
    assert told["first"][0]["old"] == 0.25

"""What criteria say of a row: results as an output item shows them, and the row's status. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from graders.explanation import Explanation
from graders.grade import Failure
from graders.kinds import EvalCriteria, Messages, kind_of, messages, texts
from graders.sample import Wanted, prepared
from graders.template import compile_template, render_column

__all__ = ["Criterion", "criteria", "results", "status_of"]


@dataclass(frozen=True, slots=True)
class Criterion:
    """One of an eval's testing criteria.

    Attributes:
        id: what results are called by: its name and a UUID.
        key: its key among the graders.
        type: the type of its results, such as `string-check-grader`.
        passes_at: the score from which it passes.
        model: the judge's name, None where there is no judge.
        input: what the judge reads.
    """

    id: str
    key: str
    type: str
    passes_at: float
    model: str | None = None
    input: Messages = ()


def criteria(config: EvalCriteria, shown: Sequence[Mapping[str, Any]]) -> list[Criterion]:
    """Return the criteria that are graded.

    Args:
        config: the graders.
        shown: the testing_criteria as the API shows them, with their ids.
    """
    places = config.places or range(len(config.graders))
    found = []
    for place, (key, grader) in zip(places, config.graders.items(), strict=True):
        kind = kind_of(grader)
        name = grader.type.replace("_", "-") + "-grader"
        model = getattr(grader, "model", None)
        input_ = getattr(grader, "input", ()) if model is not None else ()
        criterion_id = str(shown[place].get("id") or key)
        found.append(Criterion(criterion_id, key, name, kind.passes_at(grader), model, input_))
    return found


def results(
    of: Sequence[Criterion], found: Explanation, item: Any, sample: Any
) -> list[dict[str, Any]]:
    """Return what each criterion says of a row.

    A criterion that could not be graded has the status `error`, no score, and the reason.
    """
    grade = found.grade
    why: dict[str, Failure] = {}
    for failure in grade.failures:
        why.setdefault(failure.where, failure)
    shown = []
    for one in of:
        score = grade.sub_rewards.get(one.key)
        passed = score is not None and score >= one.passes_at
        status = "error" if score is None else "pass" if passed else "fail"
        result: dict[str, Any] = {
            "name": one.id, "type": one.type, "passed": passed, "score": score, "status": status,
            "sample": _judgement(one, found.said.get(one.key, ()), item, sample),
        }  # fmt: skip
        if score is None:
            failure = why.get(one.key) or why.get("") or next(iter(grade.failures))
            result["error"] = {"code": failure.code, "message": failure.message}
        shown.append(result)
    return shown


def status_of(judged: Sequence[Mapping[str, Any]]) -> str:
    """Return a row's status: an error where any criterion has none, else whether all passed."""
    statuses = {one["status"] for one in judged}
    return "error" if "error" in statuses else "fail" if "fail" in statuses else "pass"


def _judgement(
    one: Criterion, said: Sequence[str], item: Any, sample: Any
) -> dict[str, Any] | None:
    """Return what a judge was asked and what it answered; None where there is no judge."""
    if not said:
        return None
    columns = {}
    ready = [prepared(sample, Wanted(output_json=True, choices=True))]
    for text in texts(one.input):
        columns[text.path] = render_column(compile_template(text.text), [item], ready).texts
    return {
        "input": messages(one.input, columns, 1)[0],
        "output": [{"role": "assistant", "content": text} for text in said],
        "model": one.model,
        "finish_reason": "stop",
        "error": None,
    }

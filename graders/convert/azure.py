"""Azure and Foundry: the same grader JSON, and an eval's `testing_criteria` with Azure's own evaluators. Pure."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from typing import Any, Final

from graders.config import Loaded, dump, json_path, translated
from graders.convert.result import Converted, Loss
from graders.kinds import kind_named

__all__ = ["read", "write_criteria", "write_grader"]

_BUILTIN: Final = ("f1_score", "bleu_score", "gleu_score", "meteor_score")
_SIDES: Final = re.compile(r"said, wanted = words\((.+)\), words\((.+)\)\n")
_SERVE: Final = "an endpoint grader, with graders serve behind it"


_FIELDS: Final = frozenset({"type", "name", "evaluator_name", "initialization_parameters", "data_mapping"})  # fmt: skip
_SET: Final[Mapping[str, frozenset[str]]] = {
    "builtin.rouge_score": frozenset({"rouge_type", "f1_score_threshold"}),
    "builtin.meteor_score": frozenset({"alpha", "beta", "gamma", "threshold"}),
}


def read(loaded: Loaded, criteria: Any = None) -> Converted:
    """Return a grader or an eval's criteria as JSON of ours: Azure's own evaluators as graders.

    Args:
        loaded: what was loaded.
        criteria: the criteria as they stood in the document, to say what is not read of them.
    """
    losses = [
        Loss(json_path(place), "azure_ai_evaluator", f"{why}; left out")
        for place, why in loaded.left_out
    ]
    left = {json_path(place) for place, _ in loaded.left_out}
    for at, one in enumerate(criteria if isinstance(criteria, list) else []):
        path = f"$.testing_criteria[{at}]"
        if isinstance(one, dict) and one.get("type") == "azure_ai_evaluator" and path not in left:
            losses += _not_read(one, path)
    return Converted(document=dump(loaded.config), losses=losses)


def _not_read(one: Mapping[str, Any], path: str) -> list[Loss]:
    given = one.get("initialization_parameters")
    known = _SET.get(str(one.get("evaluator_name")), frozenset({"threshold"}))
    found = [f"{path}.{name}" for name in sorted(set(one) - _FIELDS)]
    found += [
        f"{path}.initialization_parameters.{name}"
        for name in sorted(set(given) - known if isinstance(given, dict) else ())
    ]
    why = "it is not known, or has no like here; left out"
    return [Loss(where, where.rpartition(".")[2], why) for where in found]


def write_grader(grader: Mapping[str, Any], service: str) -> Converted:
    """Return a grader for a service that reads this very JSON, with the kinds that it does not have.

    Args:
        grader: the grader, or criteria of an eval.
        service: `azure` or `openai`.
    """
    losses = []
    for path, one in _leaves(grader):
        kind = kind_named(str(one.get("type")))
        if kind is not None and service not in kind.services:
            why = f"{service} has no such kind of grader; it is written as it is"
            losses.append(Loss(path, str(one.get("type")), why))
    return Converted(document=dict(grader), losses=losses)


def _leaves(grader: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    if "testing_criteria" in grader:
        return [
            (f"$.testing_criteria[{at}]", one) for at, one in enumerate(grader["testing_criteria"])
        ]
    if grader.get("type") == "multi":
        return [(f"$.graders.{key}", one) for key, one in grader["graders"].items()]
    return [("$", grader)]


def write_criteria(grader: Mapping[str, Any]) -> Converted:
    """Return a grader as `testing_criteria` of an eval in Foundry, which knows no formula."""
    losses, notes, found = list[Loss](), list[str](), list[dict[str, Any]]()
    if grader.get("type") == "multi":
        why = "an eval has no formula: each sub-grader is a criterion, and a row passes where all pass"
        losses.append(Loss("$.calculate_output", grader["calculate_output"], why, _SERVE))
        if grader.get("invalid_grade") is not None:
            why = "a criterion has no number for a row that cannot be scored; left out"
            losses.append(Loss("$.invalid_grade", f"{grader['invalid_grade']:g}", why, _SERVE))
    for path, one in _leaves(grader):
        made = _criterion(one, path, losses)
        if made is not None:
            made.setdefault("name", path.rpartition(".")[2].strip("$") or "grader")
            found.append(made)
    document = {"testing_criteria": found} if found else {}
    return Converted(document=document, losses=losses, notes=notes)


def _criterion(one: Mapping[str, Any], path: str, losses: list[Loss]) -> dict[str, Any] | None:
    kind, made = one.get("type"), dict(one)
    if kind == "endpoint":
        losses.append(Loss(path, "endpoint", "evals have none; left out", "a python grader"))
        return None
    if kind == "python" and (evaluator := _evaluator(one)) is not None:
        return evaluator
    threshold = one.get("pass_threshold")
    if kind in {"python", "text_similarity"} and threshold is None:
        why = "a criterion needs one; 0.5 is written"
        losses.append(Loss(f"{path}.pass_threshold", "no pass_threshold", why))
        made["pass_threshold"] = 0.5
    elif kind == "python" and isinstance(threshold, int | float) and not 0 <= threshold <= 1:
        why = "Azure takes one from 0 to 1; it is written as it is"
        losses.append(Loss(f"{path}.pass_threshold", f"{threshold:g}", why))
    return made


def _evaluator(one: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return Azure's own evaluator that a source was made of, None for any other source."""
    found = _SIDES.search(one["source"])
    sides = [_template(text) for text in found.groups()] if found else [None]
    if None in sides:
        return None
    threshold = one.get("pass_threshold")
    for name in _BUILTIN:
        made: dict[str, Any] = {
            "type": "azure_ai_evaluator", "evaluator_name": f"builtin.{name}",
            "data_mapping": {"response": sides[0], "ground_truth": sides[1]},
            "initialization_parameters": {"threshold": 0.5 if threshold is None else threshold},
        }  # fmt: skip
        if numbers := re.search(r"alpha=(.+), beta=(.+), gamma=(.+)\)", one["source"]):
            named = zip(("alpha", "beta", "gamma"), map(float, numbers.groups()), strict=True)
            made["initialization_parameters"].update(named)
        again = translated(made)
        if isinstance(again, dict) and again["source"] == one["source"]:
            return {**made, **({"name": one["name"]} if one.get("name") else {})}
    return None


def _template(text: str) -> str | None:
    """Return the template of an expression such as item['answer'], None where it is none."""
    steps: list[Any] = []
    try:
        node = ast.parse(text, mode="eval").body
        while isinstance(node, ast.Subscript):
            steps.insert(0, ast.literal_eval(node.slice))
            node = node.value
    except (SyntaxError, ValueError, RecursionError):
        return None
    if not isinstance(node, ast.Name):
        return None
    rest = "".join(f"[{one}]" if isinstance(one, int) else f".{one}" for one in steps)
    return f"{{{{{node.id}{rest}}}}}"

"""A grader as Google Gemini's declarative rewards. Pure.

`{{ item.answer }}` becomes `{{references.answer}}`: Gemini's rows keep under `references` what a reward compares with.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from graders.convert.gemini import MOST, SAYS_LABELS, SAYS_RANGE
from graders.convert.result import Converted, Loss, Parts
from graders.convert.source import CHECK, FROM_CODE, MATCH, TO_CODE
from graders.convert.weighted import Term, linear_of, number, terms_of
from graders.template import Path, hosted_parts

__all__ = ["write"]

_SERVE: Final = "graders serve, behind a cloudRunRewardScorer"
_MOVED: Final = (
    "put what {{references.…}} names under `references` in each row of the data, as text"
)


def write(grader: Mapping[str, Any]) -> Converted:
    """Return a grader as a `singleRewardConfig` or a `compositeRewardConfig`, with what is lost."""
    said = Parts()
    if grader.get("type") != "multi":
        one = _single(grader, Term("reward"), "$", said)
        document: dict[str, Any] = {} if one is None else {"singleRewardConfig": one}
        return Converted(document=document, losses=said.losses, notes=list(said.notes))
    graders = grader["graders"]
    if grader.get("invalid_grade") is not None:
        why = "a row that cannot be scored gets what Gemini gives it; left out"
        said.losses.append(Loss("$.invalid_grade", f"{grader['invalid_grade']:g}", why, _SERVE))
    terms = _terms(str(grader["calculate_output"]), graders, said)
    rewards: list[dict[str, Any]] = []
    for key in set(graders) - {one.key for one in terms}:
        why = "the formula does not have it; left out"
        said.losses.append(Loss(f"$.graders.{key}", key, why))
    for term in terms:
        path = f"$.graders.{term.key}"
        one = _single(graders[term.key], term, path, said)
        if one is None:
            lost = said.losses[-1]
            why = f"{lost.why}; the mean is without it, over the weights of the others"
            said.losses[-1] = Loss(lost.path, lost.what, why, lost.nearest)
        else:
            rewards.append({"weight": _plain(term.weight), "rewardConfig": one})
    if len(rewards) > MOST:
        why = f"Gemini takes {MOST} rewards at most, here are {len(rewards)}"
        said.losses.append(Loss("$.graders", "the number of sub-graders", why, _SERVE))
    if len(terms) == 1 and rewards:
        document = {"singleRewardConfig": rewards[0]["rewardConfig"]}
    else:
        document = {"compositeRewardConfig": {"weightedRewardConfigs": rewards}} if rewards else {}
    return Converted(document=document, losses=said.losses, notes=list(said.notes))


def _terms(formula: str, graders: Mapping[str, Any], said: Parts) -> list[Term]:
    """Return the weighted mean that a formula is; where it is none, an even one, and that it is lost."""
    path = "$.calculate_output"
    found = terms_of(formula)
    if found is not None:
        return [one for one in found if one.key in graders]
    linear = linear_of(formula)
    if linear is None or not set(linear[1]) <= set(graders):
        why = "Gemini knows weighted means alone; an even mean is written"
        said.losses.append(Loss(path, formula, why, _SERVE))
        return [Term(key) for key in graders]
    constant, weights = linear
    weights = {key: one for key, one in weights.items() if one}
    total = sum(weights.values())
    if constant or any(one < 0 for one in weights.values()) or not weights:
        why = "Gemini has no constants and no negative weights in a mean; they are left out"
        said.losses.append(Loss(path, formula, why, _SERVE))
    elif abs(total - 1.0) > 1e-12:
        why = f"Gemini divides by the sum of the weights, {total:g}, so its rewards are these divided by that"
        said.losses.append(Loss(path, formula, why, "weights that add up to 1"))
    return [Term(key, one) for key, one in weights.items() if one > 0]


def _single(grader: Mapping[str, Any], term: Term, path: str, said: Parts) -> dict[str, Any] | None:
    """Return a grader as a single reward; None where it is lost."""
    kind = str(grader.get("type"))
    writer = _WRITERS.get(kind)
    right = 1.0 if term.right is None else term.right
    wrong = 0.0 if term.wrong is None else term.wrong
    found = (
        Loss(path, kind, "Gemini has nothing like it; left out", _SERVE)
        if writer is None
        else writer(grader, right, wrong, path, said)
    )
    if isinstance(found, Loss):
        said.losses.append(found)
        return None
    if max(abs(right), abs(wrong)) > 1:
        said.losses.append(
            Loss(path, f"rewards {right:g} and {wrong:g}", "Gemini clips to [-1, 1]")
        )
    if term.right is not None and kind not in {"string_check", "label_model"}:
        why = "Gemini cannot scale a reward; it is taken as it is"
        said.losses.append(Loss(path, f"{right:g} and {wrong:g} for 1 and 0", why, _SERVE))
    if grader.get("pass_threshold") is not None:
        said.note("pass_threshold is not carried: a reward of Gemini passes nowhere")
    return {"rewardName": str(grader.get("name") or term.key), **found}


def _plain(value: float) -> float | int:
    return int(value) if value == int(value) else value


def _references(text: str, said: Parts, sample: Mapping[str, str] = {}) -> str | None:
    """Return a text with Gemini's placeholders; None where it says more than those can."""
    parts = hosted_parts(text)
    if parts is None:
        return None
    pieces = []
    for part in parts:
        if not isinstance(part, Path):
            pieces.append(part)
            continue
        shown = f"{part.namespace}." + ".".join(map(str, part.steps))
        steps = part.steps[1:] if part.steps[:1] == ("references",) else part.steps
        if shown in sample:
            pieces.append(sample[shown])
        elif part.namespace == "item" and len(steps) == 1 and re.fullmatch(r"\w+", str(steps[0])):
            if steps is part.steps:
                said.note(_MOVED)
            pieces.append("{{references." + str(steps[0]) + "}}")
        else:
            return None
    return "".join(pieces)


_Made = dict[str, Any] | Loss


def _string_check(
    grader: Mapping[str, Any], right: float, wrong: float, path: str, said: Parts
) -> _Made:
    operation = grader["operation"]
    whole = re.fullmatch(r"\{\{\s*sample\.output_text\s*\}\}", grader["input"]) is not None
    reference = _references(grader["reference"], said)
    if not whole or reference is None or operation == "ilike":
        return _check_by_code(grader, right, wrong, path, said)
    if operation == "ne":
        right, wrong = wrong, right
    match = "PARTIAL_MATCH" if operation == "like" else "EXACT_MATCH"
    return {
        "parseResponseConfig": {"parseType": "IDENTITY"},
        "stringMatchRewardScorer": {
            "wrongAnswerReward": wrong, "correctAnswerReward": right,
            "stringMatchExpression": {"matchOperation": match, "expression": reference},
        },
    }  # fmt: skip


def _check_by_code(
    grader: Mapping[str, Any], right: float, wrong: float, path: str, said: Parts
) -> _Made:
    """Return a string_check as code, for what Gemini's string match has no words for."""
    for field in ("input", "reference"):
        if not _can_be_seen(grader[field]):
            why = "it has variables that Gemini's code does not see; left out"
            return Loss(f"{path}.{field}", grader[field], why, _SERVE)
    if "item" in grader["input"] + grader["reference"]:
        said.note(_MOVED)
    source = CHECK.made(
        OPERATION=grader["operation"], INPUT=grader["input"], REFERENCE=grader["reference"],
        RIGHT=right, WRONG=wrong,
    )  # fmt: skip
    return {
        "parseResponseConfig": {"parseType": "IDENTITY"},
        "codeExecutionRewardScorer": {"pythonCodeSnippet": TO_CODE.made(source)},
    }


def _can_be_seen(text: str) -> bool:
    """Whether all variables of a text are fields of the item, which are texts there, or of the response."""
    parts = hosted_parts(text)
    return parts is not None and all(
        one.steps[0] in {"output_text", "output_json"} if one.namespace == "sample" and one.steps
        else len(one.steps) == 1 or one.steps[:1] in {("references",), ("contents",)}
        for one in parts
        if isinstance(one, Path)
    )  # fmt: skip


def _python(grader: Mapping[str, Any], right: float, wrong: float, path: str, said: Parts) -> _Made:
    del right, wrong, path
    source = grader["source"]
    found = MATCH.read(source)
    if found is not None:
        expression: dict[str, Any] = {
            "matchOperation": found["OPERATION"], "expression": found["EXPRESSION"],
        }  # fmt: skip
        name = "stringMatchExpression"
        if found["KEY"] is not None:
            name = "jsonMatchExpression"
            expression = {"keyName": found["KEY"], "valueStringMatchExpression": expression}
        extract = found["EXTRACT"]
        parse = {"parseType": "IDENTITY"} if extract is None else {
            "parseType": "REGEX_EXTRACT", "regexExtractExpression": extract,
        }  # fmt: skip
        scorer = {"wrongAnswerReward": found["WRONG"], "correctAnswerReward": found["RIGHT"]}
        return {
            "parseResponseConfig": parse, "stringMatchRewardScorer": {**scorer, name: expression},
        }  # fmt: skip
    code = FROM_CODE.read(source)
    if code is None:
        code = TO_CODE.made(source)
        said.note("Gemini clips what code gives to [-1, 1], and runs it for 100 seconds at most")
        said.note("code sees an item of `references` as text, and as Gemini's row besides")
    return {
        "parseResponseConfig": {"parseType": "IDENTITY"},
        "codeExecutionRewardScorer": {"pythonCodeSnippet": code},
    }


_PROMPT: Final[Mapping[str, str]] = {
    "sample.output_text": "{{response}}",
    "item.contents.0.parts.0.text": "{{prompt}}",
    "item.systemInstruction.parts.0.text": "{{system_instruction}}",
}


def _text_of(content: Any) -> str | None:
    """Return a message's text, None where it is more than one."""
    if isinstance(content, list) and len(content) == 1:
        content = content[0]
    if isinstance(content, dict) and content.get("type") in {"input_text", "output_text", "text"}:
        content = content.get("text")
    return content if isinstance(content, str) else None


def _judged(grader: Mapping[str, Any], path: str, said: Parts) -> tuple[str, dict[str, Any]] | Loss:
    """Return a judge's prompt and its model."""
    texts = [_text_of(one.get("content")) for one in grader["input"]]
    if None in texts:
        why = "Gemini's autorater has one prompt, of text; left out"
        return Loss(f"{path}.input", "what is no text", why, _SERVE)
    if len(texts) > 1:
        why = (
            "Gemini's autorater has one prompt: they are written one after the other, without roles"
        )
        said.losses.append(Loss(f"{path}.input", f"{len(texts)} messages", why, "one message"))
    prompt = _references("\n\n".join(str(one) for one in texts), said, _PROMPT)
    if prompt is None:
        why = "it has variables that no placeholder of Gemini stands for; left out"
        return Loss(f"{path}.input", "the prompt", why, _SERVE)
    params = dict(grader.get("sampling_params") or {})
    names = {
        "temperature": "temperature", "top_p": "topP", "seed": "seed",
        "max_completions_tokens": "maxOutputTokens",
    }  # fmt: skip
    if left := set(params) - set(names):
        why = "Gemini's generationConfig has no such setting; the judge is left out"
        return Loss(f"{path}.sampling_params", ", ".join(sorted(left)), why)
    config: dict[str, Any] = {"autoraterModel": grader["model"]}
    if params:
        config["generationConfig"] = {names[name]: one for name, one in params.items()}
    if "gemini" not in grader["model"]:
        said.note(f"{path}: name a judge that Gemini has in autoraterModel, not {grader['model']}")
    return prompt, config


def _score_model(
    grader: Mapping[str, Any], right: float, wrong: float, path: str, said: Parts
) -> _Made:
    del right, wrong
    low, high = grader.get("range") or (0.0, 1.0)
    if low < -1 or high > 1:
        why = "Gemini clips to [-1, 1]; left out"
        return Loss(f"{path}.range", f"[{low:g}, {high:g}]", why, "ask for a number from -1 to 1")
    found = _judged(grader, path, said)
    if isinstance(found, Loss):
        return found
    prompt, config = found
    if (low, high) != (-1.0, 1.0):
        prompt += SAYS_RANGE.format(number(low), number(high))
    said.note(
        "an autorater answers in text: see that the prompt asks for a number and nothing else"
    )
    return {
        "autoraterScorer": {
            "autoraterConfig": config, "autoraterPrompt": prompt, "parsedResponseConversionScorer": {},
        }
    }  # fmt: skip


def _label_model(
    grader: Mapping[str, Any], right: float, wrong: float, path: str, said: Parts
) -> _Made:
    passing = grader["passing_labels"]
    if len(passing) != 1:
        why = "Gemini compares with one label; left out"
        return Loss(f"{path}.passing_labels", f"{len(passing)} labels", why, "one passing label")
    found = _judged(grader, path, said)
    if isinstance(found, Loss):
        return found
    prompt, config = found
    prompt += SAYS_LABELS.format(", ".join(grader["labels"]))
    return {
        "autoraterScorer": {
            "autoraterConfig": config, "autoraterPrompt": prompt,
            "exactMatchScorer": {
                "correctAnswerReward": right, "wrongAnswerReward": wrong, "expression": passing[0],
            },
        }
    }  # fmt: skip


_WRITERS: Final[Mapping[str, Any]] = {
    "string_check": _string_check, "python": _python, "score_model": _score_model,
    "label_model": _label_model,
}  # fmt: skip

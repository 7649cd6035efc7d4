"""Google Gemini's declarative rewards (reinforcement tuning, preview) read as one grader. Pure.

The shapes are those of `google.genai.types` 3.6: a single reward, or a weighted mean of at most 16, each within
-1 and 1, alone or inside a `reinforcementTuningSpec`, in camelCase or snake_case. The item of the grader is a
line of Gemini's own data set: `{"contents", "references", "systemInstruction"}`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Mapping
from typing import Any, Final

from graders.convert.result import Converted, Loss, Parts
from graders.convert.source import FROM_CODE, MATCH, TO_CODE
from graders.convert.weighted import Term, finite, formula_of
from graders.errors import ConfigError, Fault, quoted

__all__ = ["MOST", "PLACEHOLDER", "SAYS_LABELS", "SAYS_RANGE", "is_gemini", "read"]

MOST: Final = 16
"""Rewards of a composite, at most."""

PLACEHOLDER: Final = re.compile(r"\{\{\s*references\.([A-Za-z0-9_-]+)\s*\}\}")

SAYS_RANGE: Final = "\n\nAnswer with nothing but a number from {} to {}."
SAYS_LABELS: Final = "\n\nAnswer with nothing but one of: {}"
"""What a prompt ends with whose judge is elsewhere told by a schema what it may say."""

_RANGE: Final = re.compile(
    r"\n\nAnswer with nothing but a number from (-?[\d.]+) to (-?[\d.]+)\.\Z"
)
_LABELS: Final = re.compile(r"\n\nAnswer with nothing but one of: (.+)\Z")

_SCORERS: Final = (
    "stringMatchRewardScorer", "codeExecutionRewardScorer", "autoraterScorer", "cloudRunRewardScorer",
)  # fmt: skip
_SHELLS: Final = (
    "reinforcementTuningSpec", "singleRewardConfig", "compositeRewardConfig", "weightedRewardConfigs",
)  # fmt: skip
_CAMEL: Final = re.compile(r"_([a-z])")
_UNLIKE: Final = re.compile(
    r"\\[pPQEzZCB]|\[\[?:|\(\?[a-zA-Z]*[mU]|\(\?<?[=!]|\\[1-9]|\{,|[*+?}]\+|\[[^\]]*\\S"
)
"""What RE2 and Python read differently, or one of them not at all."""


def is_gemini(value: Any) -> bool:
    """Whether a document is one of Gemini's rewards."""
    names = {_camel(name) for name in value} if isinstance(value, Mapping) else set()
    return not names.isdisjoint({*_SHELLS, *_SCORERS})


def read(value: Any) -> Converted:
    """Return rewards of Gemini as a grader.

    Raises:
        ConfigError: they are none, or no part of them can be read.
    """
    parts, terms = Parts(), list[Term]()
    document, path = _opened(_camelised(value), "$", parts)
    weighted = document.get("weightedRewardConfigs")
    if weighted is not None:
        _say_rest(document, {"weightedRewardConfigs", "rewardName"}, path, parts)
    if weighted is None:
        _read_one(document, path, 1.0, parts, terms)
    elif not isinstance(weighted, list):
        raise _fault(f"{path}.weightedRewardConfigs", "a list is expected", weighted)
    else:
        if len(weighted) > MOST:
            says = f"{len(weighted)} rewards, and Gemini takes {MOST} at most"
            parts.note(f"{path}.weightedRewardConfigs: {says}")
        for at, one in enumerate(weighted):
            _read_weighted(one, f"{path}.weightedRewardConfigs[{at}]", parts, terms)
    if not terms:
        said = "; ".join(map(str, parts.losses)) or "there is no reward in it"
        raise ConfigError([Fault(path, f"no reward could be read: {said}")], source="gemini")
    return Converted(
        document=_assembled(document, parts, terms), losses=parts.losses, notes=list(parts.notes)
    )


def _assembled(document: Mapping[str, Any], parts: Parts, terms: list[Term]) -> dict[str, Any]:
    first = terms[0]
    if len(terms) == 1 and first.plain:
        return parts.graders[first.key]
    if sum(one.weight for one in terms) == 0:
        raise ConfigError([Fault("$", "the weights add up to 0")], source="gemini")
    name = document.get("rewardName")
    return {
        "type": "multi", "name": name if isinstance(name, str) and name else "reward",
        "graders": parts.graders, "calculate_output": formula_of(terms),
    }  # fmt: skip


def _camel(name: Any) -> str:
    return _CAMEL.sub(lambda one: one[1].upper(), str(name))


def _camelised(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {_camel(name): _camelised(one) for name, one in value.items() if one is not None}
    return [_camelised(one) for one in value] if isinstance(value, list) else value


def _opened(value: Any, path: str, parts: Parts) -> tuple[dict[str, Any], str]:
    """Return the single or the composite reward inside of a job, and where it stands."""
    while True:
        if not isinstance(value, dict):
            raise _fault(path, "an object is expected", value)
        inner = next((name for name in _SHELLS[:3] if name in value), None)
        if inner is None:
            return value, path
        for other in sorted((set(value) - {inner}) & {*_SHELLS, *_SCORERS}):
            why = f"{inner} is read, and a job has one of them; left out"
            parts.losses.append(Loss(f"{path}.{other}", other, why))
        if beside := sorted(set(value) - {inner, *_SHELLS, *_SCORERS}):
            parts.note(f"{path}: {', '.join(beside)}: of the job, not of its reward; not written")
        value, path = value[inner], f"{path}.{inner}"


def _read_weighted(one: Any, path: str, parts: Parts, terms: list[Term]) -> None:
    if not isinstance(one, dict) or not isinstance(one.get("rewardConfig"), dict):
        raise _fault(path, "an object with a rewardConfig is expected", one)
    weight = _number(one.get("weight", 1.0), f"{path}.weight")
    if "weight" not in one:
        parts.note(f"{path} has no weight: taken as 1")
    _say_rest(one, {"weight", "rewardConfig"}, path, parts)
    before = len(terms)
    _read_one(one["rewardConfig"], f"{path}.rewardConfig", weight, parts, terms)
    if len(terms) == before:
        last = parts.losses[-1]
        why = f"{last.why}; the mean is without it, over the weights of the others"
        parts.losses[-1] = Loss(last.path, last.what, why, last.nearest)


def _read_one(
    one: Mapping[str, Any], path: str, weight: float, parts: Parts, terms: list[Term]
) -> None:
    """Add what a single reward is as a sub-grader, or why it is none."""
    found = [name for name in _SCORERS if name in one]
    if len(found) != 1:
        raise _fault(path, f"one of {', '.join(_SCORERS)} is expected", sorted(one))
    scorer = one[found[0]]
    if not isinstance(scorer, dict):
        raise _fault(f"{path}.{found[0]}", "an object is expected", scorer)
    name = one.get("rewardName")
    name = name if isinstance(name, str) and name else found[0].removesuffix("RewardScorer")
    extract = _extract(one.get("parseResponseConfig"), f"{path}.parseResponseConfig")
    _say_rest(one, {"rewardName", "parseResponseConfig", found[0]}, path, parts)
    _say_rest(one.get("parseResponseConfig"), _PARSING, f"{path}.parseResponseConfig", parts)
    _say_unknown(scorer, f"{path}.{found[0]}", parts)
    reader = {
        _SCORERS[0]: _string_match, _SCORERS[1]: _code, _SCORERS[2]: _autorater, _SCORERS[3]: _service,
    }[found[0]]  # fmt: skip
    made = reader(scorer, extract, f"{path}.{found[0]}", parts)
    if isinstance(made, Loss):
        parts.losses.append(made)
        return
    grader, right, wrong = made
    key = parts.key(name)
    parts.graders[key] = {"name": name, **grader}
    terms.append(Term(key, weight, right, wrong))


_PARSING: Final = frozenset({"parseType", "regexExtractExpression"})
_REWARDS: Final = frozenset({"correctAnswerReward", "wrongAnswerReward"})
_MATCHING: Final = frozenset({"matchOperation", "expression"})
_FIELDS: Final[Mapping[str, frozenset[str]]] = {
    "stringMatchRewardScorer": _REWARDS, "stringMatchExpression": _MATCHING,
    "jsonMatchExpression": frozenset({"keyName"}), "valueStringMatchExpression": _MATCHING,
    "codeExecutionRewardScorer": frozenset({"pythonCodeSnippet"}),
    "cloudRunRewardScorer": frozenset({"cloudRunUri"}),
    "autoraterScorer": frozenset({"autoraterConfig", "autoraterPrompt", "autoraterResponseParseConfig"}),
    "exactMatchScorer": _REWARDS | {"expression"}, "parsedResponseConversionScorer": frozenset(),
}  # fmt: skip
_ONE_OF: Final = (
    ("jsonMatchExpression", "stringMatchExpression"), ("valueStringMatchExpression",),
    ("exactMatchScorer", "parsedResponseConversionScorer"),
)  # fmt: skip
"""Fields that hold others, each with those that do not count beside it."""


def _say_rest(one: Any, known: Collection[str], path: str, parts: Parts) -> None:
    """Say what is left out of an object."""
    for name in sorted(set(one) - {*known}) if isinstance(one, dict) else ():
        parts.losses.append(Loss(f"{path}.{name}", name, "it is not known, and is left out"))


def _say_unknown(one: dict[str, Any], path: str, parts: Parts) -> None:
    """Say what is left out of a scorer, and of what it holds."""
    found = (next((name for name in names if name in one), None) for names in _ONE_OF)
    inner = [name for name in found if name is not None]
    _say_rest(one, _FIELDS[path.rpartition(".")[2]] | set(inner), path, parts)
    for name in inner:
        if isinstance(one.get(name), dict):
            _say_unknown(one[name], f"{path}.{name}", parts)


_Made = tuple[dict[str, Any], float | None, float | None] | Loss


def _extract(config: Any, path: str) -> str | None:
    """Return the expression that takes a part out of a response, None for all of it."""
    if config is None:
        return None
    if not isinstance(config, dict):
        raise _fault(path, "an object is expected", config)
    kind = str(config.get("parseType", "IDENTITY")).upper()
    if kind in {"IDENTITY", "RESPONSE_PARSE_TYPE_UNSPECIFIED"}:
        return None
    pattern = config.get("regexExtractExpression")
    if kind != "REGEX_EXTRACT" or not isinstance(pattern, str):
        raise _fault(path, "IDENTITY, or REGEX_EXTRACT with its regexExtractExpression", config)
    return pattern


def _string_match(one: dict[str, Any], extract: str | None, path: str, parts: Parts) -> _Made:
    right, wrong = (
        _reward(one, name, path, parts) for name in ("correctAnswerReward", "wrongAnswerReward")
    )
    inner, key = one.get("stringMatchExpression"), None
    if "jsonMatchExpression" in one:
        found = one["jsonMatchExpression"]
        found = found if isinstance(found, dict) else {}
        inner, key = found.get("valueStringMatchExpression"), found.get("keyName")
        if not isinstance(key, str):
            return Loss(path, "jsonMatchExpression", "it has no keyName; left out")
    if not isinstance(inner, dict) or not isinstance(inner.get("expression"), str):
        return Loss(path, "stringMatchExpression", "it has no expression; left out")
    operation, expression = str(inner.get("matchOperation", "")).upper(), inner["expression"]
    if operation not in {"EXACT_MATCH", "PARTIAL_MATCH", "REGEX_CONTAINS"}:
        return Loss(f"{path}.matchOperation", quoted(operation), "it is no operation; left out")
    for pattern in (extract, expression if operation == "REGEX_CONTAINS" else None):
        if pattern is not None and (why := _unlike(pattern)):
            return Loss(path, quoted(pattern), f"{why}; left out", "a python grader of your own")
    if extract is None and key is None and operation != "REGEX_CONTAINS":
        reference = PLACEHOLDER.sub(r"{{ item.references.\1 }}", expression)
        if "{{" not in PLACEHOLDER.sub("", expression) and "-" not in "".join(
            PLACEHOLDER.findall(expression)
        ):
            grader = {
                "type": "string_check", "input": "{{ sample.output_text }}", "reference": reference,
                "operation": "eq" if operation == "EXACT_MATCH" else "like",
            }  # fmt: skip
            return grader, right, wrong
    if extract is not None:
        parts.note("a response in which an expression finds nothing to extract counts as wrong")
    source = MATCH.made(
        EXTRACT=extract,
        KEY=key,
        OPERATION=operation,
        EXPRESSION=expression,
        RIGHT=right,
        WRONG=wrong,
    )
    return {"type": "python", "source": source}, None, None


def _reward(one: Mapping[str, Any], name: str, path: str, parts: Parts) -> float:
    if name not in one:
        parts.note(f"{path} has no {name}: taken as 0")
    value = _number(one.get(name, 0.0), f"{path}.{name}")
    if abs(value) > 1:
        parts.note(f"{path}.{name} is {value:g}, which Gemini clips: written as clipped")
    return max(min(value, 1.0), -1.0)


def _unlike(pattern: str) -> str:
    """Return why an expression of RE2 cannot be read by Python, "" where it can."""
    plain = PLACEHOLDER.sub("x", pattern)
    if found := _UNLIKE.search(plain):
        return f"{found[0]} is not the same in RE2 and in Python"
    try:
        re.compile(plain, re.ASCII)
    except (re.error, RecursionError, OverflowError, MemoryError):
        return "Python reads no regular expression in it"
    return ""


def _code(one: dict[str, Any], extract: str | None, path: str, parts: Parts) -> _Made:
    code = one.get("pythonCodeSnippet")
    if not isinstance(code, str):
        return Loss(f"{path}.pythonCodeSnippet", "no text", "there is no code; left out")
    try:
        names = [one.name for one in ast.parse(code).body if isinstance(one, ast.FunctionDef)]
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = f", at line {error.lineno}" if isinstance(error, SyntaxError) else ""
        return Loss(path, "pythonCodeSnippet", f"it is not Python{line}; left out")
    if "evaluate" not in names or ("grade" in names and TO_CODE.read(code) is None):
        why = "it has no evaluate" if "evaluate" not in names else "it has a grade of its own"
        return Loss(path, "pythonCodeSnippet", f"{why}; left out", "a python grader of your own")
    if extract is not None:
        why = "an extraction before code is not written; left out"
        return Loss(path, "parseResponseConfig", why, "extract in the code itself")
    parts.note("Gemini gives code 100 seconds a call, here it has the limits of a python grader")
    return {"type": "python", "source": FROM_CODE.made(code)}, None, None


def _autorater(one: dict[str, Any], extract: str | None, path: str, parts: Parts) -> _Made:
    prompt = one.get("autoraterPrompt")
    if not isinstance(prompt, str):
        return Loss(f"{path}.autoraterPrompt", "no text", "there is no prompt; left out")
    if extract is not None:
        why = "a judge here sees the whole response; left out"
        return Loss(path, "parseResponseConfig", why, "say in the prompt which part counts")
    prompt, told = _told(prompt)
    text = _prompt(prompt)
    if text is None:
        return Loss(f"{path}.autoraterPrompt", "a placeholder", "it is not known; left out")
    if "{{ item.contents" in text or "{{ item.systemInstruction" in text:
        parts.note(
            "{{prompt}} and {{system_instruction}} are taken from the first message's first part"
        )
    if one.get("autoraterResponseParseConfig") not in (None, {}, {"parseType": "IDENTITY"}):
        parts.losses.append(
            Loss(
                f"{path}.autoraterResponseParseConfig", "parsing what the judge says",
                "a judge here is asked in structured output, and there is nothing to parse", "score_model",
            )
        )  # fmt: skip
    made: dict[str, Any] = {
        "model": _model(one.get("autoraterConfig"), path, parts),
        "input": [{"role": "user", "content": text}],
    }
    match = one.get("exactMatchScorer")
    params = _sampling(one.get("autoraterConfig"), path, parts, labels=match is not None)
    if params:
        made["sampling_params"] = params
    parts.note("a judge is asked in structured output, which Gemini's autorater is not")
    if match is None:
        limits = told if told and isinstance(told[0], float) else [-1.0, 1.0]
        return {"type": "score_model", **made, "range": limits}, None, None
    label = match.get("expression") if isinstance(match, dict) else None
    if not isinstance(label, str) or not label or "{{" in label:
        why = "what a judge says is compared with a text of each row; left out"
        return Loss(f"{path}.exactMatchScorer", "exactMatchScorer", why, "label_model")
    right, wrong = (
        _reward(match, name, path, parts) for name in ("correctAnswerReward", "wrongAnswerReward")
    )
    labels = told if label in told else [label, f"not {label}"]
    if labels is not told:
        why = "the judge is given two labels, where Gemini's says what it likes"
        parts.losses.append(
            Loss(f"{path}.exactMatchScorer", "exactMatchScorer", why, "label_model")
        )
    grader = {"type": "label_model", **made, "labels": labels, "passing_labels": [label]}
    return grader, right, wrong


def _told(prompt: str) -> tuple[str, list[Any]]:
    """Return a prompt without what it ends with that a schema says here, and the range or the labels."""
    if found := _RANGE.search(prompt):
        low, high = float(found[1]), float(found[2])
        if -1 <= low < high <= 1:
            return prompt[: found.start()], [low, high]
    if found := _LABELS.search(prompt):
        return prompt[: found.start()], found[1].split(", ")
    return prompt, []


_VARIABLE: Final = re.compile(r"\{\{\s*([\w.-]*)\s*\}\}")
_PLACES: Final[Mapping[str, str]] = {
    "response": "{{ sample.output_text }}",
    "prompt": "{{ item.contents[0].parts[0].text }}",
    "system_instruction": "{{ item.systemInstruction.parts[0].text }}",
}


def _prompt(text: str) -> str | None:
    """Return a prompt with our templates, None where it has a placeholder that nothing stands for."""
    names = _VARIABLE.findall(text)
    if not all(one in _PLACES or re.fullmatch(r"references\.\w+", one) for one in names):
        return None
    if "{{" in _VARIABLE.sub("", text):
        return None
    return _VARIABLE.sub(lambda one: _PLACES.get(one[1], f"{{{{ item.{one[1]} }}}}"), text)


def _model(config: Any, path: str, parts: Parts) -> str:
    model = config.get("autoraterModel") if isinstance(config, dict) else None
    if isinstance(model, str) and model:
        return model
    parts.note(
        f"{path} names no autoraterModel: gemini-2.5-flash is written, change it as you like"
    )
    return "gemini-2.5-flash"


_SAMPLING: Final[Mapping[str, str]] = {
    "temperature": "temperature", "topP": "top_p", "seed": "seed",
    "maxOutputTokens": "max_completions_tokens",
}  # fmt: skip


def _sampling(config: Any, path: str, parts: Parts, *, labels: bool) -> dict[str, Any]:
    """Return the sampling of a judge; one that gives labels has none."""
    if not isinstance(config, dict):
        return {}
    taken = {} if labels else _SAMPLING
    generation = config.get("generationConfig")
    generation = generation if isinstance(generation, dict) else {}
    left = [one for one in config if one not in {"autoraterModel", "generationConfig"}]
    left += [f"generationConfig.{one}" for one in generation if one not in taken]
    for name in left:
        why = "a judge here has no such setting; left out"
        parts.losses.append(Loss(f"{path}.autoraterConfig.{name}", name.rpartition(".")[2], why))
    return {ours: generation[name] for name, ours in taken.items() if name in generation}


def _service(one: dict[str, Any], extract: str | None, path: str, parts: Parts) -> _Made:
    del extract, parts
    uri = one.get("cloudRunUri")
    why = "it is sent {example, response} and answers {reward}, an endpoint is sent {sample, item} and answers {score}; left out"
    return Loss(
        path,
        f"the service {quoted(uri)}",
        why,
        "an endpoint grader before a few lines that translate",
    )


def _number(value: Any, path: str) -> float:
    found = finite(value)
    if found is None:
        raise _fault(path, "a number is expected", value)
    return found


def _fault(path: str, expected: str, value: Any) -> ConfigError:
    return ConfigError([Fault(path, f"{expected}, got {quoted(value)}")], source="gemini")

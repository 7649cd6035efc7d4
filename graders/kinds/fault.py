"""From a validation error to a sentence: path, what is wrong, the value, the nearest right one."""

from __future__ import annotations

import re
import typing
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from graders.errors import Fault, FormulaError, nearest, quoted
from graders.extension import names, said
from graders.formula import MAX_LENGTH, compile_formula
from graders.kinds.extended import EXTENDED, type_of
from graders.kinds.message import PARTS, TAG, Message
from graders.kinds.multi import TYPES
from graders.kinds.string_check import OPERATIONS
from graders.kinds.table import kind_named

__all__ = ["faults_of", "faults_of_made", "formula_faults", "json_path"]

MAX_FAULTS: Final = 1000
"""Faults listed for one grader; no one reads more, and wording each takes time."""

_WORD: Final = re.compile(r"[^\W\d]\w*")

_FREE_JSON: Final = "prompt_cache_breakpoint"
"""The one field that takes any JSON value: what is wrong inside it is said of the whole."""

_OLDER_SPELLINGS: Final[Mapping[str, str]] = {
    "max_tokens": "max_completions_tokens",
    "max_completion_tokens": "max_completions_tokens",
    "max_output_tokens": "max_completions_tokens",
    "sampling_parameters": "sampling_params",
    "evaluation_metrics": "evaluation_metric",
    "metric": "evaluation_metric",
    "threshold": "pass_threshold",
    "code": "source",
    "formula": "calculate_output",
}

_WANTED: Final[Mapping[str, str]] = {
    "string_type": "text",
    "float_type": "a number",
    "float_parsing": "a number",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "finite_number": "a finite number",
    "model_type": "an object",
    "dict_type": "an object",
    "tuple_type": "a list",
    "list_type": "a list",
}


def json_path(location: Sequence[str | int]) -> str:
    """Return a location as a JSON path (RFC 9535), `$` for the whole."""
    path = "$"
    for step in location:
        if isinstance(step, int):
            path += f"[{step}]"
        elif step.isidentifier():
            path += f".{step}"
        else:
            path += f"[{quoted(step, 200)}]"
    return path


def faults_of(
    error: ValidationError,
    value: Any,
    within: Sequence[str | int],
    root: type[BaseModel] | None = None,
) -> Iterator[tuple[tuple[str | int, ...], Fault]]:
    """Yield (location, fault) for each error of a validation.

    Args:
        error: what the validation raised.
        value: the value that was validated.
        within: where that value stands in the user's document.
        root: what it was validated as, where its own type does not say.
    """
    details = error.errors(include_url=False)
    more = len(details) - MAX_FAULTS
    details = details[:MAX_FAULTS]
    renamed = _renamed_fields(details, root)
    for detail in details:
        raw = _named(detail["loc"], value)
        location = tuple(step for step in raw if not str(step).startswith(TAG))
        if detail["type"] == "missing" and location in renamed:
            continue
        if detail["type"] == "too_short" and _has_deeper(details, raw):
            continue
        if _FREE_JSON in location:
            location = location[: location.index(_FREE_JSON) + 1]
        location = _settle(location, value)
        where = (*within, *location)
        code = "config_error"
        if detail["type"] == "template_parse_error":
            code = "template_parse_error"
        message = _message(dict(detail), raw, location, root)
        yield where, Fault(json_path(where), message, code)
    if more > 0:
        yield tuple(within), Fault(json_path(within), f"and {more:,} more faults like these")


def _named(raw: tuple[Any, ...], value: Any) -> tuple[Any, ...]:
    """Return a raw location whose graders of extensions have tags with their types, as ours have."""
    named: list[Any] = []
    for step in raw:
        if step == EXTENDED:
            named.append(f"{TAG}{value['type'] if isinstance(value, dict) else value.type}")
            continue
        named.append(step)
        if not str(step).startswith(TAG):
            value = _within(value, step)
    return tuple(named)


def _within(value: Any, step: str | int) -> Any:
    if isinstance(value, dict):
        return value.get(str(step), value)
    if isinstance(value, list | tuple) and isinstance(step, int) and step < len(value):
        return value[step]
    return value


def faults_of_made(
    model: type[BaseModel], error: ValidationError | None, fields: Mapping[str, Any]
) -> list[Fault]:
    """Return the faults of an object made in Python: those of its fields, and of a formula."""
    found = (
        [] if error is None else [fault for _, fault in faults_of(error, dict(fields), (), model)]
    )
    if model is TYPES["multi"]:
        whole = {"type": "multi", **_plain(fields)}
        found += [fault for _, fault in formula_faults(whole, ())]
    return found


def _plain(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return fields in which graders that were made in Python are objects of JSON."""
    plain = dict(fields)
    if isinstance(graders := plain.get("graders"), Mapping):
        plain["graders"] = {
            key: one.model_dump() if isinstance(one, BaseModel) else one
            for key, one in graders.items()
        }
    return plain


def formula_faults(
    grader: Any, within: Sequence[str | int]
) -> Iterator[tuple[tuple[str | int, ...], Fault]]:
    """Yield the fault of a multi's formula, whatever other faults its graders may have."""
    if not isinstance(grader, dict) or grader.get("type") != "multi":
        return
    formula, graders = grader.get("calculate_output"), grader.get("graders")
    if not isinstance(formula, str):
        return
    if not isinstance(graders, dict):
        # No keys to know: any word is a name, so that a syntax error still shows.
        graders = dict.fromkeys(_WORD.findall(formula[:MAX_LENGTH]))
    if isinstance(graders.get("type"), str):
        name = graders.get("name")
        graders = {name: graders} if isinstance(name, str) else {}
    aliases = {
        sub["name"]: key
        for key, sub in graders.items()
        if isinstance(sub, dict) and isinstance(sub.get("name"), str)
    }
    where = (*within, "calculate_output")
    try:
        compile_formula(formula, [str(key) for key in graders], aliases=aliases)
    except FormulaError as error:
        yield where, Fault(
            json_path(where), str(error), "formula_parse_error",
            is_unknown_name=error.is_unknown_name,
        )  # fmt: skip


def _renamed_fields(
    details: Sequence[Any], root: type[BaseModel] | None
) -> set[tuple[str | int, ...]]:
    """Locations of missing fields that an unknown field beside them evidently misspells."""
    renamed = set()
    for detail in details:
        if detail["type"] == "extra_forbidden":
            model = _model_at(detail["loc"][:-1], root)
            right = _right_spelling(str(detail["loc"][-1]), model)
            if right:
                parent = (s for s in detail["loc"][:-1] if not str(s).startswith(TAG))
                renamed.add((*parent, right))
    return renamed


def _has_deeper(details: Sequence[Any], location: tuple[str | int, ...]) -> bool:
    """Whether a list only seems too short because its elements are faulty themselves."""
    return any(
        len(other["loc"]) > len(location) and other["loc"][: len(location)] == location
        for other in details
    )


def _settle(location: tuple[str | int, ...], value: Any) -> tuple[str | int, ...]:
    """Follow a single grader that stands where a map is expected back to its own place."""
    settled: list[str | int] = []
    for step in location:
        if (
            settled[-1:] == ["graders"]
            and isinstance(value, dict)
            and step not in value
            and isinstance(value.get("type"), str)
        ):
            continue
        settled.append(step)
        value = value.get(str(step)) if isinstance(value, dict) else _within(value, step)
    return tuple(settled)


def _message(  # noqa: C901, PLR0912  (a flat table of sentences)
    detail: dict[str, Any],
    raw: tuple[Any, ...],
    location: tuple[Any, ...],
    root: type[BaseModel] | None,
) -> str:
    kind, value, context = detail["type"], detail["input"], detail.get("ctx", {})
    field = str(location[-1]) if location else ""
    match kind:
        case _ if field == _FREE_JSON and kind != "extra_forbidden":
            return "a JSON value is needed"
        case "fault" | "template_parse_error":
            return str(context["problem"])
        case "value_error" | "assertion_error":  # A validator of an extension's says so.
            return said(context["error"]).partition(": ")[2] or f"{field} cannot be {quoted(value)}"
        case "missing" if isinstance(location[-1], int):
            return "two numbers are needed, lowest and highest"
        case "missing":
            return f"{field} is required"
        case "extra_forbidden":
            return _unknown_field(field, _model_at(raw[:-1], root))
        case "literal_error" | "string_unicode":
            return _not_one_of(field, value, _model_at(raw[:-1], root))
        case "union_tag_invalid" | "union_tag_not_found":
            return _wrong_type(value, raw)
        case "too_short":
            empty = "object" if isinstance(value, dict) else "list"
            return f"{field} needs at least one entry, got an empty {empty}"
        case "too_long":
            return f"at most {context['max_length']} values are allowed, got {context['actual_length']}"
        case "string_too_short":
            return f"{field} cannot be empty"
        case "greater_than_equal":
            return f"at least {context['ge']:g} is needed, got {quoted(value)}"
        case "greater_than":
            return f"more than {context['gt']:g} is needed, got {quoted(value)}"
        case "less_than_equal":
            return f"at most {context['le']:g} is allowed, got {quoted(value)}"
        case "dict_type" if field == "graders":
            return _graders_are_a_map(value)
        case _ if kind in _WANTED:
            return f"{_WANTED[kind]} is needed, got {quoted(value)}"
        case _:
            return f"{field or 'the grader'} cannot be {quoted(value)} ({kind})"


def _unknown_field(field: str, model: type[BaseModel] | None) -> str:
    if message := _not_here(model).get(field):
        return message
    right = _right_spelling(field, model)
    if right and _OLDER_SPELLINGS.get(field) == right:
        return f"unknown field {quoted(field)} (an older spelling); write {right}"
    if right:
        return f"unknown field {quoted(field)}; did you mean {right}?"
    known = ", ".join(model.model_fields) if model else ""
    return f"unknown field {quoted(field)}; the fields here are: {known}"


def _right_spelling(field: str, model: type[BaseModel] | None) -> str | None:
    if model is None:
        return None
    older = _OLDER_SPELLINGS.get(field)
    if older in model.model_fields:
        return older
    if field in _not_here(model):
        return None
    return nearest(field, model.model_fields)


def _not_here(model: type[BaseModel] | None) -> Mapping[str, str]:
    """Return the sentences for fields that people expect on a kind and that it does not have."""
    kind = None if model is None else kind_named(type_of(model) or "")
    return {} if kind is None else kind.not_here


def _not_one_of(field: str, value: Any, model: type[BaseModel] | None) -> str:
    if field == "operation" and value == "neq":
        return f'got "neq"; the operation is spelled ne ({", ".join(OPERATIONS)})'
    allowed = _literals(model, field)
    if field == "evaluation_metric":
        allowed += names("metrics")
    listed = ", ".join(allowed)
    got = quoted(value)
    if field == "operation" and value in ("contains", "icontains", "in", "includes"):
        right = "ilike" if value == "icontains" else "like"
        return f"got {got}; the operation is spelled {right} ({listed})"
    if field == "operation" and value in ("==", "=", "!=", "equals", "equal"):
        right = "ne" if value == "!=" else "eq"
        return f"got {got}; the operation is spelled {right} ({listed})"
    near = nearest(value, allowed) if isinstance(value, str) else None
    hint = f"; did you mean {near}?" if near else ""
    one_of = f"one of {listed} is needed" if len(allowed) > 1 else f"{listed} is needed"
    return f"{one_of}, got {got}{hint}"


def _literals(model: type[BaseModel] | None, field: str) -> list[str]:
    if model is None or field not in model.model_fields:
        return list(OPERATIONS)
    return [
        choice
        for choice in _leaves_of(model.model_fields[field].annotation)
        if isinstance(choice, str)
    ]


def _leaves_of(annotation: Any) -> Iterator[Any]:
    arguments = typing.get_args(annotation)
    if not arguments:
        yield annotation
    for argument in arguments:
        yield from _leaves_of(argument)


def _wrong_type(value: Any, raw: tuple[Any, ...]) -> str:
    if raw and raw[-1] == "content":
        return f"text, a part or a list of both is needed, got {_described(value, PARTS)}"
    if f"{TAG}list" in raw:
        return f"text or a part is needed, got {_described(value, PARTS)}"
    inside_multi = bool(raw)
    if not isinstance(value, dict):
        return f"a grader is an object with a type, got {quoted(value)}"
    kind = value.get("type")
    allowed = [name for name in TYPES if not (inside_multi and name == "multi")] + names("kinds")
    if kind == "multi":
        return "a multi cannot stand inside a multi; write one formula over all the graders"
    if kind == "azure_ai_evaluator":
        return 'type "azure_ai_evaluator" is Azure-only: it runs in Azure Foundry, not here'
    return _described(value, dict.fromkeys(allowed))


def _described(value: Any, allowed: Mapping[str, Any]) -> str:
    """Say what is wrong with the `type` of an object, and the nearest right one."""
    if not isinstance(value, dict):
        return quoted(value)
    listed = ", ".join(allowed)
    if "type" not in value:
        return f"an object without a type; type is one of {listed}"
    kind = value["type"]
    near = nearest(kind, allowed) if isinstance(kind, str) else None
    hint = f"did you mean {near}?" if near else f"type is one of {listed}"
    return f"unknown type {quoted(kind)}; {hint}"


def _graders_are_a_map(value: Any) -> str:
    sentence = (
        'graders is a map whose keys are the names in calculate_output: write "graders": '
        '{"first": {…}, "second": {…}}'
    )
    return f"{sentence}, not {'an array' if isinstance(value, list) else quoted(value)}"


def _model_at(raw: Sequence[Any], root: type[BaseModel] | None) -> type[BaseModel] | None:
    """Return the model that a raw location (with its tags) leads to."""
    model = root
    for step in raw:
        text = str(step)
        if text.startswith(TAG):
            name = text.removeprefix(TAG)
            kind = None if name in PARTS else kind_named(name)
            model = TYPES.get(name) or PARTS.get(name) or (model if kind is None else kind.config)
        elif model is not None and text in model.model_fields:
            inner = [
                leaf
                for leaf in _leaves_of(model.model_fields[text].annotation)
                if isinstance(leaf, type) and issubclass(leaf, BaseModel)
            ]
            if len(inner) == 1:
                model = inner[0]
            elif Message in inner:
                model = Message
    return model

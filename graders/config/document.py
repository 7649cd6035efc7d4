"""JSON and YAML texts: parsed strictly, and the line a JSON path stands on."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from graders import jsontext
from graders.config import yamltext
from graders.config.yamltext import MAX_DEPTH
from graders.errors import ConfigError, Fault, caret, quoted
from graders.kinds.fault import json_path

__all__ = ["Place", "lines", "parse", "spots", "unfit"]

_MAX_BITS: Final = 10_000

# What YAML's reader refuses or takes for a line break, though JSON's strings may hold it.
_NOT_YAML: Final = re.compile(
    "[^\n\r\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)

Place = tuple[str | int, ...]


_COMMENT: Final = re.compile(r"\s*(?://|/\*)")


class _DuplicateKeyError(ValueError):
    pass


def parse(text: str, name: str) -> Any:
    """Return the value of a JSON or YAML text; JSON is told by its first bracket.

    Raises:
        ConfigError: neither, with the line and a caret; a key that stands twice; NaN.
    """
    text = text.removeprefix("\ufeff")
    start = text.lstrip()[:1]
    if not start:
        raise ConfigError([Fault("$", "the text is empty; a grader is expected")], source=name)
    if start in "{[":
        return _parse_json(text, name)
    if comment := _COMMENT.match(text):
        fault = _at(
            text,
            comment.end() - 2,
            "not JSON: a comment; JSON has none, and YAML begins one with #",
        )
        raise ConfigError([fault], source=name)
    return _parse_yaml(text, name)


def unfit(value: Any) -> Iterator[tuple[Place, str]]:
    """Yield (place, problem) for what no JSON text can hold: odd keys, endless nesting or numbers."""
    yield from _unfit(value, (), set())


def _unfit(value: Any, place: Place, done: set[int]) -> Iterator[tuple[Place, str]]:
    if isinstance(value, int) and value.bit_length() > _MAX_BITS:
        yield place, "a number has more digits than can be read"
    if not isinstance(value, Mapping | list | tuple) or id(value) in done:
        return
    if len(place) >= MAX_DEPTH:
        yield (), f"the config nests deeper than {MAX_DEPTH} levels"
        return
    children: Iterable[tuple[Any, Any]]
    children = value.items() if isinstance(value, Mapping) else enumerate(value)
    for key, child in children:
        if isinstance(value, Mapping) and not isinstance(key, str):
            yield place, f"a key is text, got {quoted(key)}; put it in quotes"
        else:
            yield from _unfit(child, (*place, key), done)
    done.add(id(value))


def _parse_json(text: str, name: str) -> Any:
    fault = Fault("$", "the text nests too deeply")
    try:
        if not jsontext.too_deep(text):
            return json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse_constant)
    except json.JSONDecodeError:
        at, problem = jsontext.fault_of(text) or (len(text), "Expecting value")
        at, problem = jsontext.cure_of(text, at) or (at, problem)
        column = at - text.rfind("\n", 0, at)
        shown = _at(text, at, f"not JSON: {problem} (column {column})")
        fault = replace(shown, column=column)
    except RecursionError:
        pass
    except _DuplicateKeyError as error:
        fault = next(_duplicates(_composed(text), (), set()), Fault("$", str(error)))
    except jsontext.ConstantError as error:
        fault = _constant_fault(text, str(error))
    except ValueError:
        fault = Fault("$", "a number has more digits than can be read")
    raise ConfigError([fault], source=name) from None


def _constant_fault(text: str, problem: str) -> Fault:
    """Return the fault of the first NaN or infinity outside of strings."""
    for match in _CONSTANT.finditer(text):
        if not match.group().startswith('"'):
            return _at(text, match.start(), f"{problem}; write a number, or null")
    return Fault("$", problem)


_CONSTANT: Final = re.compile(r'"(?:[^"\\]++|\\.)*+"|-?Infinity|NaN', re.DOTALL)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise _DuplicateKeyError("a key stands twice in one object")
    return result


def _refuse_constant(name: str) -> Any:
    raise jsontext.ConstantError(f"{name} is not a JSON number")


def _parse_yaml(text: str, name: str) -> Any:
    try:
        root = yamltext.compose(text)
        if root is None:
            return None
        fault = next(_duplicates(root, (), set()), None)
        if fault is None:
            return yamltext.construct(root)
    except yamltext.TooDeepError as error:
        fault = Fault("$", error.problem)
    except yamltext.YamlError as error:
        problem, index = error.problem, error.index
        if index is not None and (bare := yamltext.bare_template(text, index)) is not None:
            index, problem = bare, "a text that begins with {{ stands in quotes: '{{ … }}'"
        fault = Fault("$", f"not YAML: {problem}")
        if index is not None:
            fault = _at(text, index, fault.message)
    raise ConfigError([fault], source=name)


def _at(text: str, index: int, problem: str) -> Fault:
    """Return a fault of a whole text that is seen at one place in it."""
    line = text.count("\n", 0, index) + 1
    return Fault("$", f"{problem}\n{caret(text, index, index + 1)}", line=line)


def _duplicates(node: Any, place: Place, done: set[int]) -> Iterator[Fault]:
    """Yield a fault for each key that stands twice in one object of a YAML node."""
    if node is None or node.id == "scalar" or id(node) in done:
        return
    done.add(id(node))
    if node.id == "sequence":
        for index, child in enumerate(node.value):
            yield from _duplicates(child, (*place, index), done)
        return
    seen: set[tuple[str, Any]] = set()
    for key, child in node.value:
        if key.id != "scalar":
            continue
        if (key.tag, key.value) in seen and key.tag != yamltext.MERGE:
            problem = f"the key {quoted(key.value)} stands twice in one object"
            yield Fault(json_path(place), problem, line=key.start_mark.line + 1)
        seen.add((key.tag, key.value))
        yield from _duplicates(child, (*place, key.value), done)


def _composed(text: str) -> Any:
    """Return the YAML node of a JSON or YAML text, None where YAML's parser gives up."""
    text = _NOT_YAML.sub(" ", text)
    if text.lstrip()[:1] in ("{", "["):
        text = _BACKSLASH.sub(_yaml_escape, text)
    try:
        return yamltext.compose(text)
    except yamltext.YamlError:
        return None


_BACKSLASH: Final = re.compile(r"\\(?:u[dD][89a-fA-F][0-9a-fA-F]{2}|.)", re.DOTALL)


def _yaml_escape(match: re.Match[str]) -> str:
    """Return an escape of JSON that YAML does not know as so many ordinary characters."""
    escape = match.group()
    return "x" * len(escape) if len(escape) == 6 or escape == "\\/" else escape


def lines(text: str, places: Iterable[Place]) -> dict[Place, int]:
    """Return the 1-based line each place stands on, as far as it can be told."""
    found = spots(text, ((place, None) for place in places))
    return {place: line for (place, _), (line, _) in found.items()}


def spots(
    text: str, wanted: Iterable[tuple[Place, int | None]]
) -> dict[tuple[Place, int | None], tuple[int, int]]:
    """Return the 1-based (line, column) of places, as far as they can be told.

    Args:
        text: a JSON or YAML text.
        wanted: each place, and None for the place itself (for a field, its key), or how many
            characters into the text value that stands there.

    A place that is not there (a missing field) is where the object is that it is missing from.
    JSON is read as the YAML it is, for YAML's parser keeps positions.
    """
    text = text.removeprefix("\ufeff")
    root = _composed(text)
    if root is None:
        return {}
    maps: _Maps = {}
    return {(place, offset): _spot(text, root, place, offset, maps) for place, offset in wanted}


_Maps = dict[int, dict[str, tuple[Any, Any]]]
"""The fields of each object that was looked into: an object may have many faults."""


def _spot(text: str, root: Any, place: Place, offset: int | None, maps: _Maps) -> tuple[int, int]:
    key = node = root
    for step in place:
        found = _child(node, step, maps)
        if found is None:
            return _mark(key)
        key, node = found
    if offset is None or node.id != "scalar":
        return _mark(key)
    return _inside(text, node, offset)


def _child(node: Any, step: str | int, maps: _Maps) -> tuple[Any, Any] | None:
    """Return (what marks the place, its value) of one step down, None where there is nothing."""
    if node.id == "mapping" and isinstance(step, str):
        if id(node) not in maps:
            maps[id(node)] = {pair[0].value: pair for pair in node.value if pair[0].id == "scalar"}
        return maps[id(node)].get(step)
    if node.id == "sequence" and isinstance(step, int) and step < len(node.value):
        return node.value[step], node.value[step]
    return None


def _mark(node: Any) -> tuple[int, int]:
    return node.start_mark.line + 1, node.start_mark.column + 1


_ESCAPE: Final = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    r"|\\u[0-9a-fA-F]{4}|\\x[0-9a-fA-F]{2}|\\U[0-9a-fA-F]{8}|\\.|.",
    re.DOTALL,
)


def _inside(text: str, node: Any, offset: int) -> tuple[int, int]:
    """Return where a character of a scalar's value stands; where it starts if that is unclear."""
    line, column = _mark(node)
    if node.style == "|":
        before = node.value[:offset]
        row = text.split("\n")[line + before.count("\n") : line + before.count("\n") + 1]
        indent = len(row[0]) - len(row[0].lstrip(" ")) if row else 0
        first = node.value[offset - len(before.rpartition("\n")[2]) :].partition("\n")[0]
        own = len(first) - len(first.lstrip(" "))
        within = len(before.rpartition("\n")[2])
        return line + 1 + before.count("\n"), max(indent - own, 0) + within + 1
    if node.start_mark.line != node.end_mark.line:
        return line, column
    raw = text.split("\n")[line - 1][column - 1 :]
    if node.style != '"':
        return line, column + offset + (1 if node.style == "'" else 0)
    for count, match in enumerate(_ESCAPE.finditer(raw, 1)):
        if count == offset:
            return line, column + match.start()
    return line, column

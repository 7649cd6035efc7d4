"""Calls of tools in what a model said, in the words of model families; as the hosted API has them. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from hashlib import blake2b
from typing import Any, Final

from graders import jsontext

__all__ = ["names_of", "read_calls"]

_HERMES: Final = re.compile(r"<tool_call>\s*(.*?)\s*(?:</tool_call>|\Z)", re.DOTALL)
_MISTRAL: Final = "[TOOL_CALLS]"
_NAMED: Final = re.compile(
    r"\s*(?P<name>[\w.-]{1,256}?)\s*(?:\[CALL_ID\]\s*\w+\s*)?(?:\[ARGS\])?\s*(?=\{)"
)
_LLAMA: Final = "<|python_tag|>"
_ENDS: Final = ("<|eom_id|>", "<|eot_id|>", "<|im_end|>", "</s>")
_THOUGHT: Final = "</think>"


def _no_number(text: str) -> Any:
    raise ValueError(f"{text} is no JSON")


_DECODER: Final = json.JSONDecoder(strict=False, parse_constant=_no_number)


def names_of(tools: Sequence[Mapping[str, Any]] | None) -> list[str]:
    """Return the names of functions that may be called."""
    return [str(one["function"]["name"]) for one in tools or ()]


def read_calls(text: str, names: Collection[str]) -> tuple[str | None, list[dict[str, Any]]] | None:
    """Return what a model said beside its calls, and the calls; None where it called nothing.

    Three ways of writing calls are known: `<tool_call>{...}</tool_call>` (Hermes, Qwen), `[TOOL_CALLS]` (Mistral), and
    an answer that is nothing but objects with `name` and `parameters` (Llama). All of what is written so has to be
    calls of tools that were offered, with objects as arguments; else the answer is a text.

    Args:
        text: the answer, with the special tokens that families mark calls by.
        names: of the tools that were offered.
    """
    if not names:
        return None
    thought, mark, said = text.rpartition(_THOUGHT)
    for read in _WAYS:
        try:
            found = read(said)
            if found is None or not found[1]:
                continue
            content, calls = found
            if all(one[0] in names and isinstance(one[1], dict) for one in calls):
                content = (thought + mark + content).strip()
                return content or None, [_shown(text, at, *one) for at, one in enumerate(calls)]
        except (ValueError, TypeError, RecursionError):  # TypeError: what JSON of ours cannot say.
            continue
    return None


_Found = tuple[str, list[tuple[Any, Any]]]


def _hermes(text: str) -> _Found | None:
    inner = _HERMES.findall(text)
    return (
        (_HERMES.sub("", text), [_call(_DECODER.decode(one)) for one in inner]) if inner else None
    )


def _mistral(text: str) -> _Found | None:
    before, mark, said = text.partition(_MISTRAL)
    if not mark:
        return None
    if said.lstrip()[:1] in ("[", "{"):
        (calls,) = list(_values(said))
        return before, [_call(one) for one in (calls if isinstance(calls, list) else [calls])]
    found = []
    for one in said.split(_MISTRAL):
        rest = one.strip()
        while rest:
            named = _NAMED.match(rest)
            if named is None:
                raise ValueError("no name")
            arguments, end = _DECODER.raw_decode(rest, named.end())
            found.append((named["name"], arguments))
            rest = rest[end:].strip()
    return before, found


def _llama(text: str) -> _Found | None:
    said = text.strip().removeprefix(_LLAMA).strip()
    for end in _ENDS:
        said = said.removesuffix(end).rstrip()
    if not said.startswith("{"):
        return None
    return "", [_call(one) for one in _values(said)]


_WAYS: Final[Sequence[Callable[[str], _Found | None]]] = (_hermes, _mistral, _llama)


def _values(text: str) -> Iterator[Any]:
    """Yield JSON values one after the other, with or without a semicolon between them."""
    rest = text.strip()
    while rest:
        value, end = _DECODER.raw_decode(rest)
        yield value
        rest = rest[end:].lstrip().removeprefix(";").lstrip()


def _call(value: Any) -> tuple[Any, Any]:
    if not isinstance(value, dict) or not isinstance(value.get("name"), str):
        raise ValueError("no call")
    arguments = value.get("arguments", value.get("parameters"))
    if isinstance(arguments, str):
        arguments = _DECODER.decode(arguments)
    return value["name"], arguments


def _shown(text: str, at: int, name: str, arguments: Any) -> dict[str, Any]:
    # Not drawn: an answer that is sampled again by the same seed is the same.
    digest = blake2b(f"{at}:{text}".encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()
    inner = {"name": name, "arguments": jsontext.encode(arguments).decode()}
    return {"id": f"call_{digest}", "type": "function", "function": inner}

"""Fields of a server's answer, each read as what it has to be. Pure.

A server's answer is not trusted: a field that is read is of its type and in its range, or the answer
is refused by the field's name. Fields that nobody reads (`id`, `created`, `object`) may be anything.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any, Final

from graders import jsontext
from graders.errors import quoted
from graders.grade import Usage

__all__ = [
    "FieldError",
    "LongNumber",
    "bad",
    "message_of",
    "refusal_of",
    "strict_json",
    "text_of",
    "tokens",
    "typed",
    "usage_of",
]

_DEEPEST: Final = 100
_DIGITS: Final = 400
_MOST_TOKENS: Final = 1_000_000_000


class FieldError(ValueError):
    """A field of an answer is not what it has to be; says which, its value, and what it would be."""


def bad(place: str, value: Any, right: str) -> FieldError:
    """Return the error of a field that is not what is `right`."""
    return FieldError(f"{place} is {quoted(value, 40)}, and has to be {right}")


class LongNumber:
    """A JSON number that no float and no sensible integer holds."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text if len(text) <= 24 else f"{text[:20]}… ({len(text):,} characters)"

    def __repr__(self) -> str:
        return self._text


def strict_json(text: str, *, reals: bool = True) -> Any:
    """Return the value of a JSON text; a number that cannot be held is a LongNumber.

    Args:
        text: the text.
        reals: look at numbers with a point or exponent too; False leaves infinities to the caller.

    Raises:
        FieldError: it is JSON, and has a field twice or more levels than an answer may have.
        ValueError: it is not JSON.
    """
    try:
        jsontext.check_depth(text, _DEEPEST)
    except ValueError:
        raise FieldError(f"its JSON has more than {_DEEPEST} levels") from None
    return json.loads(
        text, parse_int=_whole, parse_float=_real if reals else None, parse_constant=_refuse,
        object_pairs_hook=_once,
    )  # fmt: skip


def _whole(text: str) -> int | LongNumber:
    return int(text) if len(text) <= _DIGITS else LongNumber(text)


def _real(text: str) -> float | LongNumber:
    value = float(text)
    return value if math.isfinite(value) else LongNumber(text)


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        # One program takes the first, another the last: who reads along would read something else.
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise FieldError(f"it has the field {quoted(twice, 40)} twice")
    return found


def typed(of: Mapping[str, Any], name: str, place: str, right: str, *kinds: type) -> Any:
    """Return the value of a field of one of these types, None where it is null or not there.

    Args:
        of: the object.
        name: the field.
        place: what stands before the name in the sentence, such as `usage.`.
        right: what it has to be, in words.
        kinds: the types; a bool is no int.

    Raises:
        FieldError: it is of another type.
    """
    value = of.get(name)
    if value is None or type(value) in kinds:
        return value
    raise bad(place + name, value, right)


def usage_of(value: Any) -> Usage | None:
    """Return the tokens an answer says it used, None where it says nothing.

    An empty list says nothing: it is how PHP writes an empty object.

    Raises:
        FieldError: it says what cannot be.
    """
    if not isinstance(value, dict) or value.get("usage") == []:
        return None
    usage = typed(value, "usage", "", "an object", dict)
    if usage is None:
        return None
    prompt = tokens(usage, "prompt_tokens", "usage.")
    completion = tokens(usage, "completion_tokens", "usage.")
    total = tokens(usage, "total_tokens", "usage.")
    details = typed(usage, "prompt_tokens_details", "usage.", "an object", dict) or {}
    cached = tokens(details, "cached_tokens", "usage.prompt_tokens_details.")
    return Usage(prompt, completion, total or prompt + completion, cached)


def tokens(of: Mapping[str, Any], name: str, place: str) -> int:
    """Return a count of tokens, 0 where there is none.

    Raises:
        FieldError: it is not a count.
    """
    right = f"a whole number from 0 to {_MOST_TOKENS:,}"
    found = typed(of, name, place, right, int, float)
    if found is None:
        return 0
    if not 0 <= found <= _MOST_TOKENS or found != int(found):
        raise bad(place + name, found, right)
    return int(found)


def message_of(value: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """Return the first choice of a chat completion and its message, None where it has none.

    Raises:
        FieldError: a field of either is not what it has to be.
    """
    choices = typed(value, "choices", "", "a list of objects", list)
    if not choices:
        return None
    choice, place = choices[0], "choices[0]."
    if not isinstance(choice, dict):
        raise bad("choices[0]", choice, "an object")
    message = typed(choice, "message", place, "an object", dict)
    if message is None:
        return None
    typed(choice, "finish_reason", place, "a text", str)
    typed(choice, "logprobs", place, "an object", dict)
    place += "message."
    typed(message, "refusal", place, "a text", str)
    typed(message, "tool_calls", place, "a list", list)
    content = typed(message, "content", place, "a text or a list of parts", str, list)
    for at, part in enumerate(content if isinstance(content, list) else ()):
        here = f"{place}content[{at}]"
        if not isinstance(part, dict):
            raise bad(here, part, "an object")
        for name in ("text", "refusal"):
            typed(part, name, f"{here}.", "a text", str)
    return choice, message


def text_of(message: Mapping[str, Any]) -> str:
    """Return the text of a message that `message_of` gave, its parts put together."""
    content = message.get("content")
    return content if isinstance(content, str) else "".join(_said(message, "text"))


def refusal_of(message: Mapping[str, Any]) -> str:
    """Return what a model refuses with: a field of the message, or a part of its content."""
    return message.get("refusal") or next(filter(None, _said(message, "refusal")), "")


def _said(message: Mapping[str, Any], name: str) -> Iterator[str]:
    content = message.get("content")
    for part in content if isinstance(content, list) else ():
        yield part.get(name) or ""

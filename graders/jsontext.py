"""JSON text in and out: orjson's speed, the standard library's exactness.

orjson turns integers beyond 64 bits into floats and refuses lone surrogates, which JSON Lines may
hold; such texts take the standard library's way. Both give the same values for all others.
Two differences to the standard library are kept: NaN and the infinities are written as null, and
a key that stands twice has its last value.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Callable, Sequence
from typing import Any, BinaryIO, Final

import orjson

__all__ = [
    "DEEPEST", "LONGEST", "ConstantError", "ForeignError", "bare", "check_depth", "cure_of", "decode",
    "decode_all",
    "encode", "encoding_of", "fault_of", "has_long_number", "nests_deeper", "read_whole", "text_of",
    "too_deep",
    "without_thoughts",
]  # fmt: skip

# Every digit becomes "0", so one fast substring search finds any run of 19 digits: the shortest
# that can leave 64 bits.
_DIGITS: Final = bytes(0x30 if 0x30 <= byte <= 0x39 else 0x20 for byte in range(256))
_LONG_RUN: Final = b"0" * 19
# Such a run has three digits so far apart: a sixth of the data tells where one can be.
_APART, _THREE, _LOOKS = 6, b"000", 64
_POINT: Final = ord(".")

DEEPEST: Final = 500
"""Levels that the standard library may read and write: with more, it would depend on how deep its
caller's own calls are, and the same row would be read in one process and not in another."""
LONGEST: Final = 64 << 20
"""Bytes of a text that is held whole: a config, a suite, one row. A device file never ends."""
# A string that never ends is one too: to begin anew at each quote in it would take for ever.
_STRINGS: Final = re.compile(r'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_BRACKETS: Final = re.compile(r"[\[\]{}]")

_FENCED: Final = re.compile(r"```(?:json)?[ \t]*\r?\n(.*)\r?\n```", re.DOTALL | re.IGNORECASE)
_THINKS: Final = re.compile(r"\s*<(?:think|thinking|thought|thoughts|reasoning)>", re.IGNORECASE)
_THOUGHT: Final = re.compile(r"</(?:think|thinking|thought|thoughts|reasoning)>", re.IGNORECASE)


_MARKS: Final = (
    (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"),
)  # fmt: skip
_ZEROS: Final = {
    (False, True, False, True): "utf-16-le", (True, False, True, False): "utf-16-be",
    (False, True, True, True): "utf-32-le", (True, True, True, False): "utf-32-be",
}  # fmt: skip

# The same for digits and exponents, without their plus: two searches, for a pattern takes ten times as long.
_NUMBERS: Final = bytes(
    0x30 if 0x30 <= byte <= 0x39 else {0x45: 0x65, 0x65: 0x65}.get(byte, 0x20)
    for byte in range(256)
)
_HUGE: Final = (b"0e000", b"0" * 309)
_GAP: Final = re.compile(r"[ \t\n\r]*+")
# So many at a time bound what is kept to go back to. A possessive group is no way: before Python 3.11.5
# it ends inside an escape that does not end (gh-106052).
_PARTS: Final = re.compile(r"""(?:[^"\\\x00-\x1f]++|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})){1,1000}""")
_SCALAR: Final = re.compile(
    r"-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?(?:[eE][-+]?[0-9]++)?|null|true|false|NaN|-?Infinity"
)


class ConstantError(ValueError):
    """A text holds NaN or an infinity where JSON has none."""


def read_whole(stream: BinaryIO, longest: int = LONGEST) -> bytes:
    """Return all bytes of a stream.

    Raises:
        ValueError: there are more than `longest`.
        OSError: it cannot be read.
    """
    data = stream.read(longest + 1)
    if len(data) > longest:
        size = f"{longest >> 20} MB" if longest >> 20 else f"{longest >> 10} kB"
        raise ValueError(f"it is longer than {size}, and may never end")
    return data


def encoding_of(head: bytes) -> str | None:
    """Return which other encoding than UTF-8 a text is in, by its first four bytes; None for none.

    JSON and tables begin with a character of ASCII, so the zeros around it tell what has no mark.
    """
    for mark, name in _MARKS:
        if head.startswith(mark):
            return name
    if len(head) == 4:
        zeros = [byte == 0 for byte in head]
        return _ZEROS.get((zeros[0], zeros[1], zeros[2], zeros[3]))
    return None


def text_of(data: bytes) -> str:
    """Return a file's text: UTF-8, or UTF-16 and UTF-32 where its beginning tells so.

    Raises:
        UnicodeDecodeError: it is neither.
    """
    return data.decode(encoding_of(data[:4]) or "utf-8")


def has_long_number(data: bytes) -> bool:
    """Whether `data` may hold an integer that orjson would not keep exactly."""
    sampled = data[::_APART].translate(_DIGITS)
    at = sampled.find(_THREE)
    for _ in range(_LOOKS):
        if at < 0:
            return False
        first = max(_APART * (at - 1) + 1, 0)  # the last digit before would have been looked at
        if _LONG_RUN in data[first : _APART * at + len(_LONG_RUN)].translate(_DIGITS):
            break
        at = sampled.find(_THREE, at + 1)
    digits = data.translate(_DIGITS)
    at = digits.find(_LONG_RUN)
    while at > 0 and data[at - 1] == _POINT:  # What follows a point is a part of no integer.
        end = digits.find(b" ", at)
        at = digits.find(_LONG_RUN, end) if end > 0 else -1
    return at >= 0


def decode_all(texts: Sequence[bytes], *, exact: bool = True, bounded: bool = False) -> list[Any]:
    """Return the values of JSON texts up to the first that is none; `exact` and `bounded` as for `decode`."""
    if bounded and not exact:
        try:
            return [*map(orjson.loads, texts)]
        except orjson.JSONDecodeError:
            pass  # Where, and whether the standard library reads it, is looked for one by one.
    found = []
    for text in texts:
        try:
            found.append(decode(text, exact=exact, bounded=bounded))
        except ValueError:
            break
    return found


def decode(
    data: bytes | str, *, allow_nan: bool = False, exact: bool = True, bounded: bool = False
) -> Any:
    """Return the value of a JSON text.

    Args:
        data: the text; bytes are UTF-8.
        allow_nan: read NaN, Infinity and -Infinity, which Python writes though JSON has none.
        exact: look for integers beyond 64 bits; False where the caller knows there are none.
        bounded: whether the caller knows that no number is larger than any float.

    Raises:
        ValueError: not JSON, not UTF-8, or nested too deeply; says where.
    """
    if isinstance(data, str):
        try:
            raw = data.encode()
        except UnicodeEncodeError:
            return _decode_slowly(data, allow_nan=allow_nan)
    else:
        raw = data
    try:
        value = None if exact and has_long_number(raw) else orjson.loads(raw)
    except orjson.JSONDecodeError:
        value = None  # A number that is too large for it is one of the reasons.
    if value is None:
        value = _decode_slowly(data, allow_nan=allow_nan)
    if not (allow_nan or bounded) and may_overflow(raw) and _has_infinity(value):
        raise ConstantError("a number is larger than any float")
    return value


def may_overflow(raw: bytes) -> bool:
    """Whether there may be a number larger than any float, which would be read as infinity."""
    digits = raw.translate(_NUMBERS, b"+")
    return any(one in digits for one in _HUGE)


def _has_infinity(value: Any) -> bool:
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            waiting += one.values()
        elif isinstance(one, list):
            waiting += one
        elif isinstance(one, float) and one - one != 0.0:
            return True
    return False


def nests_deeper(value: Any, levels: int) -> bool:
    """Whether there are more levels of objects and lists in a value than these."""
    level = [value]
    while level := [one for one in level if isinstance(one, dict | list)]:
        if levels == 0:
            return True
        levels -= 1
        level = [
            inner for one in level for inner in (one.values() if isinstance(one, dict) else one)
        ]
    return False


def too_deep(text: str, deepest: int = DEEPEST) -> bool:
    """Whether a text nests so deep that it depends on the caller whether it can be read."""
    if text.count("[") + text.count("{") <= deepest:
        return False
    depth = 0
    for character in _BRACKETS.findall(_STRINGS.sub("", text)):
        depth += 1 if character in "[{" else -1
        if depth > deepest:
            return True
    return False


def check_depth(text: str, deepest: int = DEEPEST) -> None:
    """Refuse a text that is `too_deep`.

    Raises:
        ValueError: it is.
    """
    if too_deep(text, deepest):
        raise ValueError("it nests too deeply")


def _decode_slowly(data: bytes | str, *, allow_nan: bool) -> Any:
    if isinstance(data, bytes):
        try:
            data = data.decode()
        except UnicodeDecodeError as error:
            raise ValueError(f"not UTF-8 at byte {error.start + 1}") from None
    check_depth(data)
    try:
        if allow_nan:
            return json.loads(data)
        return json.loads(data, parse_constant=_refuse_constant)
    except json.JSONDecodeError:
        at, problem = fault_of(data) or (len(data), "Expecting value")
        at, cure = cure_of(data, at) or (at, "")
        line = data.count("\n", 0, at) + 1
        where = f"column {at + 1}" if line == 1 else f"line {line}"
        said = f"{where}: {cure}" if cure else f"{problem.removesuffix(' at')} at {where}"
        raise ValueError(said) from None
    except RecursionError:
        raise ValueError("it nests too deeply") from None
    except ConstantError:
        raise
    except ValueError:
        raise ValueError("a number has more digits than can be read") from None


def _refuse_constant(name: str) -> Any:
    raise ConstantError(f"{name} is not JSON")


def fault_of(text: str) -> tuple[int, str] | None:  # noqa: C901, PLR0912  (one automaton)
    """Return where a text stops being JSON, from 0, and what is wrong there; None where it is JSON.

    Parsers and their releases word this differently, and see it in different places. NaN and the
    infinities pass here.
    """
    if text.startswith("\ufeff"):
        return 0, "Unexpected UTF-8 BOM (decode using utf-8-sig)"
    closers: list[str] = []
    at, wanted, fresh = 0, "value", False
    while True:
        at = _skip(_GAP, text, at)
        here = text[at : at + 1]
        if closers and here == closers[-1] and (fresh or wanted == "more"):
            closers.pop()
            at, wanted = at + 1, "more"
        elif wanted == "more":
            if not closers:
                return (at, "Extra data") if here else None
            if here != ",":
                return at, "Expecting ',' delimiter"
            at, wanted = at + 1, "key" if closers[-1] == "}" else "value"
        elif wanted == "key":
            if here != '"':
                return at, "Expecting property name enclosed in double quotes"
            if fault := _string_fault(text, at):
                return fault
            at = _skip(_GAP, text, _past_parts(text, at + 1) + 1)
            if text[at : at + 1] != ":":
                return at, "Expecting ':' delimiter"
            at, wanted = at + 1, "value"
        elif here and here in "[{":
            closers.append("]" if here == "[" else "}")
            at, wanted, fresh = at + 1, "value" if here == "[" else "key", True
            continue
        else:
            if here == '"' and (fault := _string_fault(text, at)):
                return fault
            end = _past_parts(text, at + 1) + 1 if here == '"' else _skip(_SCALAR, text, at)
            if end == at:
                return at, "Expecting value"
            at, wanted = end, "more"
        fresh = False


def _skip(pattern: re.Pattern[str], text: str, at: int) -> int:
    match = pattern.match(text, at)
    return at if match is None else match.end()


def _past_parts(text: str, at: int) -> int:
    """Return where characters and escapes of a string end that begin at a place."""
    while (end := _skip(_PARTS, text, at)) > at:
        at = end
    return at


def _string_fault(text: str, begin: int) -> tuple[int, str] | None:
    """Return where the string that begins at a quote goes wrong, None where it does not."""
    end = _past_parts(text, begin + 1)
    here, after = text[end : end + 1], text[end + 1 : end + 2]
    if here == '"':
        return None
    if not here or (here == "\\" and not after):
        return begin, "Unterminated string starting at"
    if here != "\\":
        return end, "Invalid control character at"
    if after == "u":
        return end + 1, "Invalid \\uXXXX escape"
    return end, "Invalid \\escape"


_PASTED: Final[tuple[tuple[re.Pattern[str], str], ...]] = (
    (re.compile(r"//|/\*|#"), "a comment; JSON has none"),
    (re.compile(r"'"), "a single quote; JSON puts texts and keys in double quotes"),
    (
        re.compile("[\u201c-\u201f\u2018-\u201b\u00ab\u00bb]"),
        'a typographic quote; JSON has the plain "',
    ),
    (re.compile(r"True\b"), "True is Python's; JSON writes true"),
    (re.compile(r"False\b"), "False is Python's; JSON writes false"),
    (re.compile(r"None\b"), "None is Python's; JSON writes null"),
    (re.compile(r"undefined\b"), "undefined is JavaScript's; JSON writes null"),
    (re.compile(r"[-+]?(?:nan|inf(?:inity)?)\b", re.IGNORECASE), "JSON has finite numbers only"),
    (
        re.compile(r"[^\W\d][\w-]*[ \t\n\r]*:"),
        "a key without quotes; JSON puts keys in double quotes",
    ),
)
"""What people paste that is JSON's in other languages, each with what JSON has instead."""

_LAST_COMMA: Final = re.compile(r",[ \t\n\r]*\Z")


def cure_of(text: str, at: int) -> tuple[int, str] | None:
    """Return where a text stops being JSON and what would be right, None where that is unclear.

    Args:
        text: the text.
        at: where `fault_of` finds its fault.
    """
    here = text[at : at + 1]
    if here in ("}", "]") and (comma := _LAST_COMMA.search(text, max(0, at - 1000), at)):
        return comma.start(), f"a trailing comma; JSON has none before {here}"
    for pattern, cure in _PASTED:
        if pattern.match(text, at):
            return at, cure
    if here == "\\" and (escape := text[at : at + 2]) and len(escape) == 2 and escape.isprintable():
        return at, f"{escape} is no escape in JSON; write \\\\ for a backslash"
    if here in ("\n", "\r", "\t"):
        name, right = ("tab", "\\t") if here == "\t" else ("line break", "\\n")
        return at, f"a {name} inside a text; write {right}"
    return None


def encode(
    value: Any, *, indent: bool = False, default: Callable[[Any], Any] | None = None
) -> bytes:
    """Return a JSON value as UTF-8 JSON text; lone surrogates are written as escapes.

    Args:
        value: the value.
        indent: write it for people.
        default: returns what stands for a value that JSON has not.

    Raises:
        TypeError: something in it is not a JSON value.
        ValueError: it nests too deeply.
    """
    try:
        option = orjson.OPT_INDENT_2 if indent else 0
        return orjson.dumps(value, default=default, option=option)
    except TypeError:
        return _encode_slowly(value, indent=indent, default=default)


class ForeignError(TypeError):
    """A value is none of JSON's."""


def _refuse_value(value: Any) -> Any:
    raise ForeignError(f"a {type(value).__name__} is not a JSON value")


def _encode_slowly(value: Any, *, indent: bool, default: Callable[[Any], Any] | None) -> bytes:
    if nests_deeper(value, DEEPEST):
        raise ValueError("it nests too deeply")
    try:
        # orjson writes NaN as null; so must this way.
        whole = json.dumps(value, default=default or _refuse_value)
        value = json.loads(whole, parse_constant=lambda _: None)
        text = json.dumps(
            value,
            ensure_ascii=False,
            indent=2 if indent else None,
            separators=(",", ": ") if indent else (",", ":"),
        )
    except RecursionError:
        raise ValueError("it nests too deeply") from None
    except ForeignError:
        raise
    except TypeError:  # json.dumps itself raises it for keys only.
        raise TypeError("a key of an object is text") from None
    # Only a lone surrogate is no UTF-8; Python's escape for it is JSON's.
    return text.encode(errors="backslashreplace")


def without_thoughts(text: str) -> str:
    """Return a model's text without the thoughts before its answer.

    Thoughts end with the last closing tag, such as `</think>`. Templates of some models write the
    opening tag into the prompt, so that only the closing one is in the text. A text that begins to
    think and never ends holds no answer.
    """
    ends = [match.end() for match in _THOUGHT.finditer(text)]
    answer = text[ends[-1] :].strip() if ends else text
    return "" if _THINKS.match(answer) else answer


def bare(text: str) -> str:
    """Return a model's text without the thoughts before it and a code fence around the rest.

    What is left is all of the rest: nothing is looked for inside it.
    """
    text = text.removeprefix("\ufeff").strip()
    # A tag inside the object itself is a text of the model's, and ends nothing.
    text = text if text.startswith("{") else without_thoughts(text).strip()
    fenced = _FENCED.fullmatch(text)
    return fenced[1].strip() if fenced else text

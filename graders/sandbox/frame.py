"""The engine's end of the pipes: rows written, replies read and believed only when well-formed.

Does: bounds every frame, checks every field of every reply; what is not exactly a reply raises
`ForgedError`. Does not: tell a true score from a made-up one; a grader may lie about its own rows.
"""

from __future__ import annotations

import json
import math
import struct
from typing import Any, Final

from graders.calls import PythonError, PythonReply

__all__ = [
    "LINGERS",
    "ForgedError",
    "Frames",
    "UnsendableError",
    "load_fault",
    "reply_of",
    "row_bytes",
    "scanned",
]

LINGERS: Final = ["lingers"]
"""The frame of a runner in which something goes on after a row."""

_ROW: Final = struct.Struct("<IB")
_LENGTH: Final = struct.Struct("<I")
_KINDS: Final = frozenset({"runtime", "load", "returned", "timeout", "memory", "protocol"})
_MESSAGE, _DETAILS, _NAME = 3000, 12_000, 200


class ForgedError(Exception):
    """The runner's pipe carries something no runner writes."""


class UnsendableError(Exception):
    """A row cannot be written as JSON."""


def row_bytes(sample: Any, item: Any, *, flush: bool) -> bytes:
    """Return one row as the runner reads it.

    The standard library's JSON, as NaN must arrive as NaN and a lone surrogate as itself.
    """
    try:
        line = json.dumps([sample, item], separators=(",", ":")).encode("ascii")
    except TypeError:
        problem = _foreign(sample, "sample") or _foreign(item, "item")
        raise UnsendableError(f"the row cannot be sent to the grader: {problem}") from None
    except (ValueError, RecursionError):
        problem = "it nests too deeply, or contains itself"
        raise UnsendableError(f"the row cannot be sent to the grader: {problem}") from None
    if len(line) > 1 << 30:
        raise UnsendableError("the row is longer than 1 GiB")
    return _ROW.pack(len(line), flush) + line


def _foreign(value: Any, path: str) -> str:
    """Say where in a row stands what JSON has not; "" where nothing does."""
    waiting = [(path, value)]
    while waiting:
        path, one = waiting.pop()
        if isinstance(one, dict):
            if any(not isinstance(key, str) for key in one):
                return f"{path} has a key that is no text"
            waiting += [(f"{path}.{key}", inner) for key, inner in one.items()]
        elif isinstance(one, list | tuple):
            waiting += [(f"{path}[{at}]", inner) for at, inner in enumerate(one)]
        elif not isinstance(one, str | int | float | None):
            return f"{path} is of the type {type(one).__name__}, which JSON has not"
    return ""


class Frames:
    """Cuts a stream into frames of at most `limit` bytes."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[list[Any]]:
        """Return the lists whose frames `data` completes."""
        self._buffer += data
        found = []
        while len(self._buffer) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._buffer)
            if length > self._limit:
                raise ForgedError("a frame is too long")
            end = _LENGTH.size + length
            if len(self._buffer) < end:
                break
            found.append(_parsed(bytes(self._buffer[_LENGTH.size : end])))
            del self._buffer[:end]
        return found


def _parsed(frame: bytes) -> list[Any]:
    try:
        value = json.loads(frame)
    except (ValueError, RecursionError):
        raise ForgedError("a frame is not JSON") from None
    if not isinstance(value, list):
        raise ForgedError("a frame is not a list")
    return value


def _text(value: Any, limit: int) -> str:
    if not isinstance(value, str):
        raise ForgedError("a text is not a string")
    # Lone surrogates would break whoever writes this as UTF-8.
    return value[:limit].encode("utf-8", "replace").decode("utf-8")


def _position(value: Any) -> int | None:
    if value is None:
        return None
    if type(value) is not int or not 0 < value < 1 << 31:
        raise ForgedError("a line number is not one")
    return value


def _error(value: Any) -> PythonError:
    if not isinstance(value, dict):
        raise ForgedError("a report is not one")
    kind = value.get("kind")
    if not isinstance(kind, str) or kind not in _KINDS:
        raise ForgedError("a report is not one")
    return PythonError(
        kind,  # type: ignore[arg-type]
        _text(value.get("message"), _MESSAGE),
        _text(value.get("details", ""), _DETAILS),
        _position(value.get("line")),
        _position(value.get("column")),
        _text(value.get("exception", ""), _NAME),
    )


def load_fault(frame: list[Any]) -> PythonError | None:
    """Return what the runner's first frame says: None, or why the source did not load."""
    if len(frame) != 1:
        raise ForgedError("the first frame is not about loading")
    return None if frame[0] is None else _error(frame[0])


def reply_of(value: Any, output: int) -> PythonReply:
    """Return one checked reply; `output` bounds its stdout and stderr."""
    if not isinstance(value, list) or len(value) != 5:
        raise ForgedError("a reply is not five values")
    score, seconds, fault, stdout, stderr = value
    if type(seconds) is not float or not 0 <= seconds < 1e9:
        raise ForgedError("a duration is not one")
    if fault is None:
        if type(score) is not float or not math.isfinite(score):
            raise ForgedError("a score is not a finite number")
        error = None
    else:
        if score is not None:
            raise ForgedError("a reply has both a score and a report")
        error = _error(fault)
    if stdout or stderr:
        return PythonReply(score, error, _text(stdout, output), _text(stderr, output), seconds)
    return PythonReply(score, error, "", "", seconds)


def scanned(answer: list[Any]) -> tuple[bool, list[str], PythonError | None]:
    """Return whether a source may share a process, its imports, and its fault.

    All from the scanning child's word, which is checked.
    """
    if len(answer) != 1 or not isinstance(answer[0], dict):
        raise ForgedError("the scan gave nonsense")
    if "error" in answer[0]:
        return False, [], load_fault([answer[0]["error"]])
    found = answer[0].get("found")
    if not isinstance(found, dict) or not isinstance(found.get("imports"), list):
        raise ForgedError("the scan gave nonsense")
    names = []
    for entry in found["imports"][:200]:
        name = entry[0] if isinstance(entry, list) and entry else None
        if isinstance(name, str) and all(part.isidentifier() for part in name.split(".")):
            names.append(name)
    return not found.get("row"), list(dict.fromkeys(names)), None

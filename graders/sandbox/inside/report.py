"""Tells what went wrong in a grader, in bounded time and space whatever was raised.

Does: a kind, one sentence with the user's own line and column, a short traceback of the user's
frames (at most 30, no chains) and a message of at most 2 kB. Does not: use `traceback`, which
takes minutes over a 500 MB message or a chain of 100,000 exceptions.
"""

from __future__ import annotations

import re
from types import CodeType, TracebackType
from typing import Any

from .scan import FILENAME

__all__ = ["clip", "of_exception", "of_syntax", "of_value"]

_MESSAGE = 2000
_FRAMES = 30
_LINE = 200


def clip(text: str, limit: int = _MESSAGE) -> str:
    """Return `text` shortened to about `limit` characters, and encodable as UTF-8."""
    if len(text) > limit:
        text = text[:limit] + "…"
    return text.encode("utf-8", "replace").decode("utf-8")


def _plain(value: object, limit: int) -> str:
    """Return `str(value)`, even where its author made that raise or lie."""
    try:
        text = str(value)
        if type(text) is not str:
            text = str.__str__(text)
        return clip(text, limit)
    except BaseException:  # noqa: BLE001  (an exception in an exception's __str__)
        return "<no message: its __str__ failed>"


def _name(kind: type) -> str:
    name = type.__dict__["__name__"].__get__(kind)
    return clip(str.__str__(name), 100)


def _frames(trace: TracebackType | None) -> list[tuple[CodeType, int, int]]:
    """Return (code, line, instruction) of the user's frames, outermost first, first and last."""
    found: list[tuple[CodeType, int, int]] = []
    steps = 0
    while trace is not None and steps < 200_000:
        code = trace.tb_frame.f_code
        if code.co_filename == FILENAME:
            found.append((code, trace.tb_lineno or 0, trace.tb_lasti))
            if len(found) > 2 * _FRAMES:
                del found[_FRAMES // 2]
        trace = trace.tb_next
        steps += 1
    return found if len(found) <= _FRAMES else found[: _FRAMES // 2] + found[-_FRAMES // 2 :]


def _column(code: CodeType, instruction: int, text: str) -> int | None:
    positions = getattr(code, "co_positions", None)  # 3.11 and later
    if positions is None:
        return None
    for index, place in enumerate(positions()):
        if index == instruction // 2:
            if place[2] is None:
                return None
            # The compiler counts bytes of UTF-8; people count characters.
            return len(text.encode("utf-8", "replace")[: place[2]].decode("utf-8", "ignore")) + 1
    return None


def _line_text(lines: list[str], number: int | None) -> str:
    if number is None or not 0 < number <= len(lines):
        return ""
    return lines[number - 1]


def _sentence(head: str, text: str, line: int | None) -> str:
    if line is None:
        return head
    shown = clip(text.strip(), _LINE)
    return f"{head} (line {line}: `{shown}`)" if shown else f"{head} (line {line})"


_ABOUT = {
    "subprocess": "process", "multiprocessing": "process", "concurrent.futures.process": "process",
    "pty": "process", "socket": "network", "ssl": "network",
}  # fmt: skip
_STARTS = re.compile(r"\b(?:fork|forkpty|posix_spawnp?|exec[lv]p?e?|spawn[lv]p?e?|popen)\s*\(")
_NO_PROCESS = "a python grader may not start a process"
_NO_NETWORK = "a python grader has no network"
_LACKS = re.compile(r"Resource\s+\W*(?:\[[0-9]+m)?(\w[\w.-]*)")


def _cause(error: BaseException, text: str) -> str:
    """Return what the sandbox refused, where an exception is known to come from that; else "".

    Nothing of a class is asked that the class could have made its own: no `isinstance`, which asks for
    `__class__`, no truth, no attribute by its name.
    """
    seen: BaseException | None = error
    for _ in range(20):
        if seen is None:
            return ""
        modules = _modules(BaseException.__dict__["__traceback__"].__get__(seen))
        if _is(seen, LookupError) and "nltk.data" in modules:
            return _data_lacks(seen)
        if _is(seen, OSError):
            about = {_ABOUT.get(one) or _ABOUT.get(one.split(".")[0]) for one in modules}
            refused = _is(seen, PermissionError)
            if "process" in about or (refused and _STARTS.search(text)):
                return _NO_PROCESS
            if "network" in about and (refused or _module_of(type(seen)) == "socket"):
                return _NO_NETWORK
        cause = BaseException.__dict__["__cause__"].__get__(seen)
        seen = BaseException.__dict__["__context__"].__get__(seen) if cause is None else cause
    return ""


def _is(error: BaseException, kind: type[BaseException]) -> bool:
    return issubclass(type(error), kind)


def _module_of(kind: type) -> str:
    module = type.__dict__["__module__"].__get__(kind)
    return module if type(module) is str else ""


def _modules(trace: TracebackType | None) -> set[str]:
    """Return the names of the modules that an exception came through, the last some thousand."""
    found: set[str] = set()
    steps = 0
    while trace is not None and steps < 10_000:
        name = dict.get(trace.tb_frame.f_globals, "__name__")  # They may be a dict of its own kind.
        if type(name) is str:
            found.add(name)
        trace = trace.tb_next
        steps += 1
    return found


def _data_lacks(error: BaseException) -> str:
    match = _LACKS.search(_plain(error, _MESSAGE))
    named = f" {match.group(1)}" if match else ""
    return (
        f"NLTK's data{named} is not on this machine, and a python grader has no network: download it outside; "
        "the folders ~/nltk_data and NLTK_DATA are read"
    )


def of_exception(kind: str, error: BaseException, lines: list[str]) -> dict[str, Any]:
    """Return the report of an exception that came out of user code."""
    name = _name(type(error))
    said = _plain(error, _MESSAGE)
    head = f"{name}: {said}" if said else name
    # Not `error.__traceback__`: its class may have made that a property.
    frames = _frames(BaseException.__dict__["__traceback__"].__get__(error))
    line = column = None
    text = ""
    body = ["Traceback (most recent call last):"]
    for code, number, _ in frames:
        text = _line_text(lines, number)
        line, column = number or None, None
        body.append(f'  File "{FILENAME}", line {number}, in {clip(code.co_name, 100)}')
        if text.strip():
            body.append("    " + clip(text.strip(), _LINE))
    if cause := _cause(error, text):
        head = f"{name}: {cause}" if _is(error, LookupError) else f"{head}: {cause}"
    if frames:
        column = _column(frames[-1][0], frames[-1][2], text)
    body.append(head)
    return {
        "kind": kind,
        "message": _sentence(head, text, line),
        "details": "\n".join(body),
        "line": line,
        "column": column,
        "exception": name,
    }


def of_syntax(error: BaseException, lines: list[str]) -> dict[str, Any]:
    """Return the report of a source that does not compile."""
    line = column = None
    said = _plain(getattr(error, "msg", None) or error, _MESSAGE)
    if isinstance(error, SyntaxError):
        if isinstance(error.lineno, int) and error.lineno > 0:
            line = error.lineno
        if isinstance(error.offset, int) and error.offset > 0:
            column = error.offset
    text = _line_text(lines, line)
    name = _name(type(error))
    if isinstance(error, (MemoryError, RecursionError)):
        said = "the source is nested too deeply"
        name = "SyntaxError"
    head = f"{name}: {said}"
    details = [head]
    if line is not None:
        details = [f'  File "{FILENAME}", line {line}', "    " + clip(text.rstrip(), _LINE), head]
    return {
        "kind": "load",
        "message": _sentence(head, text, line),
        "details": "\n".join(details),
        "line": line,
        "column": column,
    }


_ARTICLES = {"NoneType": "None", "int": "an int", "str": "a str"}


def of_value(value: object, why: str) -> dict[str, Any]:
    """Return the report of a return value that is not a finite number."""
    name = _name(type(value))
    article = _ARTICLES.get(name) or f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"
    shown = ""
    if type(value) in (str, float):
        shown = repr(value if type(value) is float else str(value)[:60])
        shown = f" ({clip(shown, 80)})"
    message = f"grade returned {article}{shown}, {why}"
    return {"kind": "returned", "message": message, "details": "", "line": None, "column": None}

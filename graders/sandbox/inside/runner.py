"""Runs one grader over rows, in a child of the keeper that is already locked down.

Does: reads rows from a pipe, gives each a fresh module (or a shared one, on request), a seed of
its own, a clock and a bounded stdout, and writes one reply a row, in order. Does not: protect
itself from the grader. Whatever a grader does to this process, it can lie about its own rows
alone: the engine counts replies, checks them, keeps its own clock and kills.

Row:    <I length> <B flush> JSON [sample, item]
Reply:  <I length> JSON list of [score or null, seconds, report or null, stdout, stderr]
Where rows share a process, a byte comes before the first of them, and the first frame is the list
[null] when the source loaded, else [report]. The last may be the list ["lingers"]: a row left
something that goes on by itself, so this process ends, and others take its rows.
"""

from __future__ import annotations

import _thread
import io
import json
import math
import os
import signal
import struct
import sys
import time
import types
import zlib
from collections.abc import Callable
from typing import Any, cast

from . import report
from .scan import FILENAME, parse

__all__ = ["LINGERS", "LoadedSource", "run"]

LINGERS = "lingers"

_HEAD = struct.Struct("<IB")
_LENGTH = struct.Struct("<I")
_ROWS_A_FRAME = 64
_BYTES_A_FRAME = 1 << 18
_SECONDS_A_FRAME = 0.02
_MODULE = "_grader"


class Late(BaseException):
    """The row's time is over. Not an Exception, so that `except Exception` lets it through."""


class _Bounded(io.RawIOBase):
    """Keeps the first `limit` bytes written and forgets the rest."""

    def __init__(self, limit: int) -> None:
        self.kept = bytearray()
        self.limit = limit

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        view = memoryview(data).cast("B")
        room = self.limit - len(self.kept)
        if room > 0:
            self.kept += view[:room]
        return len(view)


def _stream(limit: int) -> tuple[_Bounded, Any]:
    raw = _Bounded(limit)
    # No read side is ever used; TextIOWrapper takes any raw stream.
    text = io.TextIOWrapper(
        cast("Any", raw), encoding="utf-8", errors="backslashreplace", write_through=True
    )
    return raw, text


def _usable(text: Any) -> bool:
    try:
        return not text.closed
    except ValueError:  # detached
        return False


class LoadedSource:
    """One grader's source and how to run it; made by the keeper, used in its children."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self.source: str = settings["source"]
        self.lines = self.source.splitlines()
        self.mode: str = settings["isolation"]
        self.harmless = False
        self.seconds: float = settings["call_seconds"]
        self.load_seconds: float = settings["load_seconds"]
        self.output: int = settings["output_bytes"]
        self.salt = zlib.crc32(self.source.encode("utf-8", "replace"))
        self.code: types.CodeType | None = None
        self.shared: Callable[[Any, Any], Any] | None = None

    def compile(self) -> None:
        """Compile once; every child of the keeper has the result."""
        try:
            self.code = compile(self.source, FILENAME, "exec", dont_inherit=True)
        except IndentationError:
            tree = parse(self.source)
            self.code = compile(tree, FILENAME, "exec", dont_inherit=True)

    def load(self) -> Callable[[Any, Any], Any]:
        """Run the top level in a fresh module and return its `grade`, checked."""
        if self.shared is not None:
            return self.shared
        module = types.ModuleType(_MODULE)
        sys.modules[_MODULE] = module
        names = module.__dict__
        names["__file__"] = FILENAME
        assert self.code is not None  # noqa: S101  (for the type checker)
        exec(self.code, names)  # noqa: S102  (this is the sandbox; running it is the task)
        try:
            grade = names["grade"]
        except KeyError:
            raise _Unfit("the source defines no function `grade`") from None
        _check_shape(grade)
        if self.mode == "shared":
            self.shared = grade
        return grade  # type: ignore[no-any-return]


class _Unfit(Exception):  # noqa: N818
    """`grade` is not there or not of the right shape."""

    line: int | None = None


def _check_shape(grade: object) -> None:
    if not callable(grade):
        raise _Unfit(f"`grade` is {type(grade).__name__!s}, not a function")
    if not isinstance(grade, types.FunctionType):
        return  # a class instance, a partial: found out by calling it
    code = grade.__code__
    fault = None
    if code.co_flags & 0x80:
        fault = "`grade` is `async def`; it must be a plain function that returns a number"
    elif code.co_flags & 0x220:
        fault = "`grade` is a generator (it has `yield`); it must return a number"
    else:
        most, defaults = code.co_argcount, len(grade.__defaults__ or ())
        named = code.co_kwonlyargcount - len(grade.__kwdefaults__ or ())
        fits = most - defaults <= 2 and (most >= 2 or code.co_flags & 0x04) and named <= 0
        if not fits:
            names = ", ".join(code.co_varnames[: most + code.co_kwonlyargcount])
            fault = f"`grade` must take two arguments (sample, item); it is grade({names})"
    if fault:
        error = _Unfit(fault)
        error.line = code.co_firstlineno
        raise error


def number(value: Any) -> float:
    """Return `value` as a finite float, or raise ValueError saying why it is none."""
    kind = type(value)
    if kind is float:
        result: float = value
    elif issubclass(kind, float):
        result = float.__float__(value)  # not float(value): a subclass may lie
    elif issubclass(kind, int):
        try:
            result = int.__float__(value)
        except OverflowError:
            raise ValueError("too large for a float") from None
    else:
        numpy = sys.modules.get("numpy")
        if numpy is None or not issubclass(kind, (numpy.bool_, numpy.integer, numpy.floating)):
            raise ValueError("not a number")
        result = float(value)
    if not math.isfinite(result):
        raise ValueError("not a finite number")
    return result


class _Row:
    """The state of the row that runs now: its clock and its output."""

    def __init__(self, grader: LoadedSource) -> None:
        self.grader = grader
        self.armed = False
        self.out = _stream(grader.output)
        self.err = _stream(grader.output)
        if hasattr(signal, "setitimer"):
            signal.signal(signal.SIGALRM, self._late)

    def _late(self, *_: object) -> None:
        if self.armed:
            raise Late

    def arm(self, seconds: float) -> None:
        self.armed = True
        if hasattr(signal, "setitimer"):
            # Again and again: a grader may catch the first.
            signal.setitimer(signal.ITIMER_REAL, seconds, 0.25)

    def disarm(self) -> None:
        self.armed = False

    def rest(self) -> None:
        """Stop the clock while no row is there."""
        if hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_REAL, 0)

    def fresh_output(self) -> None:
        if self.out[0].kept or not _usable(self.out[1]):
            self.out = _stream(self.grader.output)
        if self.err[0].kept or not _usable(self.err[1]):
            self.err = _stream(self.grader.output)
        sys.stdout, sys.stderr = self.out[1], self.err[1]

    def printed(self) -> tuple[str, str]:
        if not self.out[0].kept and not self.err[0].kept:
            return "", ""
        return (
            self.out[0].kept.decode("utf-8", "replace"),
            self.err[0].kept.decode("utf-8", "replace"),
        )


def _late_report(what: str, seconds: float) -> dict[str, Any]:
    message = f"{what}timed out after {seconds:g} s"
    return {"kind": "timeout", "message": message, "details": "", "line": None, "column": None}


def _fault(error: BaseException, kind: str, grader: LoadedSource) -> dict[str, Any]:
    """Return the report of whatever came out of user code."""
    if isinstance(error, Late):
        if kind == "load":
            return _late_report("loading the source ", grader.load_seconds)
        return _late_report("", grader.seconds)
    if isinstance(error, _Unfit):
        text = report.clip(str(error))
        where = "" if error.line is None else f" (line {error.line})"
        return {
            "kind": "load", "message": text + where, "details": "",
            "line": error.line, "column": None,
        }  # fmt: skip
    if isinstance(error, MemoryError) and kind != "load":
        kind = "memory"
    return report.of_exception(kind, error, grader.lines)


def _seed(salt: int) -> None:
    # sympy tries numbers where it is asked whether expressions are equal.
    for name in ("random", "numpy.random", "sympy.core.random"):
        module = sys.modules.get(name)
        if module is not None:
            module.seed(salt)


class _Settings:
    """Interpreter-wide settings a tame grader can reach, put back before each row."""

    def __init__(self) -> None:
        self.recursion = sys.getrecursionlimit()
        self.warnings = sys.modules.get("warnings")
        self.filters = list(self.warnings.filters) if self.warnings else []
        self.decimal = sys.modules.get("decimal")
        self.context = self.decimal.getcontext().copy() if self.decimal else None
        self.numpy = sys.modules.get("numpy")
        self.errors = self.numpy.geterr() if self.numpy else None

    def restore(self) -> None:
        if self.warnings is not None:
            self.warnings.filters[:] = self.filters
            # Makes "once per place" start again, so stderr does not depend on earlier rows.
            mutated = getattr(self.warnings, "_filters_mutated", None) or getattr(
                self.warnings, "_filters_mutated_lock_held", None
            )
            if mutated is not None:
                mutated()
        if self.decimal is not None and self.context is not None:
            self.decimal.setcontext(self.context.copy())
        if self.numpy is not None and self.errors is not None:
            self.numpy.seterr(**self.errors)


class _Alone:
    """Whether calls have left something that goes on after them: a thread, a timer.

    A grader that breaks into this process can lie here as well; at the end of its batch it is
    killed whatever it says.
    """

    def __init__(self, *, matters: bool, harmless: bool) -> None:
        self._matters = matters
        # To ask the system takes as long as a light row. Where the scan found nothing that could
        # start a thread, which is also why rows share this process at all, Python's count will do.
        self._asks = not harmless
        self._count = _thread._count  # noqa: SLF001  (threading's own way to count)
        self._stat = os.stat
        self._sleep = time.sleep
        self._timer = getattr(signal, "getitimer", None)
        self._timers = (signal.ITIMER_VIRTUAL, signal.ITIMER_PROF) if self._timer else ()
        self._before = self._tasks()

    def _tasks(self) -> int:
        """The links of a folder of folders tell how many it holds, without the right to list it."""
        try:
            return self._stat("/proc/self/task").st_nlink
        except OSError:  # not Linux
            return 0

    def is_broken(self) -> bool:
        """Whether there is a thread or a timer; cheap enough for each row."""
        return self._matters and (
            self._count() > 0
            or any(self._timer(which)[0] for which in self._timers if self._timer)
            or (self._asks and self._is_crowded())
        )

    def _is_crowded(self) -> bool:
        """Whether the system has a thread too many, a moment after one that was joined.

        Python counts a thread when it first runs, which a short row may not live to see.
        """
        for _ in range(20):
            if self._tasks() <= self._before:
                return False
            self._sleep(0.001)
        return True


def _grade_row(row: _Row, settings: _Settings, line: bytes) -> list[Any]:
    grader = row.grader
    began = time.perf_counter()
    fault: dict[str, Any] | None = None
    score: float | None = None
    kind = "load"
    names: dict[str, Any] | None = None
    try:
        try:
            try:
                sample, item = json.loads(line)
            except (ValueError, RecursionError) as error:
                message = f"the row could not be read: {report.clip(str(error), 200)}"
                return [None, 0.0, {"kind": "protocol", "message": message}, "", ""]
            settings.restore()
            _seed(grader.salt ^ zlib.crc32(line))
            row.fresh_output()
            began = time.perf_counter()
            row.arm(grader.seconds)
            grade = grader.load()
            kind = "runtime"
            value = grade(sample, item)
            try:
                score = number(value)
            except ValueError as error:
                fault = report.of_value(value, str(error))
            value = None
        except BaseException as error:  # noqa: BLE001  (SystemExit and worse are the row's failure)
            if isinstance(error, Late):
                kind = "runtime"
            score = None
            fault = _fault(error, kind, grader)
        if grader.mode != "shared":
            # Functions and their module hold one another; this frees both without the collector.
            module = sys.modules.pop(_MODULE, None)
            names = getattr(module, "__dict__", None)
            if names is not None:
                names.clear()
        row.disarm()
    except BaseException as error:  # noqa: BLE001  (the clock, or a __del__, in the lines above)
        row.disarm()
        score = None
        fault = _fault(error, "runtime", grader)
    seconds = round(time.perf_counter() - began, 6)
    out, err = row.printed()
    return [score, seconds, fault, out, err]


class _Pipes:
    """Whole frames in, whole frames out, and nothing read ahead that is not ours."""

    def __init__(self, data: int, reply: int) -> None:
        self.data = data
        self.reply = reply
        self.buffer = b""

    def begin(self) -> bool:
        """Wait for the word to begin; until then nothing of the grader's has run here."""
        return self._fill(1) is not None

    def _fill(self, size: int) -> bytes | None:
        parts = [self.buffer]
        have = len(self.buffer)
        while have < size:
            part = os.read(self.data, max(65536, size - have))
            if not part:
                return None
            parts.append(part)
            have += len(part)
        whole = b"".join(parts)
        self.buffer = whole[size:]
        return whole[:size]

    def row(self) -> tuple[bytes, int] | None:
        head = self._fill(_HEAD.size)
        if head is None:
            return None
        length, flush = _HEAD.unpack(head)
        line = self._fill(length)
        return None if line is None else (line, flush)

    def send(self, replies: list[Any]) -> None:
        # ASCII: a lone surrogate goes through as its escape.
        data = json.dumps(replies).encode("ascii")
        view = memoryview(_LENGTH.pack(len(data)) + data)
        while view:
            view = view[os.write(self.reply, view) :]


def run(grader: LoadedSource, data: int, reply: int) -> None:
    """Load the source, then answer rows until the pipe ends."""
    pipes = _Pipes(data, reply)
    row = _Row(grader)
    single = grader.mode == "row"
    alone = _Alone(matters=not single, harmless=grader.harmless)
    if not single and not _has_loaded(row, pipes):
        return
    settings = _Settings()
    out = _Replies(pipes)
    while True:
        got = pipes.row()
        if got is None:
            return
        line, flush = got
        if single:
            os.close(data)
        out.add(_grade_row(row, settings, line))
        broken = alone.is_broken()
        if flush or broken or out.is_due():
            if flush:
                row.rest()
            out.send()
            if broken:
                pipes.send([LINGERS])
                return
        if single:
            return


def _has_loaded(row: _Row, pipes: _Pipes) -> bool:
    """Load the source once and say how that went; not in row mode, where each row loads it."""
    if not pipes.begin():
        return False
    fault = _load_once(row)
    pipes.send([fault])
    return fault is None


class _Replies:
    """Replies on their way: many in a frame, but none kept back for long."""

    def __init__(self, pipes: _Pipes) -> None:
        self.pipes = pipes
        self.waiting: list[Any] = []
        self.size = 0
        self.sent = time.monotonic()

    def add(self, answer: list[Any]) -> None:
        self.waiting.append(answer)
        self.size += len(answer[3]) + len(answer[4]) + 64

    def is_due(self) -> bool:
        return (
            len(self.waiting) >= _ROWS_A_FRAME
            or self.size > _BYTES_A_FRAME
            or time.monotonic() - self.sent > _SECONDS_A_FRAME
        )

    def send(self) -> None:
        now = time.monotonic()
        self.pipes.send(self.waiting)
        self.waiting, self.size, self.sent = [], 0, now


def check(grader: LoadedSource, reply: int) -> None:
    """Load the source once and say how that went."""
    _Pipes(-1, reply).send([_load_once(_Row(grader))])


def _load_once(row: _Row) -> dict[str, Any] | None:
    grader = row.grader
    try:
        try:
            _seed(grader.salt)
            row.fresh_output()
            row.arm(grader.load_seconds)
            grader.load()
        finally:
            row.disarm()
    except BaseException as error:  # noqa: BLE001
        return _fault(error, "load", grader)
    return None

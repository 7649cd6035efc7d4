"""A grading process: requests on its standard input, answers on its standard output.

Whatever a request does to it, the server goes on: it has other processes, and starts this one anew.
"""

from __future__ import annotations

import contextlib
import gc
import os
import pickle
import signal
import struct
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import BinaryIO, Final

from graders import jsontext
from graders.program import watch_parent
from graders.server.handler import Answer, Elsewhere, Handler, Need, failed
from graders.server.log import Log
from graders.wire.error import ApiError

__all__ = [
    "ANSWER",
    "NUMBER",
    "PING",
    "REQUEST",
    "STOP",
    "TASKS",
    "THREADS",
    "main",
    "pack",
    "unpack",
]

REQUEST: Final = struct.Struct(">QBI")
"""A request's head: its number, its task's place in TASKS, the length of its body."""
ANSWER: Final = struct.Struct(">QHII")
"""An answer's head: the request's number, the status, the lengths of facts and body."""
_ELSEWHERE: Final = 0
"""What stands for a status where the request is for another process."""
TASKS: Final = ("ping", "run", "validate", "explain", "lint", "stop")
PING: Final = TASKS.index("ping")
STOP: Final = TASKS.index("stop")
NUMBER: Final = struct.Struct(">Q")
"""The body of `stop`: the number of a request whose answer nobody waits for any more."""
THREADS: Final = 128
"""Requests that a process which asks and waits has under way at once."""

_MEMORY: Final = {"metrics": 2 << 30, "models": 4 << 30}
_STACK: Final = 1 << 20


def main() -> None:
    """Serve the process that started this one until it has no more to ask, or is gone."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # The end of its input is its end.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # Whatever a library prints is no answer.
    threading.Thread(target=watch_parent, args=(os.getppid(),), daemon=True).start()
    options, need = pickle.load(sys.stdin.buffer)  # noqa: S301  (from the process that started this one)
    _limit_memory(need)
    handler = Handler(options, need)
    gc.freeze()
    try:
        with contextlib.suppress(BrokenPipeError):
            _serve(handler, need, sys.stdin.buffer, answers)
    finally:
        handler.close()
        with contextlib.suppress(OSError):
            answers.flush()
        os._exit(0)  # Nobody waits for threads that still ask a model.


def _serve(handler: Handler, need: Need, asked: BinaryIO, answers: BinaryIO) -> None:
    send = partial(_send, answers, threading.Lock())
    threading.stack_size(_STACK)
    pool = ThreadPoolExecutor(THREADS) if need == "models" else None
    stops: dict[int, threading.Event] = {}

    def work(number: int, task: int, body: bytes) -> None:
        stop = stops[number]
        # Nobody reads the answer to a request that was over before its turn came.
        answer = Answer(503) if stop.is_set() else _surely(handler, TASKS[task], body, stop)
        del stops[number]
        send(number, answer)

    while head := asked.read(REQUEST.size):
        number, task, length = REQUEST.unpack(head)
        body = asked.read(length)
        if task == PING:
            send(number, Answer(200))
        elif task == STOP:
            if (stop := stops.get(*NUMBER.unpack(body))) is not None:
                stop.set()
        elif pool is None:
            send(number, _surely(handler, TASKS[task], body))
        else:
            stops[number] = threading.Event()
            pool.submit(work, number, task, body)


def _surely(
    handler: Handler, task: str, body: bytes, stop: threading.Event | None = None
) -> Answer | Elsewhere:
    try:
        return handler.answer(task, body, stop)
    except RecursionError:
        return failed(ApiError(400, "something in the request nests too deeply"))
    except Exception as error:  # noqa: BLE001  (a fault of ours must not be every later request's)
        import traceback  # noqa: PLC0415  (only where something is wrong)

        # Frames only: the error's own text may hold what the request holds.
        frames = traceback.format_tb(error.__traceback__)[-3:]
        Log().write("fault", "error", kind=type(error).__name__, frames=frames)
        said = f"grading failed with {type(error).__name__}; this is a fault of the server's"
        return failed(ApiError(500, said, type="server_error", code="internal_error"))


def _send(answers: BinaryIO, lock: threading.Lock, number: int, answer: Answer | Elsewhere) -> None:
    written = pack(number, answer)
    with lock, contextlib.suppress(OSError):
        answers.write(written)
        answers.flush()


def pack(number: int, answer: Answer | Elsewhere) -> bytes:
    """Return an answer to a request as it goes to the server; `unpack` reads what follows its head."""
    if isinstance(answer, Elsewhere):
        return ANSWER.pack(number, _ELSEWHERE, 0, len(answer.grader)) + answer.grader
    facts = jsontext.encode(answer.facts) if answer.facts else b""
    head = ANSWER.pack(number, answer.status, len(facts), len(answer.body))
    return head + facts + answer.body


def unpack(status: int, facts: bytes, body: bytes) -> Answer | Elsewhere:
    """Return the answer that a process wrote."""
    if status == _ELSEWHERE:
        return Elsewhere(body)
    return Answer(status, body, jsontext.decode(facts or b"{}"))


def _limit_memory(need: Need) -> None:
    """Let a request that wants all memory fail by itself; children set limits of their own."""
    try:
        import resource  # noqa: PLC0415  (not on Windows)
    except ImportError:
        return
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    limit = _MEMORY[need] if hard == resource.RLIM_INFINITY else min(hard, _MEMORY[need])
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_AS, (limit, hard))

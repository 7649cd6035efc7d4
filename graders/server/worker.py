"""A grading process: requests on its standard input, answers on its standard output.

Whatever a request does to it, the server goes on: it has other processes, and starts this one anew.
"""

from __future__ import annotations

import contextlib
import dataclasses
import gc
import os
import pickle
import signal
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import BinaryIO, Final

from graders.program import watch_parent
from graders.server.frame import NUMBER, REQUEST, Answer, Elsewhere, pack
from graders.server.handler import Handler, Need, failed
from graders.server.log import Log
from graders.tracing import collected
from graders.wire.error import ApiError

__all__ = ["PING", "REWARD", "STOP", "TASKS", "THREADS", "main"]

TASKS: Final = ("ping", "run", "validate", "explain", "lint", "stop", "reward", "rows", "figures")
PING: Final = TASKS.index("ping")
STOP: Final = TASKS.index("stop")
REWARD: Final = TASKS.index("reward")
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
        return _answer(handler, task, body, stop)
    except RecursionError:
        return failed(ApiError(400, "something in the request nests too deeply"))
    except Exception as error:  # noqa: BLE001  (a fault of ours must not be every later request's)
        import traceback  # noqa: PLC0415  (only where something is wrong)

        # Frames only: the error's own text may hold what the request holds.
        frames = traceback.format_tb(error.__traceback__)[-3:]
        Log().write("fault", "error", kind=type(error).__name__, frames=frames)
        said = f"grading failed with {type(error).__name__}; this is a fault of the server's"
        return failed(ApiError(500, said, type="server_error", code="internal_error"))


def _answer(
    handler: Handler, task: str, body: bytes, stop: threading.Event | None
) -> Answer | Elsewhere:
    """Return the answer to a request, with the spans of the rows graded for it where these are wanted."""
    with collected(wanted=handler.traced) as spans:
        answer = handler.answer(task, body, stop)
    if not spans or isinstance(answer, Elsewhere):
        return answer
    told = [dataclasses.asdict(one) for one in spans]
    return dataclasses.replace(answer, facts={**answer.facts, "spans": told})


def _send(answers: BinaryIO, lock: threading.Lock, number: int, answer: Answer | Elsewhere) -> None:
    written = pack(number, answer)
    with lock, contextlib.suppress(OSError):
        answers.write(written)
        answers.flush()


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

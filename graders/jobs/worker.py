"""A process that does one piece of work for a server, such as a job, and is gone with it.

It inherits the work's claim from the server, so that no other server comes between. It reads how to do it from its standard input; the end of that input is the end of the server, however it
died. Then this process keeps what is on its way, for that may be paid for, and ends within seconds.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, Final, NoReturn, Protocol

from graders.errors import GradersError, shown
from graders.jobs.run import fail_job, run_job
from graders.jobs.store import Store
from graders.wire.error import ApiError

__all__ = ["ELSEWHERE", "FULL", "Fail", "Run", "main", "work"]

_PATIENCE: Final = 5.0
_LEFT: Final = 3
ELSEWHERE: Final = 4
"""The exit code of a process that finds its job run by another."""

FULL: Final = 5
"""The exit code of a process that finds no room on the disk; the job's events say so."""

_TROUBLE: Final = 1
_CODES: Final[dict[Any, int]] = {"job_is_run": ELSEWHERE, "storage": FULL}


class Run(Protocol):
    """Does a piece of work."""

    def __call__(
        self, store: Store, name: str, options: Any, /, *,
        stopping: Callable[[], bool], claimed: int | None,
    ) -> object:  # fmt: skip
        """Do it until it is finished, or this process is to end."""


class Fail(Protocol):
    """Says of a piece of work that it cannot be done, and why."""

    def __call__(self, store: Store, name: str, code: str, message: str, /) -> None:
        """Say so."""


def main() -> None:
    """Run the job that the arguments name."""
    work(run_job, fail_job)


def work(run: Run, fail: Fail) -> NoReturn:
    """Do what the arguments name: the store's folder, the work's id, its claim.

    The claim is a descriptor's number, or - for none: then it is claimed here.
    """
    folder, name, claim = sys.argv[1:4]
    claimed = None if claim == "-" else int(claim)
    options = pickle.load(sys.stdin.buffer)  # noqa: S301  (from the process that started this one)
    stopping = threading.Event()
    threading.Thread(target=_watch, args=(sys.stdin.fileno(), stopping), daemon=True).start()
    code = 0
    try:
        with Store(folder) as store:
            try:
                run(store, name, options, stopping=stopping.is_set, claimed=claimed)
            except ApiError as error:
                if error.status != 400:
                    raise
                # The options are all jobs' here: another try would end the same.
                fail(store, name, error.code or "refused", str(error))
            except (GradersError, OSError):
                raise
            except Exception as error:  # noqa: BLE001  (else the server would try it for ever)
                text = f"{type(error).__name__}: {error}".partition("\n")[0]
                fail(store, name, "internal_error", f"a fault of graders: {shown(text, 300)}")
    except (GradersError, OSError) as error:
        code = _CODES.get(getattr(error, "code", None), _TROUBLE)
        if code == _TROUBLE:
            with contextlib.suppress(OSError):
                sys.stderr.write(f"graders: {error}\n")
    sys.exit(_LEFT if stopping.is_set() else code)


def _watch(source: int, stopping: threading.Event) -> None:
    while os.read(source, 4096):  # Not through a buffer, whose lock would be held at the end.
        pass
    stopping.set()
    time.sleep(_PATIENCE)
    os._exit(_LEFT)


if __name__ == "__main__":
    main()

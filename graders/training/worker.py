"""The process that trains one job: it reads the job's folder and says on its output what it does.

It alone, and what it imports from here (`engine`, `learn`, `reinforce`, `follow`), imports torch. The end of its
input is the end of whoever started it, or the wish that it stops: then it saves a checkpoint after the step that is
under way, and ends.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from graders import jsontext
from graders.privacy import opener
from graders.training.process import LOCK
from graders.training.reason import reason_of
from graders.training.session import Session

__all__ = ["main"]

_PATIENCE: Final = 120.0
"""Seconds that a step may still take where the process that wanted it is gone."""


def main() -> None:
    """Train the job whose folder the arguments name."""
    folder = Path(sys.argv[1])
    output = os.dup(1)
    os.set_inheritable(output, False)
    os.dup2(2, 1)  # What libraries print is no word of ours.
    options = pickle.load(sys.stdin.buffer)  # noqa: S301  (from the process that started this one)
    session = Session(folder, jsontext.decode((folder / "plan.json").read_bytes()), options, output)
    watch = threading.Thread(target=_watch, args=(session, os.getppid()), daemon=True)
    watch.start()
    code = 0
    try:
        with _alone(folder, session.stopping) as alone:
            if alone:
                from graders.training.engine import train  # noqa: PLC0415  (torch: some seconds)

                train(session)
    except BaseException as error:  # noqa: BLE001  (whatever it is, the job's owner is told)
        import traceback  # noqa: PLC0415

        with contextlib.suppress(OSError):
            traceback.print_exc()
        code_, message = reason_of(error, folder, session.plan)
        session.say("failed", code=code_, message=message)
        code = 1
    with contextlib.suppress(OSError):
        sys.stderr.flush()
    os._exit(code)  # Not through what libraries leave behind: their threads may never end.


def _watch(session: Session, parent: int) -> None:
    with contextlib.suppress(OSError):
        while os.read(0, 4096):
            pass
    session.stopping.set()
    while os.getppid() == parent:
        time.sleep(0.5)
    time.sleep(_PATIENCE)
    os._exit(3)


@contextlib.contextmanager
def _alone(folder: Path, stopping: threading.Event) -> Iterator[bool]:
    """Wait for another process that still saves what it trained of this job; say whether it ended."""
    import fcntl  # noqa: PLC0415  (absent on Windows)

    with open(folder / LOCK, "ab", opener=opener) as lock:
        while not stopping.is_set():
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                time.sleep(0.2)
            else:
                yield True
                return
        yield False


if __name__ == "__main__":
    main()

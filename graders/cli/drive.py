"""A run on a Ray cluster in a process of its own: Ray ends whoever it lost its head under, and we say so.

Where its node or its head is gone, Ray ends the process that is connected to it, at times before any of our code
is asked. So the process that the user started waits for another, and words its end where it could not.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any, Final

from graders.cli.output import say
from graders.program import watch_parent

__all__ = ["driven"]

_PIPE: Final = "GRADERS_DRIVER"
"""Names, to the other process, the pipe where it says that it ended by itself, and who waits for it."""
_ENDED: Final = b"."


def driven(arguments: Sequence[str], run: Callable[[], int]) -> int:
    """Run a command in a process of its own; return its exit code, 2 where it ended without a word.

    Args:
        arguments: the command line.
        run: does it, in that process.
    """
    given = os.environ.pop(_PIPE, None)  # Whoever that process starts is none.
    if given is None:
        return _drive(arguments)
    pipe, parent = map(int, given.split(":"))
    os.set_inheritable(pipe, False)
    # Killed with -9, the process that waits takes this one along.
    threading.Thread(target=watch_parent, args=(parent,), daemon=True).start()
    code = run()
    os.write(pipe, _ENDED)
    return code


def _drive(arguments: Sequence[str]) -> int:
    ours, theirs = os.pipe()
    # Not from the folder that it works in, which may hold a json.py.
    words = [sys.executable, "-P", "-m", "graders", *arguments]
    environment = {**os.environ, _PIPE: f"{theirs}:{os.getpid()}"}
    with (
        os.fdopen(ours, "rb", buffering=0) as told,
        subprocess.Popen(words, pass_fds=[theirs], env=environment) as process,
    ):
        os.close(theirs)

        def pass_on(number: int, _: Any) -> None:
            if number != signal.SIGINT:  # Of Ctrl-C the terminal tells the other one itself.
                process.send_signal(number)

        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, pass_on)
        code = process.wait()
        os.set_blocking(ours, False)  # Others that it started may hold the pipe still.
        if told.read(1) == _ENDED:
            return code
    how = f"by signal {-code}" if code < 0 else f"with {code}"
    say(
        f"the process that was connected to Ray was ended ({how}) before it could say why: most often the head "
        "of the cluster is gone, or the node that it was connected to; the same command with --resume goes "
        "on after the last finished row, on any other cluster or none"
    )
    return 2

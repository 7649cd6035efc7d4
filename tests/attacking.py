"""What graders have in common that try to keep their process for themselves."""

from __future__ import annotations

from typing import Final

__all__ = ["TOOLS"]

TOOLS: Final = """
import fcntl, os, signal, stat, struct, threading, time
def reply():
    for number in range(3, 512):
        try:
            if stat.S_ISFIFO(os.fstat(number).st_mode) and fcntl.fcntl(number, fcntl.F_GETFL) & 3 == os.O_WRONLY:
                return number
        except OSError:
            pass
def deaf():
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})
    signal.signal(signal.SIGALRM, signal.SIG_IGN)
def drip(first, rest, pause):
    deaf()
    os.write(reply(), first)
    while time.monotonic() < END:
        if rest:
            os.write(reply(), rest)
        time.sleep(pause)
    os._exit(3)
"""
"""A grader's first lines: its pipe to the engine, deafness to the alarm, bytes that never end.

Whoever uses them says with `END` (seconds of `time.monotonic()`) when it gives up by itself, so that
a test fails rather than hangs where nobody ends it.
"""

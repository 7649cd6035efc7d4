"""A trainer that is killed leaves nothing of ours running."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.waiting import children_of, command_of, is_gone, until

LEAST = {"plain": 1, "busy": 2, "fork": 3}

SCRIPT = """
import os, sys, threading, graders
source = "def grade(sample, item):\\n    return float(item['n'])"
reward = graders.Reward({"type": "python", "name": "p", "source": source}, failed=-1.0)
assert reward.batch([{"n": 1, "sample": "x"}] * 8) == [1.0] * 8
if sys.argv[1] == "fork":
    reading, writing = os.pipe()
    if os.fork() == 0:
        assert reward({"n": 2}, "x") == 2.0
        os.write(writing, b"x")
        threading.Event().wait()
    os.read(reading, 1)
if sys.argv[1] == "busy":
    slow = "import time\\ndef grade(sample, item):\\n    time.sleep(3600)"
    hung = graders.Reward({"type": "python", "name": "p", "source": slow}, python_timeout=600.0)
    threading.Thread(target=hung, args=({}, "x"), daemon=True).start()
print("ready", flush=True)
threading.Event().wait()
"""


def descendants(pid: int) -> list[int]:
    """Return all that a process has started, and what that has started."""
    found = children_of(pid)
    return found + [one for child in found for one in descendants(child)]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="sandboxes are Linux's")
@pytest.mark.parametrize(
    "what", ["plain", *(pytest.param(one, marks=pytest.mark.more) for one in ("busy", "fork"))]
)
def test_nothing_is_left_after_kill_9(tmp_path: Path, what: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", SCRIPT, what], stdout=subprocess.PIPE, cwd=tmp_path
    ) as trainer:
        assert trainer.stdout is not None
        assert trainer.stdout.readline() == b"ready\n"
        # A sandbox has a process at least: so has that of the grader that hangs, and the fork's.
        until(lambda: len(descendants(trainer.pid)) >= LEAST[what])
        started = descendants(trainer.pid)
        forked = children_of(trainer.pid) if what == "fork" else []
        ours = [
            one for one in forked if b"-c" in command_of(one) and what.encode() in command_of(one)
        ]
        for one in (trainer.pid, *ours):
            os.kill(one, signal.SIGKILL)
    until(lambda: all(map(is_gone, started)))

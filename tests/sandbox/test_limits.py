"""Time, memory, disk and size limits; the guilty row fails, the others keep their scores."""

from __future__ import annotations

import textwrap
from dataclasses import replace
from typing import Any

import pytest

from graders.calls import PythonCall, PythonReply
from graders.errors import OptionError
from graders.sandbox import Limits, PythonSandbox, probe
from tests.sandbox.test_clock import more

ROOMY = Limits(memory_bytes=600 << 20)
QUICK = replace(ROOMY, call_seconds=0.4, grace_seconds=0.4)


def grade_all(bodies: list[str], *, isolation: Any, limits: Limits = ROOMY) -> list[PythonReply]:
    """Return what becomes of rows that each do one of these, each between two that are well."""
    source = "def grade(sample, item):\n    if item < 0:\n        return -item / 2\n"
    for number, body in enumerate(bodies):
        source += f"    if item == {number}:\n"
        source += textwrap.indent(textwrap.dedent(body), "        ") + "\n"
    items: list[int] = [-9]
    for number in range(len(bodies)):
        items += [number, number - 100]
    with PythonSandbox(isolation=isolation, limits=limits) as sandbox:
        replies = sandbox.perform(PythonCall(source, [{}] * len(items), items))
    others = [reply.score for reply in replies[::2]]
    assert others == [-item / 2 for item in items[::2]]
    return replies[1::2]


def grade(body: str, *, isolation: Any = "auto", limits: Limits = ROOMY) -> PythonReply:
    (reply,) = grade_all([body], isolation=isolation, limits=limits)
    return reply


# Each costs as much CPU time as it is given: some on every run.
SPINNING = {
    "as Python": "while True: pass",
    "whatever is raised": "while True:\n    try:\n        while True: pass\n    except BaseException: pass",
    "as C": "return float((10 ** (10 ** 9)) % 7)",
}
WAITING = [
    "import time\nwhile True:\n    try:\n        while True: time.sleep(0.01)\n    except BaseException: pass",
    "import time\ntime.sleep(100)",
    "import signal, time\nsignal.setitimer(signal.ITIMER_REAL, 0)\ntime.sleep(100)",
    "import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)",
]


@pytest.mark.parametrize("isolation", ["module", *more("row", "shared")])
def test_nothing_cancels_the_clock(isolation: Any) -> None:
    for body, reply in zip(
        WAITING, grade_all(WAITING, isolation=isolation, limits=QUICK), strict=True
    ):
        assert reply.error is not None, body
        said = (reply.error.kind, reply.error.message)
        assert said == ("timeout", "timed out after 0.4 s"), body


@pytest.mark.parametrize(
    ("spinning", "isolation"),
    [
        pytest.param(spinning, isolation, marks=marks)
        for spinning, chosen in zip(SPINNING, ("module", "row", "shared"), strict=True)
        for isolation in ("module", "row", "shared")
        for marks in [
            [pytest.mark.slow]
            if isolation != chosen
            else [pytest.mark.more]
            if spinning != "as C"
            else []
        ]
    ],
)
def test_nothing_outlasts_the_clock(spinning: str, isolation: Any) -> None:
    reply = grade(SPINNING[spinning], isolation=isolation, limits=QUICK)
    assert reply.error is not None
    assert (reply.error.kind, reply.error.message) == ("timeout", "timed out after 0.4 s")


@pytest.mark.parametrize("isolation", ["shared", *more("module", "row")])
def test_memory_is_bounded(isolation: Any) -> None:
    reply = grade("x = bytearray(1 << 40)", isolation=isolation)
    assert reply.error is not None
    assert reply.error.kind == "memory"
    assert reply.error.line == 5


def test_memory_that_earlier_rows_kept_is_not_held_against_a_row() -> None:
    # Zeros that nobody writes to take address space, and neither memory nor time.
    source = "KEEP = []\ndef grade(s, i):\n    KEEP.append(bytes(100 << 20))\n    return len(KEEP)"
    with PythonSandbox(isolation="shared", limits=ROOMY) as sandbox:
        replies = sandbox.perform(PythonCall(source, [{}] * 12, [{}] * 12))
    assert all(reply.error is None for reply in replies), replies


DEATHS = {
    "import os\nos._exit(3)": ("crash", "the call ended its process (exit code 3)"),
    "import os\nos.abort()": ("crash", "the call crashed the process (SIGABRT, aborted)"),
    "import ctypes\nctypes.string_at(0)": ("crash", "(SIGSEGV, segmentation fault)"),
    "import sys\nsys.exit()": ("runtime", "SystemExit"),
    "raise KeyboardInterrupt": ("runtime", "KeyboardInterrupt"),
    "import os\nfor n in range(3, 99):\n    try: os.close(n)\n    except OSError: pass": (
        "crash",
        "",
    ),
}


@pytest.mark.parametrize("isolation", ["row", *more("module", "shared")])
def test_a_death_is_blamed_on_its_row_alone(isolation: Any) -> None:
    replies = grade_all(list(DEATHS), isolation=isolation)
    for (body, (kind, message)), reply in zip(DEATHS.items(), replies, strict=True):
        assert reply.error is not None, body
        assert reply.error.kind == kind, body
        assert message in reply.error.message, body


def test_two_deaths_in_one_batch_are_both_found() -> None:
    source = (
        "import os\ndef grade(s, i):\n    if i in (3, 4, 9):\n        os._exit(i)\n    return i"
    )
    with PythonSandbox(isolation="module") as sandbox:
        replies = sandbox.perform(PythonCall(source, [{}] * 12, list(range(12))))
    assert [reply.score for reply in replies] == [
        None if row in (3, 4, 9) else float(row) for row in range(12)
    ]
    assert "exit code 9" in str(replies[9].error)


def test_the_total_of_many_files_is_bounded() -> None:
    body = """
        for n in range(20):
            with open(str(n), 'wb') as file:
                file.write(bytes(4 << 20))
        import time
        time.sleep(100)
    """
    limits = Limits(disk_bytes=8 << 20)
    reply = grade(body, isolation="row", limits=limits)
    assert reply.error is not None
    if probe().filesystem:
        message = "the call was killed: it wrote more than 8 MiB to disk"
        assert (reply.error.kind, reply.error.message) == ("crash", message)
    else:
        assert reply.error.kind == "runtime"
        assert reply.error.message.startswith("OSError: [Errno 28] ")


def test_a_hang_while_loading_fails_every_row_once() -> None:
    with PythonSandbox(limits=Limits(load_seconds=0.5, grace_seconds=0.5)) as sandbox:
        replies = sandbox.perform(PythonCall("while True: pass", [{}] * 50, [{}] * 50))
    assert {reply.error and reply.error.kind for reply in replies} == {"timeout"}
    assert "loading the source timed out after 0.5 s" in str(replies[0].error)
    assert sandbox.stats.workers_started <= 2


def test_limits_are_checked() -> None:
    with pytest.raises(OptionError, match="call_seconds must be a number above 0"):
        Limits(call_seconds=0)
    with pytest.raises(OptionError, match="memory_bytes"):
        Limits(memory_bytes=True)
    with pytest.raises(OptionError, match="isolation"):
        PythonSandbox(isolation="none")  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="workers"):
        PythonSandbox(workers=0)

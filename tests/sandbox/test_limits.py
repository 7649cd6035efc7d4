"""Time, memory, disk and size limits; the guilty row fails, the others keep their scores."""

from __future__ import annotations

import textwrap
from dataclasses import replace
from typing import Any

import pytest

from graders.calls import PythonCall
from graders.errors import OptionError
from graders.sandbox import Limits, PythonSandbox, probe

ROOMY = Limits(memory_bytes=600 << 20)
QUICK = replace(ROOMY, call_seconds=0.4, grace_seconds=0.4)


def grade(
    body: Any, *, isolation: Any = "auto", limits: Any = ROOMY, rows: Any = 5, evil: Any = 2
) -> Any:
    source = (
        "def grade(sample, item):\n    if item == EVIL:\n"
        + textwrap.indent(textwrap.dedent(body), "        ")
        + "\n    return item / 2\nEVIL = "
        + str(evil)
    )
    with PythonSandbox(isolation=isolation, limits=limits) as sandbox:
        replies = sandbox.perform(PythonCall(source, [{}] * rows, list(range(rows))))
    others = [reply.score for row, reply in enumerate(replies) if row != evil]
    assert others == [row / 2 for row in range(rows) if row != evil]
    return replies[evil]


@pytest.mark.parametrize("isolation", ["module", "row", "shared"])
@pytest.mark.parametrize(
    "body",
    [
        "while True: pass",
        "while True:\n    try:\n        while True: pass\n    except BaseException: pass",
        "return float((10 ** (10 ** 9)) % 7)",
        "import time\ntime.sleep(100)",
        "import signal, time\nsignal.setitimer(signal.ITIMER_REAL, 0)\ntime.sleep(100)",
        "import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)",
    ],
)
def test_nothing_cancels_the_clock(isolation: Any, body: Any) -> None:
    reply = grade(body, isolation=isolation, limits=QUICK)
    assert reply.error is not None
    assert (reply.error.kind, reply.error.message) == ("timeout", "timed out after 0.4 s")


@pytest.mark.parametrize("isolation", ["module", "row", "shared"])
def test_memory_is_bounded(isolation: Any) -> None:
    reply = grade("x = bytearray(1 << 40)", isolation=isolation)
    assert reply.error is not None
    assert reply.error.kind == "memory"
    assert reply.error.line == 3


def test_memory_that_earlier_rows_kept_is_not_held_against_a_row() -> None:
    # Zeros that nobody writes to take address space, and neither memory nor time.
    source = "KEEP = []\ndef grade(s, i):\n    KEEP.append(bytes(100 << 20))\n    return len(KEEP)"
    with PythonSandbox(isolation="shared", limits=ROOMY) as sandbox:
        replies = sandbox.perform(PythonCall(source, [{}] * 12, [{}] * 12))
    assert all(reply.error is None for reply in replies), replies


@pytest.mark.parametrize("isolation", ["module", "row", "shared"])
@pytest.mark.parametrize(
    ("body", "kind", "message"),
    [
        ("import os\nos._exit(3)", "crash", "the call ended its process (exit code 3)"),
        ("import os\nos.abort()", "crash", "the call crashed the process (SIGABRT, aborted)"),
        ("import ctypes\nctypes.string_at(0)", "crash", "(SIGSEGV, segmentation fault)"),
        ("import sys\nsys.exit()", "runtime", "SystemExit"),
        ("raise KeyboardInterrupt", "runtime", "KeyboardInterrupt"),
        (
            "import os\nos.write(5, b'x'*9000) if 0 else [os.close(n) for n in range(3, 99)]",
            "crash",
            "",
        ),
    ],
)
def test_a_death_is_blamed_on_its_row_alone(
    isolation: Any, body: Any, kind: Any, message: Any
) -> None:
    if "os.close" in body:
        body = "import os\nfor n in range(3, 99):\n    try: os.close(n)\n    except OSError: pass"
    reply = grade(body, isolation=isolation)
    assert reply.error is not None
    assert reply.error.kind == kind
    assert message in reply.error.message


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

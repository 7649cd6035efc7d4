"""A call's time is bounded whatever its process writes, and nothing of it goes on afterwards."""

from __future__ import annotations

import textwrap
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from graders.calls import PythonCall, PythonReply
from graders.sandbox import LEVELS, Limits, PythonSandbox, probe
from tests.attacking import TOOLS
from tests.waiting import PATIENCE, until


def more(*isolations: str) -> list[Any]:
    """Return levels of isolation that `make test-more` tries."""
    return [pytest.param(one, marks=pytest.mark.more) for one in isolations]


QUICK = Limits(call_seconds=0.5, grace_seconds=0.5, load_seconds=2.0)
AMPLE = Limits(call_seconds=60.0)

# Each attack gives up after a minute: then its row is no timeout, and the test fails.
DRIPS = f"{TOOLS}END = time.monotonic() + 60\n"
CALLS = {
    "a frame byte by byte": "drip(struct.pack('<I', 1 << 20), b' ', 0.05)",
    "a head byte by byte": "drip(b'\\\\xff', b'', 0.05)",
    "a frame as fast as the pipe goes": "drip(struct.pack('<I', 2 << 20), b' ' * 1000, 0.004)",
    "half a frame and silence": "drip(struct.pack('<I', 100) + b'[[1.0, 0.1', b'', 0.05)",
    "output without end": "deaf()\nprint('x' * (1 << 20))\nwhile time.monotonic() < END:\n    print('x' * 10_000)\n    time.sleep(0.002)\nos._exit(3)",
    "closed pipes": "deaf()\nos.close(reply())\ntime.sleep(60)\nos._exit(3)",
}


def outcomes(replies: list[PythonReply]) -> list[Any]:
    return [reply.score if reply.error is None else reply.error.kind for reply in replies]


@pytest.mark.parametrize("isolation", ["row", *more("module", "shared")])
def test_a_call_is_bounded_whatever_it_writes(isolation: Any) -> None:
    source = f"{DRIPS}\ndef grade(sample, item):\n"
    for attack, body in CALLS.items():
        source += f"    if item == {attack!r}:\n"
        source += textwrap.indent(body.replace("\\\\", "\\"), "        ") + "\n"
    items = [one for attack in CALLS for one in ("", attack)] + [""]
    with PythonSandbox(isolation=isolation, limits=QUICK) as sandbox:
        replies = sandbox.perform(PythonCall(f"{source}    return 0.5", [{}] * len(items), items))
    expected = {"": 0.5, "closed pipes": "crash"}
    found = dict(enumerate(zip(items, outcomes(replies), strict=True)))
    assert found == {
        place: (item, expected.get(item, "timeout")) for place, item in enumerate(items)
    }


@pytest.mark.parametrize(
    ("attack", "isolation"),
    [
        ("a frame byte by byte", "module"), ("a frame as fast as the pipe goes", "row"),
        pytest.param("a frame byte by byte", "row", marks=pytest.mark.more),
        pytest.param("a frame as fast as the pipe goes", "module", marks=pytest.mark.more),
    ],
)  # fmt: skip
def test_loading_is_bounded_whatever_it_writes(attack: str, isolation: Any) -> None:
    source = f"{DRIPS}\n{CALLS[attack]}\ndef grade(sample, item): return 1.0"
    with PythonSandbox(isolation=isolation, limits=QUICK) as sandbox:
        replies = sandbox.perform(PythonCall(source, [{}] * 2, [0, 1]))
    assert outcomes(replies) == ["timeout", "timeout"]


def test_replies_for_other_rows_win_no_more_time_than_those_rows_have() -> None:
    forge = """
        import json
        deaf()
        frame = json.dumps([[0.5, 0.1, None, "", ""]]).encode()
        while time.monotonic() < END:
            os.write(reply(), struct.pack("<I", len(frame)) + frame)
            time.sleep(0.3)
        os._exit(3)
    """
    body = textwrap.indent(textwrap.dedent(forge), "        ")
    source = f"{DRIPS}\ndef grade(sample, item):\n    if item:\n{body}\n    return 0.5"
    with PythonSandbox(isolation="row", limits=QUICK) as sandbox:
        replies = sandbox.perform(PythonCall(source, [{}] * 3, [0, 1, 0]))
    # Its own reply is a lie of its own; the process ends with it.
    assert outcomes(replies) == [0.5, 0.5, 0.5]
    assert sandbox.stats.calls == 3


LINGER = """
import threading, time
def burn():
    while True:
        time.sleep(0.001)
def grade(sample, item):
    before = threading.active_count()
    if item:
        threading.Thread(target=burn, daemon=True).start()
    return float(before)
"""


@pytest.mark.parametrize("isolation", ["module", *more("shared")])
def test_no_row_runs_beside_a_thread_of_an_earlier_row(isolation: Any) -> None:
    with PythonSandbox(isolation=isolation) as sandbox:
        replies = sandbox.perform(PythonCall(LINGER, [{}] * 8, [0, 0, 1, 0, 0, 1, 1, 0]))
        assert outcomes(replies) == [1.0] * 8
        again = sandbox.perform(PythonCall(LINGER, [{}] * 4, [1, 1, 0, 0]))
        assert outcomes(again) == [1.0] * 4


def test_a_source_that_leaves_a_thread_gets_a_process_a_row() -> None:
    with PythonSandbox(isolation="module") as sandbox:
        sandbox.perform(PythonCall(LINGER, [{}] * 3, [0, 1, 0]))
        (known,) = sandbox._sources.values()
        assert known.isolation == "row"
        assert [worker.isolation for worker in known.idle] == ["row"]


def runners(mark: str) -> list[Path]:
    """Return the processes at work in a folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if mark in str((path / "cwd").readlink()):
                found.append(path)
        except OSError:
            continue
    return found


def state(process: Path) -> str:
    try:
        return (process / "stat").read_text().rpartition(")")[2].split()[0]
    except OSError:  # it has just ended
        return "X"


def threads(process: Path) -> int:
    try:
        return (process / "task").stat().st_nlink - 2
    except OSError:
        return 0


BURN = """
import threading
from concurrent.futures import ThreadPoolExecutor
def burn():
    n = 0
    while True:
        n += 1
def grade(sample, item):
    threading.Thread(target=burn, daemon=True).start()
    return 0.5
"""


@pytest.mark.parametrize(
    ("isolation", "keep"),
    [
        pytest.param(isolation, keep, marks=[] if often else [pytest.mark.more])
        for isolation, kept in (("module", False), ("row", True), ("shared", True))
        for keep in (False, True)
        for often in [keep == kept]
    ],
)
def test_after_a_call_nothing_of_it_runs(isolation: Any, keep: bool) -> None:
    with PythonSandbox(isolation=isolation, keep=keep) as sandbox:
        assert outcomes(sandbox.perform(PythonCall(BURN, [{}], [{}]))) == [0.5]
        assert sandbox._scratch is not None
        mark = str(sandbox._scratch.path)
        # Of one that is held, its threads are held too.
        until(lambda: not any(threads(one) > 1 and state(one) not in "TX" for one in runners(mark)))


STASH = """
import collections
def grade(sample, item):
    seen = collections.__dict__.setdefault("stash", [])
    seen.append(item)
    return len(seen)
"""


@pytest.mark.parametrize("isolation", more("auto", "module", "row", "shared"))
def test_nothing_of_a_call_is_there_for_the_next(isolation: Any) -> None:
    available = [one for one in LEVELS if one in probe().available]
    for level in available if isolation == "auto" else available[:1]:
        with PythonSandbox(isolation=isolation, level=level) as sandbox:
            for _ in range(2):
                assert outcomes(sandbox.perform(PythonCall(STASH, [{}], [{}]))) == [1.0], level


def test_a_kept_process_is_held_between_calls_and_goes_on_with_the_next() -> None:
    source = "SEEN = []\ndef grade(sample, item):\n    SEEN.append(1)\n    return len(SEEN)"
    with PythonSandbox(isolation="shared", keep=True) as sandbox:
        for call in range(1, 4):
            assert outcomes(sandbox.perform(PythonCall(source, [{}], [{}]))) == [float(call)]
            assert sandbox._scratch is not None
            mark = str(sandbox._scratch.path)
            until(lambda mark=mark: "T" in [state(one) for one in runners(mark)])  # type: ignore[misc]


def test_a_process_that_is_kept_takes_nothing_over_from_a_stopped_call() -> None:
    stop = threading.Event()
    source = (
        "import time\nSEEN = []\ndef grade(sample, item):\n    SEEN.append(1)\n"
        "    while item:\n        open('called', 'w').close()\n        time.sleep(0.01)\n    return len(SEEN)"
    )
    with PythonSandbox(isolation="shared", keep=True, limits=AMPLE) as sandbox:

        def is_called() -> bool:
            scratch = sandbox._scratch
            found = runners(str(scratch.path)) if scratch is not None else []
            return any((one / "cwd" / "called").exists() for one in found)

        def stop_it() -> None:
            until(is_called)
            stop.set()

        with ThreadPoolExecutor(1) as thread:
            stopped = thread.submit(stop_it)
            (reply,) = sandbox.perform(PythonCall(source, [{}], [1]), stop=stop)
            stopped.result()
        assert reply.error is not None
        assert outcomes(sandbox.perform(PythonCall(source, [{}], [0]))) == [1.0]


def test_a_call_that_is_stopped_before_it_has_a_process_is_an_error_and_the_next_is_served() -> (
    None
):
    stop = threading.Event()
    stop.set()
    call = PythonCall("def grade(sample, item): return 0.5", [{}], [{}])
    with PythonSandbox(limits=AMPLE) as sandbox:
        (reply,) = sandbox.perform(call, stop=stop)
        assert reply.error is not None
        assert outcomes(sandbox.perform(call)) == [0.5]


IN_A_CALL = "def grade(sample, item):\n    while True: pass"
IN_LOADING = "while True: pass"
ASLEEP = "import time\ndef grade(sample, item):\n    time.sleep(600)"


@pytest.mark.parametrize(
    ("source", "isolation"),
    [
        (IN_LOADING, "row"), (ASLEEP, "row"),
        pytest.param(IN_A_CALL, "module", marks=pytest.mark.more),
        pytest.param(ASLEEP, "module", marks=pytest.mark.more),
        pytest.param(IN_A_CALL, "row", marks=pytest.mark.slow),
        pytest.param(IN_LOADING, "module", marks=pytest.mark.slow),
    ],
)  # fmt: skip
def test_a_call_nobody_waits_for_is_killed(source: str, isolation: Any) -> None:
    stop = threading.Event()
    with PythonSandbox(isolation=isolation, limits=Limits()) as sandbox:  # 120 seconds a call
        done: list[Any] = []
        call = PythonCall(source, [{}] * 3, [{}] * 3)
        thread = threading.Thread(
            target=lambda: done.extend(outcomes(sandbox.perform(call, stop=stop)))
        )
        thread.start()
        # The worker's first process, and one that has the source in hand.
        until(lambda: sandbox._scratch and len(runners(str(sandbox._scratch.path))) > 1)
        assert not done
        stop.set()
        thread.join(PATIENCE)
        assert done == ["worker_start"] * 3
        # Whoever comes next is served, by the same source too.
        other = PythonCall("def grade(sample, item): return 0.5", [{}], [{}])
        assert outcomes(sandbox.perform(other)) == [0.5]
    assert sandbox.perform(call)[0].error is not None


def test_whoever_waits_for_a_busy_worker_need_not_wait_on() -> None:
    first, second = threading.Event(), threading.Event()
    call = PythonCall(ASLEEP, [{}], [{}])
    with PythonSandbox(limits=Limits()) as sandbox:
        threads = [
            threading.Thread(target=sandbox.perform, args=(call,), kwargs={"stop": stop})
            for stop in (first, second)
        ]
        for thread in threads:
            thread.start()
            until(lambda: sandbox._scratch and runners(str(sandbox._scratch.path)))
        second.set()
        threads[1].join(PATIENCE)
        assert not threads[1].is_alive()
        assert threads[0].is_alive()
        first.set()
        threads[0].join(PATIENCE)
        assert not threads[0].is_alive()

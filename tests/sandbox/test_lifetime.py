"""Workers are warm, few, and gone when they should be."""

# 1200 folders deep, only chdir and mkdir still go.
# ruff: noqa: PTH102, PTH109, PTH123, PTH211

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from graders.calls import PythonCall
from graders.errors import UnavailableError
from graders.sandbox import LEVELS, PythonSandbox, level, probe, promises
from graders.sandbox.inside import scratch
from graders.sandbox.scratch import Scratch, sweep
from graders.sandbox.worker import _has_living, _wait_for_group
from tests.waiting import until

SOURCE = "def grade(sample, item):\n    return item"
SPIN = "def grade(sample, item):\n    while True: pass"


def test_a_worker_stays_warm_for_its_source(sandbox: PythonSandbox) -> None:
    for _ in range(5):
        assert sandbox.perform(PythonCall(SOURCE, [{}], [1]))[0].score == 1.0
    assert sandbox.stats.workers_started == 1
    assert sandbox.stats.calls == 5


def test_idle_workers_are_bounded() -> None:
    with PythonSandbox(idle=2) as sandbox:
        for number in range(5):
            sandbox.perform(PythonCall(f"{SOURCE} + {number}", [{}], [1]))
        assert sum(len(known.idle) for known in sandbox._sources.values()) == 2


def test_several_threads_may_perform_at_once() -> None:
    results = {}
    with PythonSandbox(workers=2) as sandbox:

        def work(number: Any) -> Any:
            items = list(range(number, number + 300))
            replies = sandbox.perform(PythonCall(SOURCE, [{}] * 300, items))
            results[number] = [reply.score for reply in replies] == [float(i) for i in items]

        threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sandbox.stats.workers_started <= 2
    assert results == dict.fromkeys(range(6), True)


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_fork_of_the_engine_starts_its_own_workers(sandbox: PythonSandbox) -> None:
    call = PythonCall(SOURCE, [{}] * 3, [1, 2, 3])
    assert [reply.score for reply in sandbox.perform(call)] == [1.0, 2.0, 3.0]
    child = os.fork()
    if child == 0:
        code = 1
        try:
            right = [reply.score for reply in sandbox.perform(call)] == [1.0, 2.0, 3.0]
            code = 0 if right and sandbox.stats.workers_started == 2 else 2
            sandbox.close()
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert [reply.score for reply in sandbox.perform(call)] == [1.0, 2.0, 3.0]
    assert sandbox.stats.workers_started == 1


def test_the_slowest_calls_are_kept_with_their_rows(sandbox: PythonSandbox) -> None:
    source = "import time\ndef grade(s, i):\n    time.sleep(0.05 if i == 13 else 0)\n    return 0"
    sandbox.perform(PythonCall(source, [{}] * 10, list(range(10))))
    sandbox.perform(PythonCall(source, [{}] * 10, list(range(10, 20))))
    seconds = [call.seconds for call in sandbox.slow_calls]
    assert seconds == sorted(seconds, reverse=True)
    assert len(seconds) == 10
    # A busy machine may hold up others, but not all of them.
    assert next(call.seconds for call in sandbox.slow_calls if call.row == 13) >= 0.05


def test_closing_twice_and_using_it_afterwards() -> None:
    sandbox = PythonSandbox()
    sandbox.perform(PythonCall(SOURCE, [{}], [1]))
    sandbox.close()
    sandbox.close()
    (reply,) = sandbox.perform(PythonCall(SOURCE, [{}], [1]))
    assert reply.error is not None
    assert reply.error.kind == "worker_start"


def test_an_interpreter_that_is_not_there_is_our_sides_error(tmp_path: Any) -> None:
    with PythonSandbox(interpreters={"x": tmp_path / "python"}) as sandbox:
        (reply,) = sandbox.perform(PythonCall(SOURCE, [{}], [1], image_tag="x"))
        assert reply.error is not None
        assert reply.error.kind == "worker_start"
        assert sandbox.perform(PythonCall(SOURCE, [{}], [1]))[0].score == 1.0


def test_an_image_tag_selects_its_interpreter() -> None:
    source = "import sys\ndef grade(s, i):\n    return sys.prefix == sys.base_prefix"
    named = f"python{sys.version_info.major}.{sys.version_info.minor}"  # Not all have a `python3`.
    base = Path(sys.base_prefix) / "bin" / named
    with PythonSandbox(interpreters={"bare": base}) as sandbox:
        assert sandbox.perform(PythonCall(source, [{}], [{}], image_tag="bare"))[0].score == 1.0


ENGINE = """
import sys, types
package = types.ModuleType("graders"); package.__path__ = [sys.argv[1]]
sys.modules["graders"] = package
from graders.calls import PythonCall
from graders.sandbox import PythonSandbox
sandbox = PythonSandbox(isolation=sys.argv[2])
sandbox.perform(PythonCall("def grade(s, i): return 1", [{}], [{}]))
print("ready", flush=True)
sandbox.perform(PythonCall("def grade(s, i):\\n    while True: pass", [{}], [{}]))
"""


def marked(mark: Any) -> Any:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if mark in path.read_bytes() and int(path.parent.name) != os.getpid():
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


@pytest.mark.parametrize("isolation", ["row", pytest.param("module", marks=pytest.mark.more)])
def test_a_killed_engine_leaves_no_worker_and_the_next_sandbox_sweeps(
    isolation: Any, tmp_path: Any
) -> None:
    package = Path(level.__file__).parent.parent
    # The marked copy of the package tells these workers from any others.
    mark = tmp_path / "marked"
    (mark / "graders").mkdir(parents=True)
    for name in ("calls.py", "errors.py", "option.py", "sandbox"):
        subprocess.run(["cp", "-r", str(package / name), str(mark / "graders" / name)], check=True)
    engine = subprocess.Popen(
        [sys.executable, "-c", ENGINE, str(mark / "graders"), isolation],
        stdout=subprocess.PIPE, env={**os.environ, "TMPDIR": str(tmp_path)},
    )  # fmt: skip
    assert engine.stdout is not None
    assert engine.stdout.readline() == b"ready\n"
    assert until(lambda: set(marked(str(mark).encode())) - {engine.pid})
    engine.send_signal(signal.SIGKILL)
    engine.wait()
    engine.stdout.close()
    until(lambda: not marked(str(mark).encode()))
    assert list(tmp_path.glob("gr-*"))
    sweep()
    assert not list(tmp_path.glob("gr-*"))


def test_a_folder_in_use_is_not_swept() -> None:
    used = Scratch()
    sweep()
    assert used.path.exists()
    used.close()
    assert not used.path.exists()


def test_a_tree_of_any_depth_and_mode_is_removed(tmp_path: Any) -> None:
    deep = tmp_path / "deep"
    deep.mkdir()
    here = os.getcwd()
    os.chdir(deep)
    try:
        for _ in range(1200):
            os.mkdir("d")
            os.chdir("d")
        open("file", "w").close()
    finally:
        os.chdir(here)
    (deep / "none").mkdir(mode=0)
    os.symlink("/usr", deep / "link")
    os.symlink("loop", deep / "loop")
    assert scratch.empty(str(deep))
    assert list(deep.iterdir()) == []


def test_every_level_says_what_it_gives_and_what_not() -> None:
    for name in LEVELS:
        assert promises(name).gives
        assert promises(name).lacks


def test_the_levels_of_this_machine_work() -> None:
    for name in probe().available:
        with PythonSandbox(level=name) as sandbox:
            assert sandbox.level == name
            replies = sandbox.perform(PythonCall(SOURCE, [{}] * 3, [1, 2, 3]))
            assert [reply.score for reply in replies] == [1.0, 2.0, 3.0], (name, replies)


def test_a_bubblewrap_that_does_not_end_is_none(tmp_path: Path, monkeypatch: Any) -> None:
    hangs = tmp_path / "bwrap"
    hangs.write_text("#!/bin/sh\nexec sleep 1000\n")
    hangs.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr(level, "_TRY_SECONDS", 0.2)
    assert level._bubblewrap() is None


def test_no_lower_level_is_taken_in_silence(monkeypatch: Any) -> None:
    poor = level.MachineReport(
        "Linux 4.4 x86_64", 0, True, "", None, ("seccomp-only", "limits", "basic"), None, ()
    )
    monkeypatch.setattr(level, "probe", lambda: poor)
    monkeypatch.setattr(level, "_gives_standard", lambda: False)
    with pytest.raises(UnavailableError, match="'seccomp-only' by name: FILES ARE NOT PROTECTED"):
        PythonSandbox()
    with pytest.raises(UnavailableError, match=r"'standard' needs Linux 5\.13"):
        PythonSandbox(level="standard")
    assert level.require("limits") == "limits"


def test_a_worker_that_cannot_be_locked_refuses_to_run(monkeypatch: Any) -> None:
    monkeypatch.setattr("graders.sandbox.ground.DEVICES", ("/dev/null",))
    with PythonSandbox(level="basic") as sandbox:
        sandbox.level = "standard"
        sandbox._readable = ()
        original = sandbox._settings

        def broken(known: Any, number: Any) -> Any:
            import dataclasses

            return dataclasses.replace(original(known, number), cpus=(9999,))

        monkeypatch.setattr(sandbox, "_settings", broken)
        (reply,) = sandbox.perform(PythonCall(SOURCE, [{}], [1]))
    assert reply.error is not None
    assert reply.error.kind == "sandbox_unavailable"


def test_the_temporary_folder_of_the_test_is_used() -> None:
    assert "pytest" in tempfile.gettempdir() or tempfile.tempdir


def test_a_group_lives_where_proc_shows_none_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """As it is with hidepid, or where /proc is that of another namespace."""
    assert _has_living(os.getpgrp())
    monkeypatch.setattr("graders.sandbox.worker.os.listdir", lambda _: ["1", "self"])
    assert _has_living(os.getpgrp())


def test_a_group_lives_where_there_is_no_proc(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(_: str) -> list[str]:
        raise FileNotFoundError

    monkeypatch.setattr("graders.sandbox.worker.os.listdir", absent)
    assert _has_living(os.getpgrp())


@pytest.mark.parametrize("name", ["true", "a b", "x) S 1 1 (", ") R"])
def test_a_group_of_zombies_does_not_live(tmp_path: Path, name: str) -> None:
    """Whatever its processes were called: a name stands within brackets and may hold some."""
    named = tmp_path / name
    named.symlink_to(shutil.which("true") or "/bin/true")
    with subprocess.Popen(["true"], executable=named, start_new_session=True) as ended:
        os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)
        assert f"({name})" in Path(f"/proc/{ended.pid}/stat").read_text()
        assert not _has_living(ended.pid)


class Clock:
    """A time that stands still; whoever sleeps lets something happen."""

    def __init__(self, happens: Callable[[], None]) -> None:
        self.happens = happens
        self.slept = 0

    def monotonic(self) -> float:
        return 0.0

    def sleep(self, _: float) -> None:
        self.slept += 1
        self.happens()


def test_closing_waits_as_long_as_one_of_the_group_lives_and_no_longer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """After it nothing of a grader runs, and a zombie that init has yet to reap costs no second."""
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, start_new_session=True) as living:

        def end() -> None:
            living.kill()
            os.waitid(os.P_PID, living.pid, os.WEXITED | os.WNOWAIT)

        clock = Clock(end)
        monkeypatch.setattr("graders.sandbox.worker.time", clock)
        _wait_for_group(living.pid)
        assert clock.slept == 1
        _wait_for_group(living.pid)  # It is a zombie as long as nobody has asked for its exit code.
        assert clock.slept == 1

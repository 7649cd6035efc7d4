"""One worker process as the engine sees it: start it, prepare it, fork runners, bury them, kill.

Does: gives the worker an empty environment, no descriptors but one socket, and a session of its
own; everything it says has a deadline. Does not: interpret rows or replies (see `driver`).
"""

from __future__ import annotations

import array
import contextlib
import fcntl
import json
import os
import select
import signal
import socket
import struct
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from graders.sandbox.boot import command, environment
from graders.sandbox.limits import Level, Limits
from graders.sandbox.machine import named
from graders.sandbox.scratch import Scratch

__all__ = [
    "TURN_SECONDS",
    "RunnerProcess",
    "StartError",
    "WorkerLostError",
    "WorkerProcess",
    "WorkerSettings",
]

TURN_SECONDS: Final = 0.25
"""Whoever waits looks so often whether anybody still wants what it waits for."""

_HEAD: Final = struct.Struct("<cI")
_END: Final = struct.Struct("<IiI")
_START_SECONDS: Final = 60.0


class StartError(Exception):
    """A worker could not be started or locked down.

    `kind` is `worker_start`, or `sandbox_unavailable` when a part of the lock failed.
    """

    def __init__(self, kind: str, message: str) -> None:
        self.kind = kind
        super().__init__(message)


class WorkerLostError(Exception):
    """The worker's first process is gone or does not answer."""


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """How to start a worker: the same for every worker of a sandbox, but for the source."""

    python: str
    source: str
    level: Level
    limits: Limits
    readable: tuple[str, ...]
    devices: tuple[str, ...]
    packages: tuple[str, ...]
    nltk_data: str
    tasks: int
    cpus: tuple[int, ...]
    wrapper: str | None


class RunnerProcess:
    """A child of the worker and our ends of its two pipes."""

    def __init__(self, number: int, data: int, reply: int) -> None:
        self.number = number
        self.data = data
        self.reply = reply

    def close(self) -> None:
        """Close our ends."""
        for descriptor in (self.data, self.reply):
            if descriptor >= 0:
                os.close(descriptor)
        self.data = self.reply = -1


class WorkerProcess:
    """A keeper process that is started, locked down and has the source."""

    def __init__(
        self, settings: WorkerSettings, scratch: Scratch, stop: threading.Event | None = None
    ) -> None:
        self.settings = settings
        self._folder = scratch.folder()
        self._count = 0
        self._ended: dict[int, tuple[int, int]] = {}
        self._closed = False
        self.used = 0.0
        self.isolation = ""
        """What the source was last prepared for."""
        self.stop = stop
        """Set when whoever this works for has gone; each batch brings its own."""
        self.kept: Any = None
        """A runner that waits for the next batch; the driver's business but for its pipes."""
        ours, theirs = socket.socketpair()
        self._socket = ours
        try:
            self._process = self._spawn(theirs)
        except OSError as error:
            ours.close()
            Scratch.remove(self._folder)
            raise StartError(
                "worker_start", f"the sandbox could not be started: {named(str(error))}"
            ) from None
        finally:
            theirs.close()
        try:
            self._hello()
        except BaseException:
            self.close()
            raise

    def _spawn(self, theirs: socket.socket) -> subprocess.Popen[bytes]:
        settings = self.settings
        order = [
            *command(settings.python), "keeper", str(theirs.fileno()),
            "0" if settings.wrapper else str(os.getpid()),
        ]  # fmt: skip
        if settings.wrapper:
            order = [*_wrapped(settings.wrapper, self._folder, settings.limits), *order]
        return subprocess.Popen(
            order,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            pass_fds=(theirs.fileno(),), start_new_session=True, cwd="/",
            env=environment(self._folder, settings.nltk_data),
        )  # fmt: skip

    def _hello(self) -> None:
        limits = self.settings.limits
        order = {
            "level": self.settings.level,
            "namespaces": self.settings.level == "strong" and not self.settings.wrapper,
            "scratch": self._folder,
            "readable": self.settings.readable,
            "devices": self.settings.devices,
            "packages": self.settings.packages,
            "cpus": self.settings.cpus,
            "limits": {
                "memory": limits.memory_bytes,
                "disk": limits.disk_bytes,
                "files": limits.disk_files,
                "tasks": self.settings.tasks,
            },
            "source": self.settings.source,
            "isolation": "module",
            "call_seconds": limits.call_seconds,
            "load_seconds": limits.load_seconds,
            "output_bytes": limits.output_bytes,
        }
        try:
            self._say(b"S", json.dumps(order).encode())
            what, payload = self._hear(time.monotonic() + _START_SECONDS)
        except WorkerLostError as error:
            said = self._last_words()
            raise StartError(
                "worker_start", f"the sandbox did not start: {named(said or str(error))}"
            ) from None
        if what != b"r":
            reason = payload.decode(errors="replace")[:500]
            raise StartError(
                "sandbox_unavailable", f"the sandbox could not be confined: {named(reason)}"
            )

    def _last_words(self) -> str:
        assert self._process.stderr is not None  # noqa: S101
        descriptor = self._process.stderr.fileno()
        if not select.select([descriptor], [], [], 0.5)[0]:
            return ""
        lines = os.read(descriptor, 4000).decode(errors="replace").strip().splitlines()
        return lines[-1][:300] if lines else ""

    # -- the control socket ----------------------------------------------------------------

    def _say(self, what: bytes, payload: bytes, descriptors: tuple[int, ...] = ()) -> None:
        data = _HEAD.pack(what, len(payload)) + payload
        try:
            self._socket.settimeout(_START_SECONDS)
            if descriptors:
                rights = array.array("i", descriptors)
                sent = self._socket.sendmsg(
                    [data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)]
                )
                data = data[sent:]
            self._socket.sendall(data)
        except OSError as error:
            raise WorkerLostError(f"it went away ({error})") from None

    def _read(self, size: int, deadline: float) -> bytes:
        parts = b""
        while len(parts) < size:
            left = deadline - time.monotonic()
            if left <= 0:
                raise WorkerLostError("it does not answer")
            self._socket.settimeout(min(left, TURN_SECONDS))
            try:
                part = self._socket.recv(size - len(parts))
            except TimeoutError:
                self.still_wanted()
                continue
            except OSError as error:
                raise WorkerLostError(f"it went away ({error})") from None
            if not part:
                raise WorkerLostError("it ended")
            parts += part
        return parts

    def _hear(self, deadline: float) -> tuple[bytes, bytes]:
        what, length = _HEAD.unpack(self._read(_HEAD.size, deadline))
        if length > 1 << 20:
            raise WorkerLostError("it talks nonsense")
        payload = self._read(length, deadline)
        if what == b"x":
            number, status, flags = _END.unpack(payload)
            self._ended[number] = (status, flags)
        return what, payload

    def still_wanted(self) -> None:
        """Raise WorkerLostError once nobody waits for what this worker does."""
        if self.stop is not None and self.stop.is_set():
            raise WorkerLostError("nobody waits for it any more")

    # -- what a driver asks for --------------------------------------------------------------

    def prepare(self, isolation: str, imports: list[str], *, harmless: bool) -> None:
        """Compile the source and import what it imports; may take `load_seconds`.

        Args:
            isolation: what its rows share.
            imports: what it imports.
            harmless: whether the scan found nothing in it that could go on after a call.
        """
        order: dict[str, Any] = {
            "isolation": isolation, "imports": imports, "harmless": harmless,
        }  # fmt: skip
        self.isolation = isolation
        self._say(b"P", json.dumps(order).encode())
        deadline = time.monotonic() + self.settings.limits.load_seconds
        while self._hear(deadline)[0] != b"p":
            pass

    def fork(self, kind: bytes) -> RunnerProcess:
        """Have a runner forked (c check, s scan, r run) and return our ends of its pipes."""
        self._count += 1
        theirs_data, ours_data = os.pipe()
        ours_reply, theirs_reply = os.pipe()
        runner = RunnerProcess(self._count, ours_data, ours_reply)
        try:
            payload = kind + struct.pack("<I", self._count)
            self._say(b"F", payload, (theirs_data, theirs_reply))
        except BaseException:
            runner.close()
            raise
        finally:
            os.close(theirs_data)
            os.close(theirs_reply)
        for descriptor in (ours_data, ours_reply):
            os.set_blocking(descriptor, False)
        if hasattr(fcntl, "F_SETPIPE_SZ") and kind == b"r":
            # Fewer wake-ups for big rows; refused past the user's quota, which is no harm.
            with contextlib.suppress(OSError):
                fcntl.fcntl(ours_data, fcntl.F_SETPIPE_SZ, 1 << 18)
        return runner

    def discard(self, runner: RunnerProcess) -> None:
        """Have a runner killed and buried, without waiting for it."""
        runner.close()
        self._say(b"K", struct.pack("<I", runner.number) + b"k")
        while select.select([self._socket], [], [], 0)[0]:
            self._hear(time.monotonic() + 5.0)
        self._ended.clear()

    def hold(self, runner: RunnerProcess, *, held: bool) -> None:
        """Have a runner stopped as long as it has nothing to do, or go on."""
        self._say(b"H", struct.pack("<I", runner.number) + (b"h" if held else b"g"))

    def bury(self, runner: RunnerProcess, *, patient: bool) -> tuple[int, int]:
        """Have a runner killed; return its exit status and what it had too much of, 0 for nothing.

        With `patient`, its pipe has ended and it gets a moment to die of what it dies of.
        """
        runner.close()
        if runner.number not in self._ended:
            self._say(b"K", struct.pack("<I", runner.number) + (b"w" if patient else b"k"))
            deadline = time.monotonic() + 20.0
            while runner.number not in self._ended:
                self._hear(deadline)
        return self._ended.pop(runner.number)

    @property
    def closed(self) -> bool:
        """Whether `close` was called, or the first process has ended."""
        return self._closed or self._process.poll() is not None

    def close(self) -> None:
        """Kill the whole process group and remove its scratch. Never raises, may come twice."""
        if self._closed:
            return
        self._closed = True
        if self.kept is not None:
            self.kept.runner.close()
            self.kept = None
        self._socket.close()
        # The keeper ends with its socket, and buries its runners first (nobody else might).
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(1.0)
        # The group is complete: no worker process can leave it (setsid and setpgid are refused).
        with contextlib.suppress(OSError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.kill()
        self._process.wait()
        if self._process.stderr is not None:
            self._process.stderr.close()
        _wait_for_group(self._process.pid)
        Scratch.remove(self._folder)


def _wait_for_group(group: int) -> None:
    """Wait until all of a killed group have ended; init reaps them when it comes to it."""
    until = time.monotonic() + 1.0
    while time.monotonic() < until:
        try:
            os.killpg(group, 0)
        except OSError:
            return
        if not _has_living(group):
            return
        time.sleep(0.001)


def _has_living(group: int) -> bool:
    """Whether a process of a group is no zombie; True where /proc does not show the group."""
    try:
        numbers = [name for name in os.listdir("/proc") if name.isdigit()]  # noqa: PTH208
    except OSError:
        return True
    seen = False
    for number in numbers:
        with contextlib.suppress(OSError, ValueError, IndexError):
            # After the name, which may hold anything: state, parent, group.
            said = Path(f"/proc/{number}/stat").read_bytes().rpartition(b")")[2].split()
            if int(said[2]) == group:
                seen = True
                if said[0] not in (b"Z", b"X"):
                    return True
    return not seen


def _wrapped(bwrap: str, scratch: str, limits: Limits) -> list[str]:
    """Return the bubblewrap command for `strong` where we may not make namespaces ourselves.

    Without --die-with-parent: the kernel would take the end of the starting *thread* for it. The
    keeper ends with its socket.
    """
    return [
        bwrap, "--unshare-all", "--ro-bind", "/", "/",
        "--dev-bind", "/dev", "/dev", "--size", str(limits.disk_bytes), "--tmpfs", scratch, "--",
    ]  # fmt: skip

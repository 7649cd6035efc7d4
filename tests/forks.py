"""A warm `graders`: one process that has loaded everything, and forks for each that tests start.

The start of a server takes a second of CPU time, nearly all of it to import what the one before had
imported. So `start` asks a process of this test run for a fork that is that command: with its words,
folder, environment and open files, its own exit code, and nothing else that the run has. What is
about the interpreter's own start (PYTHON... in the environment, flags) wants a process of its own.
"""

from __future__ import annotations

import array
import atexit
import contextlib
import functools
import gc
import importlib
import json
import os
import runpy
import selectors
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

__all__ = ["Fork", "start"]

_ROOT = Path(__file__).parents[1]
_IMPORTED = (
    "numpy.ma", "numpy.random", "numpy.typing", "rapidfuzz", "httpx2", "uvicorn.lifespan.on",
    "uvicorn.loops.asyncio", "uvicorn.protocols.http.h11_impl", "python_multipart.multipart",
    "graders.metrics.band", "graders.metrics.fuzzy", "graders.metrics.rouge", "graders.metrics.translation",
    "graders.cli.job", "graders.cli.new", "graders.cli.run", "graders.cli.score", "graders.cli.serve",
    "graders.cli.test", "graders.cli.validate", "graders.server.app", "graders.server.run",
)  # fmt: skip


class Fork:
    """A command that was started: what tests use of `subprocess.Popen`, of the same meaning."""

    def __init__(self, pid: int, code: int, words: Sequence[str]) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._code = code
        self._words = words
        self.stderr: Any = None

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit code once there is one; a negative number is a signal's.

        Raises:
            subprocess.TimeoutExpired: there was none in so many seconds.
        """
        if self.returncode is None:
            with selectors.DefaultSelector() as selector:
                selector.register(self._code, selectors.EVENT_READ)
                if not selector.select(timeout):
                    raise subprocess.TimeoutExpired(list(self._words), timeout or 0.0)
            self.returncode = struct.unpack("i", os.read(self._code, 4))[0]
            os.close(self._code)
        return self.returncode

    def poll(self) -> int | None:
        """Return the exit code, or None where the command still runs."""
        try:
            return self.wait(0.0)
        except subprocess.TimeoutExpired:
            return None

    def send_signal(self, number: int) -> None:
        """Send a signal, unless the command has ended."""
        if self.poll() is None:
            # Who forks it buries it too, perhaps before its exit code was read here.
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill the command."""
        self.send_signal(signal.SIGKILL)


def start(words: Sequence[str], environment: Mapping[str, str]) -> Fork:
    """Start `python -m graders WORDS` in this folder; what it says on standard error can be read."""
    reader, writer = os.pipe()
    code, told = os.pipe()
    with Path(os.devnull).open("r+b") as nothing:
        files = [nothing.fileno(), nothing.fileno(), writer, told]
        asked = {"words": list(words), "folder": str(Path.cwd()), "environment": dict(environment)}
        pid = _ask(json.dumps(asked).encode(), files)
    os.close(writer)
    os.close(told)
    fork = Fork(pid, code, words)
    fork.stderr = os.fdopen(reader, encoding="utf-8", errors="replace")
    return fork


def _ask(request: bytes, files: list[int]) -> int:
    channel, _ = _mother()
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", files))]
    channel.sendmsg([struct.pack("I", len(request))], rights)
    channel.sendall(request)
    return int(struct.unpack("I", _exactly(channel, 4))[0])


@functools.cache
def _mother() -> tuple[socket.socket, subprocess.Popen[bytes]]:
    """Start the process that forks; it ends with this one, whose end of the socket is gone then."""
    ours, theirs = socket.socketpair()
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.forks", str(theirs.fileno())], cwd=_ROOT,
            pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
        )  # fmt: skip
    atexit.register(ours.close)  # Last: what is left open warns.
    atexit.register(process.wait)
    atexit.register(process.kill)
    return ours, process


def _exactly(channel: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size:
        more = channel.recv(size - len(found))
        if not more:
            raise EOFError
        found += more
    return found


# --- The process that forks. ------------------------------------------------------------------------


def _serve(channel: socket.socket) -> None:
    """Fork for each request until the tests are gone; return in each fork, which is the command."""
    woken, waker = os.pipe()
    os.set_blocking(waker, False)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # It is for the commands, which are of this group.
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
    codes: dict[int, int] = {}
    with selectors.DefaultSelector() as selector:
        selector.register(woken, selectors.EVENT_READ)
        selector.register(channel, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fileobj == woken:
                    os.read(woken, 512)
                    _tell(codes)
                    continue
                head, rights, _, _ = channel.recvmsg(4, socket.CMSG_SPACE(16))
                if not head:
                    os._exit(0)
                *files, told = array.array("i", rights[0][2])
                asked = json.loads(_exactly(channel, struct.unpack("I", head)[0]))
                pid = os.fork()
                if pid == 0:
                    for one in (woken, waker, told, channel.detach(), *codes.values()):
                        os.close(one)
                    _become(asked, files)
                    return
                codes[pid] = told
                for one in files:
                    os.close(one)
                channel.sendall(struct.pack("I", pid))


def _tell(codes: dict[int, int]) -> None:
    """Tell the exit code of each command that has ended."""
    for pid in list(codes):
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            told = codes.pop(pid)
            os.write(told, struct.pack("i", os.waitstatus_to_exitcode(status)))
            os.close(told)


def _become(asked: dict[str, Any], files: list[int]) -> None:
    """Be as a new process is."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    sys.stdin, sys.stdout, sys.stderr = (
        os.fdopen(number, mode, encoding="utf-8", buffering=1, closefd=False)
        for number, mode in enumerate("rww")
    )
    os.environ.clear()
    os.environ.update(asked["environment"])
    os.chdir(asked["folder"])
    sys.path[0] = asked["folder"]
    sys.argv = ["graders", *asked["words"]]


def _main() -> None:
    from graders import cli

    for name in _IMPORTED:
        importlib.import_module(name)
    cli._main(["validate", os.devnull])  # What is loaded when it is needed, here once for all.
    gc.freeze()  # Nor need each fork look through all of it.
    _serve(socket.socket(fileno=int(sys.argv[1])))
    runpy.run_module("graders", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    _main()

"""The worker's first process: locks itself down, then forks a runner whenever it is told to.

Does: keeps the interpreter and the grader's imports warm, gives each runner its own scratch,
kills and buries it on command, watches its disk use, and ends with the engine. Does not: run
user code, ever, or see a row: rows and replies go straight between the engine and a runner. So
nothing a grader or a sample does can change what the next runner starts from.

Engine to keeper, over a socket pair: <c command> <I length> payload, with two file descriptors
for a fork. Keeper to engine: the same form.
  S  JSON settings          -> r  JSON facts      start; before the lock
  P  JSON {imports, ...}    -> p  ""              compile and import
  F  kind byte + <I> id     (two descriptors)     fork a runner: c check, s scan, r run
  H  <I> id, h or g                               hold a runner (SIGSTOP), let it go on
  K  <I> id, wait byte      -> x  <I i I> id, exit status, flags   kill (after a moment) and bury
"""

from __future__ import annotations

import array
import gc
import importlib
import json
import os
import select
import signal
import socket
import struct
import sys
import time
from typing import Any

from . import lockdown, report, runner, scan, scratch, warm

__all__ = ["main"]

_HEAD = struct.Struct("<cI")
_ID = struct.Struct("<I")
_END = struct.Struct("<IiI")
_TICK = 0.25
_WARM_SECONDS = 2.0
_ODD = frozenset({"antigravity", "this", "test", "idlelib", "turtledemo", "__main__", "lib2to3"})


class _Child:
    def __init__(self, pid: int, folder: str) -> None:
        self.pid = pid
        self.folder = folder
        self.too_much = 0


class _Keeper:
    def __init__(self, control: int, parent: int) -> None:
        self.socket = socket.socket(fileno=control)
        self.parent = parent
        self.children: dict[int, _Child] = {}
        self.folders = 0
        self.spare: list[str] = []
        self.slots = False
        """Whether each runner's scratch is a file system of its own, so needs no watching."""
        self.settings: dict[str, Any] = {}
        self.grader: runner.LoadedSource | None = None
        self.ground: lockdown.Ground | None = None

    # -- talking to the engine -------------------------------------------------------------

    def _receive(self, size: int) -> tuple[bytes, list[int]]:
        """Return exactly `size` bytes and the descriptors that came with them."""
        parts: list[bytes] = []
        descriptors: list[int] = []
        while size:
            data, ancillary, _, _ = self.socket.recvmsg(size, socket.CMSG_SPACE(2 * 4))
            if not data:
                self._leave()
            for level, kind, payload in ancillary:
                if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                    numbers = array.array("i")
                    numbers.frombytes(payload[: len(payload) // 4 * 4])
                    descriptors += list(numbers)
            parts.append(data)
            size -= len(data)
        return b"".join(parts), descriptors

    def _say(self, what: bytes, payload: bytes = b"") -> None:
        self.socket.sendall(_HEAD.pack(what, len(payload)) + payload)

    def _leave(self) -> None:
        for child in self.children.values():
            os.kill(child.pid, signal.SIGKILL)
        for child in self.children.values():
            os.waitpid(child.pid, 0)
        os._exit(0)

    def command(self) -> tuple[bytes, bytes, list[int]]:
        while True:
            ready = select.select([self.socket], [], [], _TICK if self.children else 1.0)[0]
            if ready:
                break
            if self.parent and os.getppid() != self.parent:
                self._leave()
            self._watch_disk()
        head, descriptors = self._receive(_HEAD.size)
        what, length = _HEAD.unpack(head)
        payload, more = self._receive(length)
        return what, payload, descriptors + more

    def serve(self) -> None:
        while True:
            what, payload, descriptors = self.command()
            if what == b"F":
                self._fork(payload, descriptors)
            elif what == b"K":
                self._bury(_ID.unpack(payload[:4])[0], patient=payload[4:] == b"w")
            elif what == b"H":
                child = self.children.get(_ID.unpack(payload[:4])[0])
                if child is not None:
                    os.kill(child.pid, signal.SIGSTOP if payload[4:] == b"h" else signal.SIGCONT)
            elif what == b"P":
                self._prepare(json.loads(payload))
            elif what == b"S":
                self._start(json.loads(payload))
            else:
                self._leave()

    # -- start -----------------------------------------------------------------------------

    def _start(self, settings: dict[str, Any]) -> None:
        self.settings = settings
        try:
            self._own_scratch()
            if settings["cpus"] and hasattr(os, "sched_setaffinity"):
                os.sched_setaffinity(0, settings["cpus"])
            sys.path += [path for path in settings["packages"] if path not in sys.path]
            prefixes = {os.path.realpath(p) for p in (sys.prefix, sys.base_prefix)} - {"/"}
            self.ground = lockdown.Ground(
                sorted(prefixes | set(settings["readable"])), settings["devices"]
            )
            os.chdir(settings["scratch"])
            lockdown.lock_keeper(
                settings["level"], self.ground, settings["scratch"], settings["limits"],
                watch=not self.slots,
            )  # fmt: skip
        except Exception as error:  # noqa: BLE001  (told to the engine, which refuses to go on)
            self._say(b"e", report.clip(f"{type(error).__name__}: {error}", 500).encode())
            os._exit(1)
        self.grader = runner.LoadedSource(settings)
        facts = {"version": list(sys.version_info[:3]), "path": sys.path}
        self._say(b"r", json.dumps(facts).encode())

    def _own_scratch(self) -> None:
        """Have a file system of its own for each runner, where this machine gives them."""
        level, scratch = self.settings["level"], self.settings["scratch"]
        sizes = (scratch, self.settings["limits"]["disk"], self.settings["limits"]["files"])
        if level == "strong" and self.settings["namespaces"]:
            lockdown.namespaces(*sizes)
            self._become_init()
        elif level in ("strong", "standard") and not lockdown.try_out(
            mounts_alone=True, folder=scratch
        ):
            lockdown.own_filesystems(*sizes)
        else:
            return
        self.slots = True
        self.spare = [f"{scratch}/{number}" for number in range(lockdown.SLOTS, 0, -1)]

    def _become_init(self) -> None:
        """Go on as process 1 of the new namespace; this process waits and ends with it."""
        child = os.fork()
        if child:
            self.socket.close()
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
            while True:
                done, status = os.waitpid(child, os.WNOHANG)
                if done:
                    os._exit(os.waitstatus_to_exitcode(status) & 0xFF)
                if os.getppid() != self.parent:
                    os.kill(child, signal.SIGKILL)
                signal.sigtimedwait({signal.SIGCHLD}, 0.5)
        _end_with_parent()
        self.parent = 0  # the parent of process 1 has no number in here
        # An init process ignores signals it has no handler for, abort() and the like only in
        # itself; runners are its children and have none of that.

    def _prepare(self, order: dict[str, Any]) -> None:
        """Compile and import what the source imports, so that every runner starts with it."""
        assert self.grader is not None  # noqa: S101
        self.grader.mode = order["isolation"]
        self.grader.harmless = order["harmless"]
        self.grader.compile()
        names = list(order["imports"])
        # A generator that is first loaded inside a row would miss that row's seed; numpy loads
        # its own on first use, and either may be imported by a computed name.
        names += [name for name in ("random", "numpy") if name in self.grader.source]
        for name in names:
            if name.split(".")[0] in _ODD:
                continue
            try:
                importlib.import_module(name)
            except BaseException:  # noqa: BLE001, S112  (the grader meets it again and reports it)
                continue
        if "numpy" in sys.modules:
            importlib.import_module("numpy.random")
        if self.grader.mode == "row":
            # Where rows share a process, the first does for all what each would do here.
            warm.warm_up(names, min(_WARM_SECONDS, self.grader.load_seconds / 4))
        linecache = sys.modules.get("linecache")
        if linecache is not None:
            source = self.grader.source
            lines = source.splitlines(keepends=True)
            linecache.cache[scan.FILENAME] = (len(source), None, lines, scan.FILENAME)
        gc.collect()
        gc.freeze()
        self._say(b"p")

    # -- runners ---------------------------------------------------------------------------

    def _fork(self, payload: bytes, descriptors: list[int]) -> None:
        kind, number = payload[:1], _ID.unpack(payload[1:])[0]
        data, reply = descriptors
        keeper = os.getpid()
        try:
            if not self.spare:
                self._one_more_folder()
            pid = os.fork()
        except OSError as error:
            os.close(data)
            os.close(reply)
            self._say(b"x", _END.pack(number, -(1000 + (error.errno or 0)), 0))
            return
        folder = self.spare.pop()
        if pid == 0:
            try:
                self._run(kind, folder, data, reply, keeper)
            finally:
                os._exit(0)
        os.close(data)
        os.close(reply)
        self.children[number] = _Child(pid, folder)

    def _one_more_folder(self) -> None:
        if self.slots:
            self._leave()  # none could be emptied: the engine starts another worker
        self.folders += 1
        folder = f"{self.settings['scratch']}/{self.folders}"
        os.mkdir(folder, 0o700)  # noqa: PTH102  (without pathlib, whose import costs start-up)
        self.spare.append(folder)

    def _run(self, kind: bytes, folder: str, data: int, reply: int, keeper: int) -> None:
        """Be a runner: keep two pipes, lose everything else, lock, go."""
        assert self.grader is not None  # noqa: S101
        assert self.ground is not None  # noqa: S101
        _end_with_parent()
        if os.getppid() != keeper:  # it died before that could be asked for
            os._exit(0)
        os.chdir(folder)
        os.environ["HOME"] = os.environ["TMPDIR"] = folder
        tempfile = sys.modules.get("tempfile")
        if tempfile is not None:
            tempfile.__dict__["tempdir"] = folder
        lockdown.lock_grader(self.settings["level"], self.ground, folder, watch=not self.slots)
        kept = sorted((data, reply))
        for low, high in ((3, kept[0]), (kept[0] + 1, kept[1]), (kept[1] + 1, 1024)):
            os.closerange(low, high)
        self.socket.detach()
        gc.enable()
        if kind == b"r":
            os.write(reply, b"\x01")
            runner.run(self.grader, data, reply)
        else:
            os.close(data)
            os.write(reply, b"\x01")
            if kind == b"c":
                runner.check(self.grader, reply)
            else:
                _scan(self.grader, reply)

    def _bury(self, number: int, *, patient: bool) -> None:
        child = self.children.pop(number, None)
        if child is None:
            return
        done, status = os.waitpid(child.pid, os.WNOHANG)
        if patient:
            # Its pipe has ended, so it is about to die of something: learn of what.
            until = time.monotonic() + 2.0
            while not done and time.monotonic() < until:
                time.sleep(0.0005)
                done, status = os.waitpid(child.pid, os.WNOHANG)
        if not done:
            os.kill(child.pid, signal.SIGKILL)
            _, status = os.waitpid(child.pid, 0)
            code = -1001 if not child.too_much else os.waitstatus_to_exitcode(status)
        else:
            code = os.waitstatus_to_exitcode(status)
        self._say(b"x", _END.pack(number, code, child.too_much))
        # Every process that could write there is dead.
        if scratch.empty(child.folder, seconds=20.0 if self.slots else 1.0):
            self.spare.append(child.folder)

    def _watch_disk(self) -> None:
        if self.slots:
            return
        limits = self.settings["limits"]
        for child in self.children.values():
            if not child.too_much:
                child.too_much = scratch.excess(
                    child.folder, child.pid, most_bytes=limits["disk"],
                    most_files=limits["files"], descriptors=lockdown.DESCRIPTORS,
                )  # fmt: skip
                if child.too_much:
                    os.kill(child.pid, signal.SIGKILL)


def _scan(grader: runner.LoadedSource, reply: int) -> None:
    """Parse and compile where a crash of the parser kills nobody else."""
    try:
        found = scan.scan(grader.source)
        grader.compile()
        answer: dict[str, Any] = {"found": found}
    except BaseException as error:  # noqa: BLE001  (SyntaxError, MemoryError, RecursionError ...)
        answer = {"error": report.of_syntax(error, grader.lines)}
    data = json.dumps([answer]).encode()
    view = memoryview(struct.pack("<I", len(data)) + data)
    while view:
        view = view[os.write(reply, view) :]


def _end_with_parent() -> None:
    if sys.platform.startswith("linux"):
        import ctypes  # noqa: PLC0415

        ctypes.CDLL(None).prctl(1, int(signal.SIGKILL), 0, 0, 0)


def main(control: int, parent: int) -> None:
    """Serve the engine behind the socket `control` until it goes away."""
    os.umask(0o077)  # a grader's own files are its own, whatever the umask it would inherit
    devnull = os.open(os.devnull, os.O_RDWR)
    keeper = _Keeper(control, parent)
    for target in (0, 1, 2):
        os.dup2(devnull, target)
    os.close(devnull)
    keeper.serve()

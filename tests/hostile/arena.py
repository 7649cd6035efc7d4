"""Runs attack graders against the sandbox with live baits, and judges what happened.

Only inside a process namespace of its own (see `run.py`): attacks of this kind include kill(-1).
An attack is one file with a header:
  # attack: what it tries
  # must: what must happen
  # expect: outcomes allowed for the evil row: a score, or an error kind, joined by |
  # others: the same for the five bystander rows
  # isolation: auto (default), or the isolation to run under
  # disk, files, seconds: a limit of its own: MiB, files and folders, seconds a call
The evil row returns 1.0 only where the attack worked.
"""

# A program that prints; and /proc is read as it is.
# ruff: noqa: T201, PTH115, PTH208

from __future__ import annotations

import argparse
import copy
import json
import os
import platform
import resource
import socket
import sys
import tempfile
import threading
import time
import uuid
from pathlib import Path
from typing import Any

from graders.calls import PythonCall, PythonReply
from graders.sandbox import Limits, PythonSandbox
from graders.sandbox.inside import lockdown

SECRET = "SECRET-KEY-42"
EVIL = 2
ROWS = 6
# Names other collections of attacks use for our kinds.
ALIASES = {"type": "returned", "nonfinite": "returned", "exit": "runtime"}


def header(text: str) -> dict[str, str]:
    """Return the `# key: value` lines at the top of an attack."""
    found = {}
    for line in text.splitlines():
        if not line.startswith("# "):
            break
        key, _, value = line[2:].partition(":")
        found[key.strip()] = value.strip()
    return found


def outcome(reply: PythonReply) -> str:
    return str(reply.score) if reply.error is None else reply.error.kind


def allowed(text: str) -> set[str]:
    names = {name.split("@")[0].strip() for name in text.split("|")}
    return {ALIASES.get(name, name) for name in names}


class Arena:
    """Live baits: listeners that must stay silent, files that must stay as they are."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="arena-"))
        os.environ["OPENAI_API_KEY"] = SECRET
        self.heap = {"key": SECRET}
        self.secret = self.folder / "id_rsa"
        self.secret.write_text(SECRET)
        self.secret.chmod(0o600)
        self.canary = self.folder / "canary"
        self.canary.mkdir()
        (self.canary / "keep").write_text("keep")
        self.touched: list[str] = []
        self.sockets: list[socket.socket] = []
        self.tcp = self._listen(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", 0), "tcp")
        self.port = self.tcp.getsockname()[1]
        self._listen(socket.AF_INET6, socket.SOCK_STREAM, ("::1", self.port), "tcp6")
        self.udp = self._listen(socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", 0), "udp")
        self.upath = str(self.folder / "host.sock")
        self._listen(socket.AF_UNIX, socket.SOCK_STREAM, self.upath, "unix")
        self.dpath = str(self.folder / "host.dgram")
        self._listen(socket.AF_UNIX, socket.SOCK_DGRAM, self.dpath, "unix-dgram")
        self.abstract = f"arena-{uuid.uuid4().hex}"  # Two arenas have the same numbers.
        self._listen(socket.AF_UNIX, socket.SOCK_STREAM, "\0" + self.abstract, "abstract")
        # A descriptor that a careless start would hand down.
        self.leaked = os.open(self.secret, os.O_RDONLY)
        os.set_inheritable(self.leaked, True)

    def _listen(self, family: int, kind: int, address: Any, name: str) -> socket.socket:
        bait = socket.socket(family, kind)
        try:
            bait.bind(address)
        except OSError:  # a machine without IPv6
            return bait
        if kind == socket.SOCK_STREAM:
            bait.listen()
        self.sockets.append(bait)

        def wait() -> None:
            try:
                if kind == socket.SOCK_STREAM:
                    bait.accept()[0].close()
                else:
                    bait.recv(100)
            except OSError:
                return
            self.touched.append(name)
            wait()

        threading.Thread(target=wait, daemon=True).start()
        return bait

    def item(self, row: int) -> dict[str, Any]:
        return {
            "rid": f"row-{row}-identity",
            "evil": row == EVIL,
            "port": self.port,
            "uport": self.udp.getsockname()[1],
            "upath": self.upath,
            "dpath": self.dpath,
            "abstract": self.abstract,
            "secret": str(self.secret),
            "canary": str(self.canary),
            "ppid": os.getpid(),
            "fd": self.leaked,
            "reference": "a reference",
        }

    def state(self) -> dict[str, Any]:
        """Return everything about this process and its baits that no attack may change."""
        names = sorted(path.name for path in self.canary.iterdir())
        keep = self.canary / "keep"
        stat = keep.stat()
        return {
            "canary": [names, keep.read_text(), oct(stat.st_mode), stat.st_mtime, stat.st_nlink],
            "touched": list(self.touched),
            "limits": [
                resource.getrlimit(which) for which in (resource.RLIMIT_NOFILE, resource.RLIMIT_AS)
            ],
            "priority": [os.getpriority(os.PRIO_PROCESS, 0), os.sched_getscheduler(0)],
            "host": socket.gethostname(),
            "shm": sorted(os.listdir("/dev/shm")),
            "clock": abs(time.time() - _started[0] - (time.monotonic() - _started[1])) < 30,
        }


_started = (time.time(), time.monotonic())


def processes() -> list[tuple[int, str]]:
    """Return every other process of this namespace that is not a zombie."""
    found = []
    for name in os.listdir("/proc"):
        if not name.isdigit() or int(name) in (os.getpid(), 1, os.getppid()):
            continue
        try:
            stat = Path(f"/proc/{name}/stat").read_text()
            command = Path(f"/proc/{name}/cmdline").read_bytes().decode(errors="replace")
        except OSError:
            continue
        if stat.rpartition(")")[2].split()[0] != "Z":
            found.append((int(name), command.replace("\0", " ")[:80]))
    return found


def scratch_left() -> list[str]:
    return sorted(path.name for path in Path(tempfile.gettempdir()).glob("gr-*"))


def attack(arena: Arena, path: Path, options: dict[str, Any]) -> list[str]:
    """Run one attack; return what was wrong, nothing for a met attack."""
    source = path.read_text()
    said = header(source)
    samples = [{"output_text": f"text {row}", "rid": f"row-{row}-identity"} for row in range(ROWS)]
    if "sample" in said:
        # A grader that executes model output, fed with this hostile output.
        samples[EVIL]["output_text"] = (path.parent / said["sample"]).read_text()
    items = [arena.item(row) for row in range(ROWS)]
    before_rows = copy.deepcopy((samples, items))
    before = arena.state()
    faults: list[str] = []
    began = time.monotonic()
    call = float(said.get("seconds", options["seconds"]))
    limits = Limits(
        call_seconds=call, load_seconds=call + 2,
        disk_bytes=int(said.get("disk", 1024)) << 20, disk_files=int(said.get("files", 20_000)),
    )  # fmt: skip
    with PythonSandbox(
        limits=limits, isolation=said.get("isolation", options["isolation"]),
        workers=options["workers"], level=options["level"],
    ) as sandbox:  # fmt: skip
        replies = sandbox.perform(PythonCall(source, samples, items))
        again = sandbox.perform(PythonCall("def grade(s, i): return 0.25", samples, items))
        if [reply.score for reply in again] != [0.25] * ROWS:
            faults.append(f"the engine is hurt: {again[0]}")
    seconds = time.monotonic() - began
    evil = replies[EVIL]
    if outcome(evil) not in allowed(said["expect"]):
        faults.append(f"evil row: {outcome(evil)} {evil.error and evil.error.message}")
    for row, reply in enumerate(replies):
        if row != EVIL and outcome(reply) not in allowed(said["others"]):
            faults.append(f"row {row}: {outcome(reply)} {reply.error and reply.error.message}")
    if (samples, items) != before_rows:
        faults.append("input rows changed")
    after = arena.state()
    faults += [f"{key}: {after[key]}" for key in before if after[key] != before[key]]
    for reply in replies:
        try:
            json.dumps([reply.error and reply.error.details, reply.stdout]).encode()
            size = len(reply.error.message) + len(reply.error.details) if reply.error else 0
            if size > 20_000 or len(reply.stdout) > 64_000:
                faults.append("a report is too long")
        except ValueError:
            faults.append("a report is not text")
    # Where the scratch is on a slow disk, a flood of files is removed after the sandbox is closed.
    until = time.monotonic() + (120 if options["no_namespaces"] else 2)
    while (processes() or scratch_left()) and time.monotonic() < until:
        time.sleep(0.01)
    faults += [f"left a process: {left}" for left in processes()]
    faults += [f"left scratch: {left}" for left in scratch_left()]
    if options["verbose"] or faults:
        why = f" ({evil.error.message[:120]})" if evil.error else ""
        told = f"{outcome(evil):9}{seconds:6.1f} s{why}"
        lines = [f"  {'FAIL' if faults else 'met '} {path.stem:34} {told}"]
        print("\n        ".join([*lines, *faults]), flush=True)
    return faults


def refuse_namespaces() -> None:
    """Refuse unshare to this process and its children, as a container's filter does."""
    number = {"x86_64": 272, "aarch64": 97}[platform.machine()]
    lockdown._checked(lockdown._libc().prctl(38, 1, 0, 0, 0), "no_new_privs")
    lockdown._seccomp(
        [
            (0x20, 0, 0, 0), (0x15, 0, 1, number), (0x06, 0, 0, 0x00050001),  # EPERM
            (0x06, 0, 0, 0x7FFF0000),
        ]
    )  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("attacks", nargs="+", type=Path)
    parser.add_argument("--outside", required=True, help="the caller's process namespace")
    parser.add_argument("--isolation", default="auto")
    parser.add_argument("--level", default=None)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--only", default="")
    parser.add_argument("--no-namespaces", action="store_true", help="as many containers are")
    parser.add_argument("-v", "--verbose", action="store_true")
    options = parser.parse_args()
    if os.readlink("/proc/self/ns/pid") == options.outside:
        print("refused: attacks run only in a process namespace of their own", file=sys.stderr)
        return 2
    if options.no_namespaces:
        refuse_namespaces()
    files = sorted(
        path
        for folder in options.attacks
        for path in ([folder] if folder.is_file() else folder.iterdir())
        if options.only in path.name and path.suffix in (".py", ".grader")
    )
    arena = Arena()
    chosen = {
        "isolation": options.isolation, "level": options.level, "workers": options.workers,
        "seconds": options.seconds, "verbose": options.verbose,
        "no_namespaces": options.no_namespaces,
    }  # fmt: skip
    descriptors = len(os.listdir("/proc/self/fd"))
    failed = [path.stem for path in files if attack(arena, path, chosen)]
    left = len(os.listdir("/proc/self/fd")) - descriptors
    if left > 0:
        print(f"FAIL: {left} descriptors of the engine leaked")
        failed.append("descriptors")
    user = "root" if os.getuid() == 0 else f"uid {os.getuid()}"
    where = f"{options.isolation}, {options.level or 'standard'}"
    where += ", no namespaces" if options.no_namespaces else ""
    print(f"{user}, {where}: {len(files) - len(failed)} of {len(files)} attacks met")
    return 1 if failed or not files else 0


if __name__ == "__main__":
    sys.exit(main())

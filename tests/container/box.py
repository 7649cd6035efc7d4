"""A root file system run as a container is: read-only, alone, without a privilege, as an engine's defaults have it.

Not an engine: what an image needs of one is done here by its own words (`unshare`, `mount`, `chroot`, `setpriv`), so that
it can be tried where no engine runs. Needs root on Linux.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from graders import jsontext
from tests.waiting import PATIENCE, children_of, until

__all__ = ["Box"]

# What engines' default profiles refuse, and one from before they knew Landlock.
FILTER = """
import os, sys
from graders.sandbox.inside import lockdown
numbers = [272, 308] if sys.argv[1] == "now" else [272, 308, 444, 445, 446]
lockdown._checked(lockdown._libc().prctl(38, 1, 0, 0, 0), "no_new_privs")
rules = [(0x20, 0, 0, 0)]
for number in numbers:
    rules += [(0x15, 0, 1, number), (0x06, 0, 0, 0x00050001)]
lockdown._seccomp([*rules, (0x06, 0, 0, 0x7FFF0000)])
os.execvp(sys.argv[2], sys.argv[2:])
"""

SCRIPT = """
set -e
mount --make-rprivate /
mount --bind "$ROOT" "$ROOT"
mount -t proc proc "$ROOT/proc"
mount -t tmpfs -o "$TMPFS" tmpfs "$ROOT/tmp"
mount -t tmpfs -o mode=755 tmpfs "$ROOT/dev"
for one in null zero full random urandom; do touch "$ROOT/dev/$one"; mount --bind "/dev/$one" "$ROOT/dev/$one"; done
ln -s /proc/self/fd "$ROOT/dev/fd"
mount --bind "$DATA" "$ROOT/data"
mount -t tmpfs -o mode=755 tmpfs "$ROOT/run"
mkdir "$ROOT/run/secrets" && printf %s "$TOKEN" > "$ROOT/run/secrets/token" && chmod 644 "$ROOT/run/secrets/token"
mount -o remount,ro,bind "$ROOT"
python3 -c 'import fcntl, socket, struct
with socket.socket() as s:
    fcntl.ioctl(s, 0x8914, struct.pack("16sh", b"lo", 0x49))'
exec chroot "$ROOT" /usr/bin/setpriv --reuid="$NUMBER" --regid="$GROUP" --clear-groups --no-new-privs \\
    --bounding-set=-all --inh-caps=-all /usr/bin/env -i "$@"
"""


@dataclass
class Box:
    """A running command in a root file system.

    Attributes:
        root: the root file system.
        user: number of user and group, as an image has it.
        environment: of the command.
        command: what runs.
        tmpfs: how /tmp is mounted.
        token: what stands in the secret.
        landlock: whether the filter lets Landlock through.
    """

    root: Path
    user: str
    environment: Mapping[str, str]
    command: Sequence[str]
    tmpfs: str = "size=1280M,mode=1777,noexec,nosuid,nodev"
    token: str = ""
    landlock: bool = True
    lines: list[dict[str, Any]] = field(default_factory=list)
    said: str = ""

    def __enter__(self) -> Self:
        number, group = self.user.split(":")
        self._data = tempfile.TemporaryDirectory()
        os.chown(self._data.name, int(number), int(group))
        words = [*(f"{name}={value}" for name, value in self.environment.items())]
        words += ["python", "-c", FILTER, "now" if self.landlock else "then", *self.command]
        self._process = subprocess.Popen(
            ["unshare", "--mount", "--pid", "--fork", "--ipc", "--uts", "--net", "--kill-child",
             "sh", "-c", SCRIPT, "sh", *words],
            env={**os.environ, "ROOT": str(self.root), "TMPFS": self.tmpfs, "DATA": self._data.name,
                 "TOKEN": self.token, "NUMBER": number, "GROUP": group},
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        return self

    def _read(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self.said += line
            if line.startswith("{"):
                self.lines.append(jsontext.decode(line.encode()))

    def __exit__(self, *_: object) -> None:
        for child in children_of(self._process.pid):  # Who changes its user outlives its parent.
            os.kill(child, signal.SIGKILL)
        self._process.kill()
        self._process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        assert self._process.stderr is not None
        self._process.stderr.close()
        self._data.cleanup()

    def ended(self) -> int:
        """Wait until the command has ended by itself; return its code."""
        code = self._process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        return code

    def listening(self) -> None:
        """Wait until the server listens."""
        until(
            lambda: (
                self._process.poll() is not None
                or any(one["event"] == "listening" for one in self.lines)
            )
        )
        assert self._process.poll() is None, self.said

    def inside(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command beside it, as its user, in its network and its files."""
        (child,) = (
            Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        )
        number, group = self.user.split(":")
        path = shlex.quote(self.environment["PATH"])
        return subprocess.run(
            ["nsenter", "--target", child, "--all", f"--root=/proc/{child}/root", "--wd=/", "setpriv",
             f"--reuid={number}", f"--regid={group}", "--clear-groups", "sh", "-c", f'PATH={path} exec "$@"', "sh", *command],
            capture_output=True, text=True, check=False, timeout=PATIENCE,
        )  # fmt: skip

"""A real `graders serve` process on a free port, with a folder of its own; and all it started."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

from tests.waiting import PATIENCE, until


def free_port() -> int:
    """Return a port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Serving:
    """A server process.

    Args:
        folder: the data folder.
        words: further arguments of `graders serve`.
        log: where its output goes; beside the folder by default.
        environment: further variables.
    """

    def __init__(
        self,
        folder: Path,
        *words: str,
        log: Path | None = None,
        environment: dict[str, str] | None = None,
    ) -> None:
        self.folder = folder
        self.port = 0
        self.log = log or folder.with_name(folder.name + ".log")
        self._earlier = self.log.stat().st_size if self.log.exists() else 0
        hidden = ("OPENAI_", "GRADERS_")
        clean = {name: text for name, text in os.environ.items() if not name.startswith(hidden)}
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "graders", "serve", "--port", "0",
                 "--data-dir", str(folder), *words],
                stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                env={**clean, **(environment or {})},
            )  # fmt: skip
        try:
            self.wait()
        except BaseException:
            self.kill()
            raise

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def said(self) -> str:
        """What it has printed."""
        return self.log.read_text(errors="replace")

    def wait(self) -> None:
        """Wait until it answers."""
        until(lambda: self._listens() or self.process.poll() is not None)
        assert self.port, f"the server did not start:\n{self.said[-4000:]}"
        until(self._is_ready)

    def _listens(self) -> bool:
        with self.log.open("rb") as log:
            log.seek(self._earlier)
            found = re.search(rb'"listening".*?"url": ?"http://[^"]*:(\d+)"', log.read())
        self.port = int(found[1]) if found else 0
        return bool(found)

    def _is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/readyz", timeout=PATIENCE):
                return True
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return False

    def stop(self, seconds: float = PATIENCE) -> int:
        """Tell it to end, and return its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(seconds)
        finally:
            self.kill()

    def kill(self) -> None:
        """End it at once, without telling it."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def family(self) -> list[int]:
        """Return the process and all below it."""
        parents: dict[int, int] = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with contextlib.suppress(OSError, IndexError, ValueError):
                    status = (entry / "stat").read_text().rpartition(")")[2].split()
                    parents[int(entry.name)] = int(status[1])
        found = [self.process.pid]
        for pid in found:
            found += [child for child, parent in parents.items() if parent == pid]
        return found

    def memory(self) -> float:
        """Return the megabytes the whole family holds, shared pages counted once."""
        total = 0
        for pid in self.family():
            with contextlib.suppress(OSError):
                for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                    if line.startswith("Pss:"):
                        total += int(line.split()[1])
        return total / 1024

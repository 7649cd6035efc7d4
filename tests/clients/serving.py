"""A real `graders serve` process on a free port, with a folder of its own; and all it started."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

START_SECONDS = 60.0


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
        port: a port; a free one by default.
        wait: whether to wait until it is ready.
    """

    def __init__(
        self,
        folder: Path,
        *words: str,
        log: Path | None = None,
        environment: dict[str, str] | None = None,
        port: int = 0,
        wait: bool = True,
    ) -> None:
        self.folder = folder
        self.port = port or free_port()
        self.log = log or folder.with_name(folder.name + ".log")
        hidden = ("OPENAI_", "GRADERS_")
        clean = {name: text for name, text in os.environ.items() if not name.startswith(hidden)}
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "graders", "serve", "--port", str(self.port),
                 "--data-dir", str(folder), *words],
                stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                env={**clean, **(environment or {})},
            )  # fmt: skip
        if wait:
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
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            if self.process.poll() is not None:
                break
            try:
                with urllib.request.urlopen(f"{self.url}/readyz", timeout=5):
                    return
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                time.sleep(0.05)
        raise AssertionError(f"the server did not start:\n{self.said[-4000:]}")

    def stop(self, seconds: float = 30.0) -> int:
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

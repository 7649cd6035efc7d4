"""The process that trains, as the one that started it sees it."""

from __future__ import annotations

import contextlib
import os
import pickle
import queue
import signal
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from graders import jsontext
from graders.jobs.option import RunOptions
from graders.privacy import opener
from graders.program import program, settings

__all__ = ["LOCK", "Child", "environment", "is_free"]

LOG: Final = "worker.log"
_LAST_WORDS: Final = 8192
LOCK: Final = "lock"
"""Held by the process that trains in a job's folder."""

_OFFLINE: Final = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_DATASETS_OFFLINE")


class Child:
    """A process that trains a job; what it says comes as objects.

    Its input is how it is told to stop: it ends, too, when the process that started it is gone.

    Args:
        folder: the job's folder.
        options: how graders work.
        online: whether it may fetch a model from the hub.
    """

    def __init__(self, folder: Path, options: RunOptions, *, online: bool) -> None:
        said = settings()
        said["env"] = {**said["env"], **environment(folder, online=online)}
        self._log = folder / LOG
        with open(self._log, "ab", opener=opener) as log:
            self._log_began = log.tell()
            self._process = subprocess.Popen(
                program("graders.training.worker", str(folder)), stdin=subprocess.PIPE,
                stdout=subprocess.PIPE, stderr=log, cwd=folder, **said,
            )  # fmt: skip
        self._said: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        with contextlib.suppress(OSError):  # It ended at once: its end says so.
            self._write(pickle.dumps(options, protocol=5))

    def _write(self, piece: bytes) -> None:
        if self._process.stdin is not None:
            self._process.stdin.write(piece)
            self._process.stdin.flush()

    def _read(self) -> None:
        if self._process.stdout is not None:
            for line in self._process.stdout:
                with contextlib.suppress(ValueError):
                    self._said.put(jsontext.decode(line))
        self._said.put(None)

    def next(self, seconds: float) -> dict[str, Any] | None:
        """Return what it says next; `{}` where it says nothing for so long, None when it is gone."""
        try:
            return self._said.get(timeout=seconds)
        except queue.Empty:
            return {}

    def last_words(self) -> str:
        """Return the end of what it has written into its log."""
        try:
            with self._log.open("rb") as log:
                size = log.seek(0, os.SEEK_END)
                log.seek(max(self._log_began, size - _LAST_WORDS))
                return log.read().decode(errors="replace")
        except OSError:
            return ""

    def stop(self) -> None:
        """Have it save and end, at the next step."""
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()

    def kill(self) -> None:
        """End it, and what it has started, at once."""
        if self._process.poll() is None:
            with contextlib.suppress(OSError):
                os.killpg(self._process.pid, signal.SIGKILL)
        self.wait()

    def wait(self) -> int:
        """Return its exit code; below 0 the signal that ended it."""
        self.stop()
        code = self._process.wait()
        self._reader.join()
        if self._process.stdout is not None:
            self._process.stdout.close()
        return code


def is_free(folder: Path) -> bool:
    """Return whether no process trains in a job's folder; one may still save what it trained."""
    import fcntl  # noqa: PLC0415  (absent on Windows)

    with open(folder / LOCK, "ab", opener=opener) as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def environment(folder: Path, *, online: bool) -> Mapping[str, str]:
    """Return what a process with the libraries of training finds: nothing of it leaves the folder."""
    quiet = {
        "HF_DATASETS_CACHE": str(folder / "cache"),
        "TMPDIR": str(folder / "tmp"),
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "GRADIO_ANALYTICS_ENABLED": "False",
        "WANDB_ERROR_REPORTING": "false",
        "TRL_EXPERIMENTAL_SILENCE": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "PYTHONUNBUFFERED": "1",
        # Trainers spread rows over every GPU they see, which would change what a batch is.
        "CUDA_VISIBLE_DEVICES": os.environ.get("CUDA_VISIBLE_DEVICES", "0").partition(",")[0],
    }
    return quiet if online else {**quiet, **dict.fromkeys(_OFFLINE, "1")}

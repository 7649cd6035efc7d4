"""What the parts of the training process share: the job's folder and plan, and what they have to say."""

from __future__ import annotations

import contextlib
import os
import threading
from pathlib import Path
from typing import Any

from graders import jsontext

__all__ = ["NotTrainableError", "Session"]


class NotTrainableError(Exception):
    """A job cannot be trained, for a reason that users can do something about.

    Attributes:
        code: for machines.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Session:
    """One run of the training process.

    Args:
        folder: the job's folder.
        plan: the job's plan.
        options: how graders work.
        output: the descriptor on which it says what it does.

    Attributes:
        folder, plan, options: as given.
        length: tokens of the longest row; no more than the model takes.
        stopping: set once it is to stop.
    """

    def __init__(self, folder: Path, plan: dict[str, Any], options: Any, output: int) -> None:
        self.folder, self.plan, self.options = folder, plan, options
        self.length: int = plan["settings"]["length"]
        self.stopping = threading.Event()
        self._output = output

    def say(self, kind: str, **said: Any) -> None:
        """Say something, in one line."""
        line = jsontext.encode({"kind": kind, **said}) + b"\n"
        view = memoryview(line)
        with contextlib.suppress(BrokenPipeError):  # Nobody listens any more; it stops soon.
            while view:
                view = view[os.write(self._output, view) :]

    def note(self, message: str, level: str = "warn") -> None:
        """Say something of the job."""
        self.say("note", message=message, level=level)

    def rows(self, use: str) -> list[dict[str, Any]]:
        """Return the rows of the training or the validation file."""
        path = self.folder / "rows" / f"{use}.jsonl"
        if not path.exists():
            return []
        with path.open("rb") as lines:
            return [jsontext.decode(line) for line in lines]

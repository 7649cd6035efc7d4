"""How python graders are run, as callers say it; and the sandbox that does so."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from graders.option import check, option
from graders.sandbox.image import interpreter as image_interpreter
from graders.sandbox.limits import Isolation, Level, Limits
from graders.sandbox.sandbox import PythonSandbox

__all__ = ["PythonOptions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PythonOptions:
    """How python graders are run. The limits are the hosted service's.

    Attributes:
        timeout: seconds one call may take.
        memory: bytes of memory one call may use.
        disk: bytes one call may write to its scratch folder.
        isolation: what rows share: `module` a process but no globals, `row` nothing, `shared`
            globals too; `auto` is `row` for a source that can execute text, else `module`.
        sandbox: the level at which workers are confined; None for the default of this machine, which is never
            below `standard`. Lower ones must be asked for by name; see `graders doctor`.
        workers: at most so many worker processes; None for the number of cores.
        interpreter: the python to run graders with; None for the image that a config's image_tag
            names, if it was built, else this environment.
    """

    timeout: float = option(
        120.0, "Time for one python call.", name="python_timeout", metavar="SECONDS",
        unit="seconds", above=0, suite=True, kept=True, group="Python graders",
    )  # fmt: skip
    memory: int = option(
        2 << 30, "Memory for one python call.", name="python_memory",
        unit="bytes", above=0, suite=True, kept=True, group="Python graders",
    )  # fmt: skip
    disk: int = option(
        1 << 30, "Scratch space for one python call.", name="python_disk",
        unit="bytes", above=0, kept=True, group="Python graders",
    )  # fmt: skip
    isolation: Isolation = option(
        "auto", "What rows of a python grader share.", suite=True, kept=True, group="Python graders"
    )
    sandbox: Level | None = option(
        None,
        "Level of the python sandbox; see graders doctor.  [default: standard]",
        group="Python graders",
    )
    workers: int | None = option(
        None, "Worker processes for python graders.  [default: the cores]",
        name="python_workers", metavar="N", least=1, group="Python graders",
    )  # fmt: skip
    interpreter: Path | None = option(
        None, "Interpreter for python graders, such as .venv/bin/python.",
        name="python", metavar="PATH", exists=True, kept=True, group="Python graders",
    )  # fmt: skip

    def __post_init__(self) -> None:
        check(self)

    def interpreters(self, tags: Iterable[str]) -> dict[str, Path]:
        """Return the interpreter for each image_tag that does not run in this environment."""
        if self.interpreter is not None:
            # A worker starts in a folder of its own; a bare name is looked up on PATH.
            named = self.interpreter
            return dict.fromkeys(tags, named.absolute() if len(named.parts) > 1 else named)
        built = {tag: image_interpreter(tag) for tag in tags if tag}
        return {tag: path for tag, path in built.items() if path is not None}

    def start(self, tags: Iterable[str], *, keep: bool = True) -> PythonSandbox:
        """Return a sandbox for sources with these image_tags, "" for those without.

        Args:
            tags: the image_tags.
            keep: whether a process may outlive a call; False where callers are strangers.

        Raises:
            UnavailableError: this machine does not give the level.
        """
        return PythonSandbox(
            level=self.sandbox,
            limits=Limits(
                call_seconds=self.timeout,
                load_seconds=max(self.timeout, 1.0),
                memory_bytes=self.memory,
                disk_bytes=self.disk,
            ),
            isolation=self.isolation,
            workers=self.workers or os.cpu_count() or 1,
            interpreters=self.interpreters(tags),
            keep=keep,
        )

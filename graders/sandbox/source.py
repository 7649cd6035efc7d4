"""What can be said about a grader's source without running it.

Does: parses in a process of its own, as a source can be made to crash the parser. Does not: say
whether a source is safe; nothing here is a defence.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from graders.calls import PythonError
from graders.sandbox import ground
from graders.sandbox.boot import command, environment
from graders.sandbox.limits import Limits, size

__all__ = ["MissingImport", "Seen", "SourceHint", "isolation_of", "look", "unfit"]

_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class MissingImport:
    """An import that an interpreter cannot find.

    Attributes:
        module: as the source names it, such as `sklearn.metrics`.
        line: 1-based line in the source.
        certain: True at the top level, where the source cannot load without it; False in a
            function, an `if` or a `try`, where it may never run.
    """

    module: str
    line: int
    certain: bool


@dataclass(frozen=True, slots=True)
class SourceHint:
    """Something that a source asks for and a sandbox does not give.

    Attributes:
        kind: `process` that it starts, NLTK's `data` that is not here, or the `layout` of Foundry,
            which puts the answer into the item.
        line: 1-based line in the source.
        what: the call, the data or the expression.
    """

    kind: Literal["process", "data", "layout"]
    line: int
    what: str

    @property
    def says(self) -> str:
        """What is wrong, in one sentence without its place."""
        if self.kind == "process":
            return f"{self.what} starts a process, which is not allowed"
        if self.kind == "data":
            return f"NLTK's data {self.what} is not here"
        return (
            f"{self.what} is where Foundry's evaluations put the model's output; here that is in "
            "sample, the other argument"
        )


@dataclass(frozen=True, slots=True)
class Seen:
    """What can be seen of a source without running it.

    Attributes:
        missing: the imports that the interpreter cannot find, in line order.
        hints: what else it asks for in vain, in line order.
    """

    missing: tuple[MissingImport, ...] = ()
    hints: tuple[SourceHint, ...] = ()

    def notes(self, called: str = "source") -> Iterator[str]:
        """Yield a sentence for each thing that the source itself may hide when it runs."""
        for one in self.missing:
            if not one.certain:
                yield (
                    f"{called} line {one.line}: {one.module} is not installed for python graders; where the "
                    "source catches that, its scores are wrong without a failure"
                )
        for hint in self.hints:
            yield f"{called} line {hint.line}: {hint.says}"


def _scan(source: str, python: str) -> dict[str, Any]:
    """Return what `inside.find` says, {} where the parser died or took too long."""
    packages = ground.packages(python)
    try:
        done = subprocess.run(
            [*command(python), "scan", *packages],
            input=source.encode("utf-8", "replace"), capture_output=True, check=False,
            timeout=_SECONDS, cwd="/", env=environment(tempfile.gettempdir(), os.pathsep.join(ground.nltk_path(source))),
        )  # fmt: skip
        answer = json.loads(done.stdout)
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return {}
    return answer if isinstance(answer, dict) else {}


def unfit(text: str, length: int, limits: Limits) -> PythonError | None:
    """Return the fault of a source that is not even parsed."""
    if length > limits.source_bytes:
        return PythonError(
            "load",
            f"the source is {size(length)} long; the limit is {size(limits.source_bytes)}",
        )
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        line = text.count("\n", 0, error.start) + 1
        return PythonError("load", "the source has a lone surrogate", line=line)
    return None


def isolation_of(source: str) -> Literal["module", "row"]:
    """Return what `isolation="auto"` means for a source; `row` where it cannot be parsed."""
    answer = _scan(source, sys.executable)
    return "module" if answer and "error" not in answer and answer.get("row") is None else "row"


def look(source: str, interpreter: Path | None = None) -> Seen:
    """Return what can be seen of a source that an interpreter (None: this one) will run.

    Nothing where it cannot be parsed; `PythonSandbox.check` tells that fault.
    """
    if not any(word in source for word in ("import", '"sample"', "'sample'")):
        return Seen()  # To look takes a process.
    python = sys.executable if interpreter is None else str(interpreter)
    answer = _scan(source, python)
    missing: dict[tuple[str, int], MissingImport] = {}
    for module, line, certain, found in answer.get("imports", []):
        if not found:
            missing.setdefault((module, line), MissingImport(module, line, certain))
    hints = [SourceHint(kind, line, what) for kind, line, what in answer.get("hints", [])]
    return Seen(
        tuple(sorted(missing.values(), key=lambda one: (one.line, one.module))),
        tuple(sorted(hints, key=lambda one: one.line)),
    )

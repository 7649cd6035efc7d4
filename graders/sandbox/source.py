"""What can be said about a grader's source without running it.

Does: parses in a process of its own, as a source can be made to crash the parser. Does not: say
whether a source is safe; nothing here is a defence.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from graders.calls import PythonError
from graders.sandbox import ground
from graders.sandbox.boot import command, environment
from graders.sandbox.limits import Limits, size

__all__ = ["MissingImport", "imports_missing", "isolation_of", "unfit"]

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


def _scan(source: str, python: str) -> dict[str, Any]:
    """Return what `inside.find` says, {} where the parser died or took too long."""
    packages = ground.packages(python)
    try:
        done = subprocess.run(
            [*command(python), "scan", *packages],
            input=source.encode("utf-8", "replace"), capture_output=True, check=False,
            timeout=_SECONDS, cwd="/", env=environment(tempfile.gettempdir(), ""),
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


def imports_missing(source: str, interpreter: Path | None = None) -> list[MissingImport]:
    """Return the static imports that an interpreter (None: this one) cannot find, in line order.

    Empty where the source cannot be parsed; `PythonSandbox.check` tells that fault.
    """
    if "import" not in source:
        return []  # As most are; to look takes a process.
    python = sys.executable if interpreter is None else str(interpreter)
    missing: dict[tuple[str, int], MissingImport] = {}
    for module, line, certain, found in _scan(source, python).get("imports", []):
        if not found:
            missing.setdefault((module, line), MissingImport(module, line, certain))
    return sorted(missing.values(), key=lambda one: (one.line, one.module))

"""Scans a source on stdin and says which imports and data this interpreter lacks, as JSON.

Does: parses, and looks for top-level modules without importing any. Does not: run the source;
a crash of the parser is this process's own, and the engine reads it as "cannot be parsed".
"""

from __future__ import annotations

import importlib.util
import json
import sys
from typing import Any

from . import hints, report, scan

__all__ = ["main"]


def _there(name: str) -> bool:
    try:
        return importlib.util.find_spec(name.split(".", 1)[0]) is not None
    except (ImportError, ValueError):
        return name in sys.modules


def _has_data(what: str) -> bool:
    # Without the package itself, that is what is missing.
    return hints.is_there(what) or not _there("nltk")


def main() -> None:
    """Write {"row", "imports": [[module, line, certain, found]], "hints"} or {"error": report}."""
    try:
        import resource  # noqa: PLC0415

        resource.setrlimit(resource.RLIMIT_CPU, (20, 20))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    except (ImportError, OSError, ValueError):
        pass
    source = sys.stdin.buffer.read().decode("utf-8", "replace")
    try:
        found = scan.scan(source)
        tree = scan.parse(source)
        asks = hints.hints(tree)
        compile(tree, scan.FILENAME, "exec", dont_inherit=True)
    except BaseException as error:  # noqa: BLE001  (SyntaxError, MemoryError, RecursionError ...)
        answer: dict[str, Any] = {"error": report.of_syntax(error, source.splitlines())}
    else:
        answer = {
            "row": found["row"],
            "imports": [[name, line, sure, _there(name)] for name, line, sure in found["imports"]],
            "hints": [one for one in asks if one[0] != "data" or not _has_data(one[2])],
        }
    sys.stdout.write(json.dumps(answer))

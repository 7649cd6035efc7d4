"""Ours against other harnesses: same rows, same library calls, equal means.

    make bench-peers-setup    once: an environment for each
    make bench-peers

CPU time of scoring alone, rows in memory, without imports; ours also decodes and encodes JSON.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import corpus
from benchmarks.timing import medians, run, table

ENVIRONMENTS = Path(__file__).parents[1] / ".envs"
# Script, and the environment it runs in; None is this one.
PEERS = {
    "ours": None,
    "bare_loop": None,
    "pydantic_evals": "pydantic-evals",
    "verifiers": "verifiers",
    "openjudge": "py-openjudge",
    "inspect_ai": "inspect-ai",
    "deepeval": "deepeval",
    "azure_ai_evaluation": "azure-ai-evaluation",
}
VERSION = "import importlib.metadata as m, sys; print(m.version(sys.argv[1]))"
SIZES, ROUNDS = (2_000,), 3


def python(environment: str | None) -> str:
    return str(ENVIRONMENTS / environment / "bin" / "python") if environment else sys.executable


def main() -> None:
    """Print the tables."""
    missing = [name for name in filter(None, PEERS.values()) if not Path(python(name)).exists()]
    if missing:
        sys.exit(f"no environment for {', '.join(missing)}; make bench-peers-setup makes them")
    for size in (200,) if "--quick" in sys.argv else SIZES:
        compare(size)


def compare(size: int) -> None:
    means: dict[str, Mapping[str, float]] = {}

    def measure(name: str, rows: Path) -> float:
        command = [python(PEERS[name]), "-m", f"benchmarks.peers.{name}", str(rows)]
        found: dict[str, Any] = json.loads(run(command).splitlines()[-1])
        assert found["rows"] == size
        means[name] = found["means"]
        return float(found["seconds"])

    with tempfile.TemporaryDirectory() as folder:
        rows = Path(folder, "rows.jsonl")
        corpus.write(rows, corpus.rows(size, seed=3))
        found = medians({name: partial(measure, name, rows) for name in PEERS}, ROUNDS)
    for name in PEERS:
        assert means[name] == means["ours"], f"{name}: {means[name]}, ours: {means['ours']}"
    lines = []
    for name, environment in PEERS.items():
        version = run([python(environment), "-c", VERSION, environment]) if environment else ""
        took = found[name]
        lines.append(
            (
                f"{environment or name.replace('_', ' ')} {version.strip()}".strip(),
                f"{took / size * 1e6:,.0f}",
                f"{found['bare_loop'] / took:.2f}",
                f"{took / found['ours']:.1f}x",
            )
        )
    table(
        f"Other harnesses, {size:,} rows (CPU time of scoring)",
        ("harness", "us a row", "speed over the bare loop", "its time over ours"),
        lines,
    )


if __name__ == "__main__":
    main()

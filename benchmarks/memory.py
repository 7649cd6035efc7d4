"""Peak memory of `graders score` by number of rows, and of the careful script.

    python -m benchmarks.memory --rows 10000000    one more size; needs 5 GB of disk

Peak memory is the largest resident set the process had, as the system reports it at its end.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks import corpus
from benchmarks.timing import GRADERS, run, table

__all__ = ["main"]

SIZES, QUICK_SIZES = (10_000, 100_000, 1_000_000), (1_000, 5_000)
SCRIPT = str(Path(__file__).with_name("careful_script.py"))
# Linux counts in kilobytes, macOS in bytes.
UNIT = 1 if sys.platform == "darwin" else 1024


# A process counts the memory of the one that started it, up to its exec: start it from a small one.
STARTER = """
import os, sys
null = os.open(os.devnull, os.O_WRONLY)
child = os.posix_spawn(
    sys.argv[1], sys.argv[1:], os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, null, 1)]
)
_, status, usage = os.wait4(child, 0)
assert status == 0, sys.argv
print(usage.ru_maxrss)
"""


def peak(command: Sequence[str]) -> float:
    """The peak resident set of a process, in MB."""
    return int(run([sys.executable, "-I", "-S", "-c", STARTER, *command])) * UNIT / 1e6


def main(*, quick: bool, more: Sequence[int] = ()) -> None:
    """Print the table."""
    lines = []
    with tempfile.TemporaryDirectory() as folder:
        rows, grader, out = (Path(folder, name) for name in ("rows", "grader.json", "out"))
        grader.write_text(json.dumps(corpus.GRADER))
        for size in (*(QUICK_SIZES if quick else SIZES), *more):
            corpus.write(rows, corpus.rows(size))
            ours = peak(
                [GRADERS, "score", str(grader), str(rows), "-o", str(out), "--workers", "0"]
            )
            with out.open("rb") as results:
                assert sum(1 for _ in results) == size
            theirs = "-"
            if size <= 10_000:
                theirs = f"{peak([sys.executable, SCRIPT, str(rows), str(out)]):.0f} MB"
            lines.append((f"{size:,} rows", f"{ours:.0f} MB", theirs))
    table("Peak memory", ("work", "graders score", "careful script"), lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer rows")
    parser.add_argument("--rows", type=int, action="append", default=[], help="one more size")
    arguments = parser.parse_args()
    main(quick=arguments.quick, more=arguments.rows)

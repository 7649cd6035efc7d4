"""Python graders over mathematics: a process a row in the sandbox against a plain loop.

Each row has its own answer, in one of 20 forms, half of them right; the plain loop runs the same
source in one process, where every cache of the row before helps. CPU and wall time a row beyond
the start, which the difference of two sizes takes out; rewards are asserted to be equal.

    python benchmarks/math_bench.py [--quick]
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import statistics
import sys
import time
from typing import Any

from benchmarks.timing import run, table

SOURCES = {
    "math-verify": """
from math_verify import parse, verify

def grade(sample, item):
    gold = parse("$" + item["answer"] + "$")
    return float(verify(gold, parse("So the answer is $\\\\boxed{" + sample["output_text"] + "}$.")))
""",
    "sympy": """
import sympy

def grade(sample, item):
    try:
        difference = sympy.sympify(sample["output_text"]) - sympy.sympify(item["answer"])
        return float(sympy.simplify(difference) == 0)
    except Exception:
        return 0.0
""",
}
LATEX = [
    r"\frac{%d}{%d}", r"%d\sqrt{%d}", r"%dx^2-%dx+3", "(%d,%d)", r"\left\{%d,%d\right\}", "[-%d,%d)",
    r"(-\infty,-%d)\cup(%d,\infty)", r"\frac{%d\pi}{%d}", "%d.%d", r"%d%d\%%", r"%d%d^\circ",
    r"\begin{pmatrix}%d&1\\2&%d\end{pmatrix}", r"\log_{%d}%d", r"\sin(%dx)+\cos %d", "%d+%di",
    r"y=%dx+%d", "%d,%d00", r"e^{%d}+%d", r"\text{%d or %d}", r"\dfrac{\sqrt{%d}-1}{%d}",
]  # fmt: skip
PLAINLY = ["%d*x**2 + %d*x", "sqrt(%d)/%d", "(%d + x)*(%d - x)", "%d*log(x) + %d", "%d/7 + %d"]


def rows_of(forms: list[str], count: int) -> list[dict[str, Any]]:
    """Rows with an answer of their own, every second one answered rightly."""
    chance = random.Random(7)
    rows = []
    for number in range(count):
        form = forms[number % len(forms)]
        right, wrong = (form % (chance.randint(2, 97), chance.randint(2, 97)) for _ in range(2))
        rows.append({"item": {"answer": right}, "sample": right if number % 2 else wrong})
    return rows


def plain(source: str, rows: list[dict[str, Any]]) -> list[Any]:
    """The source's own rewards, in a loop."""
    names: dict[str, Any] = {}
    exec(compile(source, "<grader>", "exec"), names)
    return [names["grade"]({"output_text": row["sample"]}, row["item"]) for row in rows]


def sandboxed(source: str, rows: list[dict[str, Any]]) -> list[Any]:
    """The same through `grade_many` as it comes."""
    import graders

    with graders.load({"type": "python", "name": "math", "source": source}) as grader:
        return [grade.reward for grade in grader.grade_many(rows)]


def child(way: str, package: str, count: int) -> None:
    """Grade `count` rows and print rewards, CPU and wall time of this process and its children."""
    rows = rows_of(LATEX if package == "math-verify" else PLAINLY, count)
    began = time.perf_counter()
    rewards = {"plain": plain, "sandboxed": sandboxed}[way](SOURCES[package], rows)
    wall = time.perf_counter() - began
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    print(json.dumps([rewards, sum(one.ru_utime + one.ru_stime for one in used), wall]))


def measured(
    way: str, package: str, few: int, many: int, rounds: int
) -> tuple[list[Any], list[float]]:
    """Rewards of many rows, and the median milliseconds a row: CPU, wall, start."""
    costs = []
    for _ in range(rounds):
        command = [sys.executable, "-m", "benchmarks.math_bench", "--child", way, package]
        _, *less = json.loads(run([*command, str(few)]))
        rewards, *more = json.loads(run([*command, str(many)]))
        costs.append(
            [(b - a) / (many - few) * 1e3 for a, b in zip(less, more, strict=True)]
            + [less[1] * 1e3]
        )
    return rewards, [statistics.median(values) for values in zip(*costs, strict=True)]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="small: values are checked, not times")
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        way, package, count = arguments.child
        child(way, package, int(count))
        return
    few, many, rounds = (2, 40, 1) if arguments.quick else (20, 220, 3)
    lines = []
    for package in SOURCES:
        want, before = measured("plain", package, few, many, rounds)
        got, after = measured("sandboxed", package, few, many, rounds)
        assert got == want, "the rewards differ"
        for name, a, b in zip(
            ("CPU ms a row", "wall ms a row", f"start and {few} rows, ms"),
            before,
            after,
            strict=True,
        ):
            lines.append([f"{package}, {name}", f"{a:.1f}", f"{b:.1f}", f"{b / a:.2f}"])
    table("Mathematics", ["", "plain loop", "sandboxed", "ratio"], lines)


if __name__ == "__main__":
    main()

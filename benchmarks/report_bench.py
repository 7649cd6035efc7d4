"""What a report costs by number of rows: CPU time over a no-op start, peak memory, bytes of the page.

    python -m benchmarks.report_bench --opens chromium    and what opening it costs, by playwright

The results are of a multi grader of four parts, one of them a panel of three judges, with tokens and
categories, and of one of three judges, with tokens; a row's answer has sixty words.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import tempfile
from collections.abc import Sequence
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

from benchmarks.memory import peak
from benchmarks.timing import GRADERS, compiled, medians, process_time, table

__all__ = ["main", "write"]

SIZES, QUICK_SIZES = (1_000, 100_000, 1_000_000), (500,)
WORDS = [
    "the",
    "answer",
    "is",
    "that",
    "your",
    "order",
    "ships",
    "within",
    "two",
    "days",
    "and",
    "may",
    "be",
    "returned",
    "for",
    "a",
    "refund",
]
CODES = ("invalid_variable_error", "sample_parse_error", "python_grader_runtime_error")


def write(results: Path, rows: Path, count: int, seed: int = 7, *, judges: bool = False) -> None:
    """Write results, of three judges alone where wanted, and the rows that they are of."""
    chance, made = random.Random(seed), _judged if judges else _line
    with results.open("w") as lines, rows.open("w") as texts:
        for index in range(count):
            answer = " ".join(chance.choices(WORDS, k=60))
            item = {"question": f"What about order {index}?", "topic": f"topic {index % 8}"}
            row = {"id": f"q{index:06}", "item": item, "sample": answer}
            texts.write(json.dumps(row) + "\n")
            lines.write(json.dumps(made(index, chance)) + "\n")


def _line(index: int, chance: random.Random) -> dict[str, Any]:
    near, same, policy = round(chance.random(), 4), float(chance.random() < 0.5), chance.random()
    scores = [float(chance.randrange(1, 11)) for _ in range(3)]
    judge = sorted(scores)[1] / 10
    apart = sum(abs(a - b) for a, b in zip(scores, [*scores[1:], scores[0]], strict=True)) / 3
    failed = index % 8 == 5
    code = CODES[index % 3]
    return {
        "index": index, "id": f"q{index:06}",
        "reward": None if failed else 0.4 * near + 0.2 * same + 0.1 * policy + 0.3 * judge,
        "sub_rewards": {"near": None if failed else near, "same": same, "policy": policy, "judge": judge},
        "failures": [{"code": code, "message": f"row {index} lacks it", "where": "near"}] if failed else [],
        "usage": {"m": {"prompt_tokens": 300, "completion_tokens": 60, "total_tokens": 360}},
        "panel": {"judge": {"scores": dict(zip(("m", "n", "o"), scores, strict=True)), "disagreement": apart}},
        "by": f"topic {index % 8}",
    }  # fmt: skip


def _judged(index: int, chance: random.Random) -> dict[str, Any]:
    failed = index % 8 == 5
    scores: dict[str, float | None] = {
        "helps": chance.randrange(1, 11) / 10,
        "tone": None if failed else chance.randrange(1, 11) / 10,
        "label": float(chance.random() < 0.7),
    }
    code, message = "model_grader_parse_error", f"row {index}: the reply holds no number"
    return {
        "index": index, "id": f"q{index:06}",
        "reward": None if failed else sum(one for one in scores.values() if one) / 3,
        "sub_rewards": scores,
        "failures": [{"code": code, "message": message, "where": "tone"}] if failed else [],
        "usage": {"m": {"prompt_tokens": 900, "completion_tokens": 180, "total_tokens": 1080}},
    }  # fmt: skip


def opening(page: Path, browser: str) -> tuple[float, float]:
    """Milliseconds of the main thread until a page is drawn, and for a search in it, in a browser."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=shutil.which(browser))
        tab = opened.new_page(viewport={"width": 1280, "height": 900})
        session = tab.context.new_cdp_session(tab)
        session.send("Performance.enable")
        tab.goto(page.as_uri())
        figures = session.send("Performance.getMetrics")["metrics"]
        spent = next(one["value"] for one in figures if one["name"] == "TaskDuration")
        tab.fill("#search", "refund 77")
        figures = session.send("Performance.getMetrics")["metrics"]
        after = next(one["value"] for one in figures if one["name"] == "TaskDuration")
        opened.close()
    return 1000 * spent, 1000 * (after - spent)


def main(*, quick: bool, browser: str | None = None) -> None:
    """Print the table."""
    compiled()
    lines: list[Sequence[str]] = []
    with tempfile.TemporaryDirectory() as folder:
        results, rows, page = (
            Path(folder, name) for name in ("out.jsonl", "rows.jsonl", "out.html")
        )
        for size, judges in product(QUICK_SIZES if quick else SIZES, (False, True)):
            write(results, rows, size, judges=judges)
            command = [GRADERS, "report", str(results), "--rows", str(rows), "-o", str(page)]
            found = medians(
                {
                    "start": lambda: process_time([GRADERS, "--version"]),
                    "text": lambda: process_time([GRADERS, "report", str(results)]),
                    "page": partial(process_time, command),
                },
                1 if quick or size > 100_000 else 3,
            )
            assert page.stat().st_size <= 2_000_000
            lines.append((
                f"{size:,} rows{', three judges' if judges else ''}",
                *(f"{found[name]:.2f} s" for name in ("start", "text", "page")),
                f"{found['page'] / found['start']:.0f}x", f"{peak(command):.0f} MB",
                f"{page.stat().st_size / 1e6:.2f} MB",
                *(f"{one:.0f} ms" for one in (opening(page, browser) if browser else ())),
            ))  # fmt: skip
    heads = (
        "work",
        "no-op start",
        "report as text",
        "as a page",
        "over the start",
        "peak memory",
        "page",
    )
    more = ("to open it", "to search in it") if browser else ()
    table("Reports", (*heads, *more), lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer rows")
    parser.add_argument("--opens", metavar="BROWSER", help="open it, too")
    arguments = parser.parse_args()
    main(quick=arguments.quick, browser=arguments.opens)

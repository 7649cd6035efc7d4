"""A report keeps nobody out: axe finds nothing serious, light and dark, wide and on a phone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import graders
from benchmarks.report_bench import write
from graders.inspection.diff import Side
from graders.report.finding import read_finding
from graders.report.html import build
from graders.report.pair import pair
from graders.rows import find_source
from tests.barriers import barriers
from tests.tree import faults
from tests.waiting import PATIENCE

pytestmark = pytest.mark.browser

SUPPORT = Path(__file__).parents[2] / "samples/support-answers"


def judged(folder: Path, count: int) -> tuple[bytes, bytes]:
    """Pages of a run with a panel of judges and categories, and of it beside another."""
    sides, found = [], []
    for name, step in (("a", 3), ("b", 4)):
        results, rows = folder / f"{name}.jsonl", folder / f"{name}.rows"
        write(results, rows, count, seed=step)
        sides.append(Side(name, 0.5))
        found.append(read_finding(results, watch=sides[-1].add_results))
    sources = [find_source([folder / f"{name}.rows"]) for name in "ab"]
    beside = pair((sides[0], sides[1]), found[1], by="", most=2000, source=sources[1])
    alone = build(found[0], source=sources[0])[0]
    return alone, build(found[0], source=sources[0], beside=beside)[0]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1100, 390])
def test_a_report_has_no_barrier(
    browser: Any, tmp_path: Path, results_file: Callable[[Path, int], Path], scheme: str, width: int
) -> None:
    grader = graders.load(SUPPORT / "grader.json")
    graders.score_file(grader, SUPPORT / "rows.jsonl", tmp_path / "out.jsonl")
    rows = find_source([SUPPORT / "rows.jsonl"])
    whole, _ = build(read_finding(tmp_path / "out.jsonl"), source=rows, grader=grader)
    failing, _ = build(read_finding(results_file(tmp_path, 60)))
    split, both = judged(tmp_path, 40)
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    page.set_default_timeout(1000 * PATIENCE)
    for made in (whole, failing, split, both):
        (tmp_path / "report.html").write_bytes(made)
        page.goto((tmp_path / "report.html").as_uri())
        page.locator("button.row").first.click()
        assert barriers(page) == []
        assert faults(page) == []
    context.close()

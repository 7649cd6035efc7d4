"""A report keeps nobody out: axe finds nothing serious, light and dark, wide and on a phone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import graders
from graders.report.finding import read_finding
from graders.report.html import build
from graders.rows import find_source
from tests.barriers import barriers
from tests.waiting import PATIENCE

pytestmark = pytest.mark.browser

SUPPORT = Path(__file__).parents[2] / "samples/support-answers"


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
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    page.set_default_timeout(1000 * PATIENCE)
    for made in (whole, failing):
        (tmp_path / "report.html").write_bytes(made)
        page.goto((tmp_path / "report.html").as_uri())
        page.locator("button.row").first.click()
        assert barriers(page) == []
    context.close()

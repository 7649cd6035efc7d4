"""Draws the pictures of docs/howto/report.md. `python tools/report_picture.py`, with Chromium.

Needs what `make test-browser` installs.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

import graders
from graders.inspection.diff import Side
from graders.report.finding import read_finding
from graders.report.html import build
from graders.report.pair import pair
from graders.rows import find_source

ROOT = Path(__file__).parent.parent
IMAGES = ROOT / "docs" / "images"


def page(sample: str, folder: Path) -> str:
    """Write the report of a sample; return its address."""
    rows = ROOT / "samples" / sample / "rows.jsonl"
    grader = graders.load(ROOT / "samples" / sample / "grader.json")
    graders.score_file(grader, rows, folder / f"{sample}.jsonl")
    finding = read_finding(folder / f"{sample}.jsonl")
    made, _ = build(finding, source=find_source([rows]), grader=grader)
    path = folder / f"{sample}.html"
    path.write_bytes(made)
    return path.as_uri()


def beside(folder: Path) -> str:
    """Write the report of two graders' rewards of the same rows; return its address."""
    sample = ROOT / "samples" / "partial-credit"
    sides, found = [], []
    for name in ("grader", "product"):
        results = folder / f"{name}.jsonl"
        graders.score_file(graders.load(sample / f"{name}.json"), sample / "rows.jsonl", results)
        sides.append(Side(name, 0.5))
        found.append(read_finding(results, watch=sides[-1].add_results))
    rows = find_source([sample / "rows.jsonl"])
    other = pair((sides[0], sides[1]), found[1], by="", most=2000)
    path = folder / "beside.html"
    path.write_bytes(build(found[0], source=rows, beside=other)[0])
    return path.as_uri()


def main() -> int:
    """Draw the pictures."""
    from playwright.sync_api import sync_playwright

    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        sys.stderr.write("there is no chromium\n")
        return 1
    with tempfile.TemporaryDirectory() as name, sync_playwright() as play:
        folder = Path(name)
        browser = play.chromium.launch(executable_path=program, args=["--no-sandbox"])
        light = browser.new_page(viewport={"width": 980, "height": 1030}, color_scheme="light")
        light.goto(page("support-answers", folder))
        light.screenshot(path=IMAGES / "report.png")
        dark = browser.new_page(viewport={"width": 980, "height": 760}, color_scheme="dark")
        dark.goto(page("partial-credit", folder))
        dark.select_option("#status", "failed")
        dark.locator("button.row").nth(2).click()
        dark.evaluate("document.getElementById('rows').scrollIntoView()")
        dark.screenshot(path=IMAGES / "report-rows.png")
        wide = browser.new_page(viewport={"width": 1280, "height": 800}, color_scheme="light")
        wide.goto(beside(folder))
        wide.evaluate("document.getElementById('count').scrollIntoView()")
        wide.locator("button.row").first.click()
        wide.screenshot(path=IMAGES / "report-beside.png")
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Draws the pictures of docs/howto/report.md. `python tools/report_picture.py`, with Chromium.

Needs what `make test-browser` installs.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

import graders
from graders.report.finding import read_finding
from graders.report.html import build
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
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())

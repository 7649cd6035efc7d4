"""The playground in Firefox, where there is one: driven by WebDriver BiDi, which needs no driver of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.server.process import Serving
from tests.server.visit import CHECK
from tests.waiting import PATIENCE

pytestmark = pytest.mark.browser

PACKAGES = Path(__file__).parents[2] / ".venv-axe"

SCRIPT = """
import puppeteer from "puppeteer-core";
const { program, address, grader, patience } = JSON.parse(process.env.VISIT);
const browser = await puppeteer.launch({ browser: "firefox", executablePath: program, headless: true, timeout: patience });
const said = [];
const seen = {};
try {
  const page = await browser.newPage();
  page.setDefaultTimeout(patience);
  page.on("console", (message) => said.push(message.text()));
  page.on("pageerror", (error) => said.push(String(error)));
  await page.goto(address);
  await page.waitForSelector("#reward");
  await page.click("#rows-try");
  await page.waitForSelector("#trial-body table");
  await page.click("#trial-close");
  for (const [name, text] of [["grader", grader], ["item", '{"answer": "Paris"}'], ["sample", "Paris"]]) {
    await page.focus(`#${name}`);
    await page.keyboard.down("Control");
    await page.keyboard.press("a");
    await page.keyboard.up("Control");
    await page.evaluate((one) => document.execCommand("insertText", false, one), text);
  }
  await page.evaluate(() => document.getElementById("result").replaceChildren());
  await page.keyboard.down("Control");
  await page.keyboard.press("Enter");
  await page.keyboard.up("Control");
  seen.reward = await page.waitForSelector("#reward").then((one) => one.evaluate((node) => node.textContent));
  await page.focus("#tab-play");
  await page.keyboard.press("ArrowRight");
  await page.waitForFunction(() => /no jobs|job/.test(document.getElementById("jobs-said").textContent));
  seen.tab = await page.evaluate(() => document.activeElement.id);
} finally {
  await browser.close();
}
console.log(JSON.stringify({ ...seen, said }));
"""


def test_a_stranger_grades_a_sample_and_rows_in_firefox(playground: Serving) -> None:
    program, node = shutil.which("firefox") or shutil.which("firefox-esr"), shutil.which("node")
    if program is None or node is None:
        pytest.skip("there is no Firefox, or no Node.js to drive it")
    if not (PACKAGES / "node_modules/puppeteer-core").is_dir():
        assert "GRADERS_CI" not in os.environ, "puppeteer is not installed: make test-browser"
        pytest.skip("puppeteer is not installed: make test-browser")
    visit = {
        "program": program, "address": playground.url, "grader": json.dumps(CHECK), "patience": 1000 * PATIENCE,
    }  # fmt: skip
    done = subprocess.run(
        [node, "--input-type=module", "-"], input=SCRIPT, cwd=PACKAGES, capture_output=True, text=True,
        timeout=4 * PATIENCE, check=False, env={**os.environ, "VISIT": json.dumps(visit)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"reward": "1.0000", "tab": "tab-jobs", "said": []}

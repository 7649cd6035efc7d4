"""Draws the pictures of docs/howto/playground.md. `python tools/playground_picture.py`, with Chromium.

Needs what `make test-browser` installs.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
IMAGES = ROOT / "docs" / "images"
SUPPORT = ROOT / "samples" / "support-answers"


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Start a server; give its address."""
    command = [sys.executable, "-m", "graders", "serve", "--port", "0", "--data-dir", str(folder)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        try:
            yield next(
                str(said["url"])
                for said in map(json.loads, server.stderr or ())
                if said["event"] == "listening"
            )
        finally:
            server.terminate()


def asked(address: str, body: bytes, kind: str = "application/json") -> Any:
    """Return the answer to a request."""
    request = urllib.request.Request(address, body, {"content-type": kind})  # noqa: S310
    with urllib.request.urlopen(request) as answer:  # noqa: S310
        return json.load(answer)


def make_job(address: str) -> None:
    """Make a job of the answers of samples/support-answers, some questions a step."""
    answers: dict[str, dict[str, Any]] = {}
    for line in (SUPPORT / "rows.jsonl").read_text().splitlines():
        row = json.loads(line)
        question = row["item"]["question"]
        given = {"messages": [{"role": "user", "content": question}], **row["item"], "samples": []}
        answers.setdefault(question, given)["samples"].append(row["sample"])
    rows = list(answers.values())
    names = []
    for part in (rows[:-16], rows[-16:]):
        content = "".join(json.dumps(one) + "\n" for one in part)
        body = (
            '--b\r\ncontent-disposition: form-data; name="purpose"\r\n\r\nfine-tune\r\n'
            '--b\r\ncontent-disposition: form-data; name="file"; filename="support.jsonl"\r\n\r\n'
            f"{content}\r\n--b--\r\n"
        )
        kind = "multipart/form-data; boundary=b"
        names.append(asked(f"{address}/v1/files", body.encode(), kind)["id"])
    grader = json.loads((SUPPORT / "grader.json").read_text())
    job = {
        "model": "o4-mini-2025-04-16", "training_file": names[0], "validation_file": names[1],
        "suffix": "support answers",
        "method": {"type": "reinforcement", "reinforcement": {
            "grader": grader,
            "hyperparameters": {"n_epochs": 1, "batch_size": 2, "eval_interval": 4},
        }},
    }  # fmt: skip
    asked(f"{address}/v1/fine_tuning/jobs", json.dumps(job).encode())


def make_runs(address: str) -> str:
    """Make an eval of samples/support-answers with two runs; return the path of them side by side."""
    rows = [json.loads(line) for line in (SUPPORT / "rows.jsonl").read_text().splitlines()]
    said = "{{ sample.output_text }}"
    criteria = [
        {"type": "text_similarity", "name": "like the reference", "input": said,
         "reference": "{{ item.reference }}", "evaluation_metric": "rouge_l", "pass_threshold": 0.3},
        {"type": "string_check", "name": "names the fact", "input": said,
         "reference": "{{ item.must_mention }}", "operation": "ilike"},
    ]  # fmt: skip
    config = {"type": "custom", "item_schema": {"type": "object"}, "include_sample_schema": True}
    body = {"name": "Support answers", "data_source_config": config, "testing_criteria": criteria}
    path = f"/evals/{asked(f'{address}/v1/evals', json.dumps(body).encode())['id']}/runs"
    made = []
    for name, every in (("baseline", 1), ("new prompt", 4)):
        best = {
            row["item"]["question"]: row["sample"] for row in rows if row["quality"] == "excellent"
        }
        content = [
            {"item": row["item"],
             "sample": best.get(row["item"]["question"], row["sample"]) if place % every else row["sample"]}
            for place, row in enumerate(rows)
        ]  # fmt: skip
        source = {"type": "jsonl", "source": {"type": "file_content", "content": content}}
        run = json.dumps({"name": name, "data_source": source}).encode()
        made.append(asked(f"{address}/v1{path}", run)["id"])
    return f"{path}/{made[0]}?with={made[1]}"


def draw(browser: Any, address: str, runs: str, folder: Path) -> None:
    """Draw the pictures."""
    page = browser.new_page(viewport={"width": 1440, "height": 1000}, color_scheme="light")
    page.goto(address)
    page.locator("#reward").wait_for()
    page.click("#rows-try")
    page.locator("#trial-body").wait_for()
    page.click("#compare")
    other = page.input_value("#other").replace("0.7 *", "0.2 *").replace("0.3 *", "0.8 *")
    page.fill("#other", other)
    page.locator("#trial-said", has_text="4 rows differ").wait_for()
    page.locator("#trial").scroll_into_view_if_needed()
    page.evaluate("scrollTo(0, document.getElementById('trial').offsetTop - 12)")
    page.mouse.click(1435, 990)
    page.screenshot(path=folder / "playground.png")
    dark = browser.new_page(viewport={"width": 1440, "height": 1000}, color_scheme="dark")
    dark.goto(address)
    dark.click("#tab-jobs")
    dark.locator("#job-verdict", has_text="Verdict").wait_for(timeout=120_000)
    dark.locator("#job-curve figure").wait_for()
    dark.screenshot(path=folder / "playground-job.png")
    page.goto(f"{address}{runs}")
    page.locator("#state", has_text="A is completed; B is completed.").wait_for(timeout=120_000)
    page.locator("#lines tr").first.wait_for()
    page.screenshot(path=folder / "eval-report.png")


def main() -> int:
    """Draw the pictures."""
    from playwright.sync_api import sync_playwright

    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        sys.stderr.write("there is no chromium\n")
        return 1
    with tempfile.TemporaryDirectory() as name, served(Path(name)) as address:
        make_job(address)
        runs = make_runs(address)
        with sync_playwright() as play:
            browser = play.chromium.launch(executable_path=program, args=["--no-sandbox"])
            draw(browser, address, runs, IMAGES)
            browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""A pytest plugin for the SDK's own suites: the store as it was before each test; what came out.

It runs in the SDK's interpreter, beside tests that are not changed, and knows nothing of graders
but its tables.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest

STORE = Path(os.environ["GRADERS_SUITE_STORE"])
PICTURE = Path(os.environ["GRADERS_SUITE_PICTURE"])
OUT = Path(os.environ["GRADERS_SUITE_OUT"])
TABLES = (
    "file", "job", "job_metadata", "event", "checkpoint", "permission", "eval", "run", "item",
)  # fmt: skip
# The suites cancel, pause and resume one job, whatever was done to it before.
STATUS = {"resume": "paused", "pause": "queued", "cancel": "queued"}

outcomes: dict[str, str] = {}


@pytest.fixture(autouse=True)
def _as_it_was(request: pytest.FixtureRequest) -> None:
    status = next((STATUS[word] for word in STATUS if word in request.node.name), "running")
    with contextlib.closing(
        sqlite3.connect(STORE / "graders.sqlite", isolation_level=None, timeout=60)
    ) as base:
        base.execute("ATTACH ? AS picture", (str(PICTURE),))
        base.execute("BEGIN IMMEDIATE")
        for table in TABLES:
            base.execute(f"DELETE FROM {table}")
            base.execute(f"INSERT INTO {table} SELECT * FROM picture.{table}")
        # A file that an unfinished job uses cannot be deleted, and the suites delete theirs.
        base.execute("UPDATE job SET status=? WHERE id LIKE 'ft-%'", (status,))
        if "cancel" in request.node.name:
            base.execute("UPDATE run SET status='queued' WHERE id='run_id'")
        base.execute("COMMIT")
    for blob in PICTURE.with_suffix(".files").iterdir():
        if not (STORE / "files" / blob.name).exists():
            shutil.copy(blob, STORE / "files" / blob.name)
    shutil.copytree(PICTURE.with_suffix(".uploads"), STORE / "uploads", dirs_exist_ok=True)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Keep the worst of what a test's stages came to, and why."""
    if report.failed:
        # From the middle of the file on: the reason stands at the end.
        outcomes[report.nodeid] = str(report.longrepr)[-1500:]
    elif report.when == "call" and report.nodeid not in outcomes:
        outcomes[report.nodeid] = "passed" if report.passed else "skipped"


def pytest_sessionfinish(session: pytest.Session, exitstatus: Any) -> None:
    """Write down what came out."""
    OUT.write_text(json.dumps(outcomes))

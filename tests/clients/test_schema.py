"""What /openapi.json says is what the server does: schemathesis asks everything it can think of."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from tests.clients.environment import ROOT, SCHEMATHESIS
from tests.clients.serving import Serving
from tests.server.test_grader import CHECK

pytestmark = pytest.mark.clients

# How many requests there are is said, never how long: a faster machine would ask what no other did.
EXAMPLES = 20
# A schema cannot say that a label is one of a list beside it, that a formula names graders that are
# there, or that a job which has ended cannot be paused: what it allows may be refused with a 400.
NOT_CHECKED = "positive_data_acceptance"
OPERATIONS = 30


def test_the_server_does_what_its_description_says(tmp_path: Path) -> None:
    grader = tmp_path / "grader.json"
    grader.write_text(json.dumps(CHECK))
    server = Serving(tmp_path / "store", "--base-url", "http://127.0.0.1:9", "--attempts", "1",
                     "--max-file", "1M", "--grader", f"check={grader}")  # fmt: skip
    try:
        done = subprocess.run(
            [ROOT / SCHEMATHESIS / "bin" / "st", "run", f"{server.url}/openapi.json",
             "--checks", "all", "--exclude-checks", NOT_CHECKED,
             "--phases", "examples,coverage,fuzzing,stateful", "--max-examples", str(EXAMPLES),
             "--seed", "1", "--warnings", "off"],
            cwd=tmp_path, capture_output=True, text=True, check=False, timeout=900,
            env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "LANG": "C.UTF-8"},
        )  # fmt: skip
    finally:
        stopped = server.stop()
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    tested = re.search(r"Tested: (\d+)", done.stdout)
    cases = re.search(r"([\d,]+) generated", done.stdout)
    assert tested, done.stdout
    assert cases, done.stdout
    assert int(tested[1]) >= OPERATIONS
    assert int(cases[1].replace(",", "")) > 100
    assert stopped == 0
    assert "Traceback" not in server.said
    assert '"fault"' not in server.said

"""The SDK's own tests, unchanged, against a real server over a store that knows their ids."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.clients.environment import PYTHON, interpreter, suite
from tests.clients.seed import seeded
from tests.clients.serving import Serving
from tests.waiting import PATIENCE

pytestmark = pytest.mark.clients

FILES = [
    f"tests/api_resources/{name}"
    for name in (
        "test_files.py",
        "fine_tuning",
        "test_uploads.py",
        "uploads",
        "test_evals.py",
        "evals",
    )
]

# What cannot pass, by the name of the test, and why. A test that fails and is not here is a fault
# of ours; one that is here and passes has to leave the list.
PAUSED = 'the service answers "paused", as its reference shows; the SDK\'s types do not have it'
PART = 'the suite completes an upload of the part "string", and no part is called that'
ROLE = 'the suite\'s judge is told by a message of the role "role", which no model takes'
NO_ERROR = "a new run has no error, and the service's null says so; the SDK's type has no null"
EXPECTED: dict[str, dict[str, str]] = {
    name: {
        r"/test_jobs\.py::\w+::test_(method|raw_response|streaming_response)_pause\[": PAUSED,
        r"/test_uploads\.py::\w+::test_(method|raw_response|streaming_response)_complete": PART,
        r"/test_evals\.py::\w+::test_(method|raw_response|streaming_response)_create": ROLE,
        r"/test_runs\.py::\w+::test_(method|raw_response|streaming_response)_create": NO_ERROR,
    }
    for name in PYTHON
}


def run(name: str, folder: Path) -> dict[str, str]:
    """Run the suite of one version; return what came of each test."""
    store, out = folder / "store", folder / "outcomes.json"
    with seeded(store) as told:
        server = Serving(store, "--jobs", "0")
        try:
            done = subprocess.run(
                [interpreter(name), "-m", "pytest", "-q", "-n0", "-p", "suite_plugin", "-p",
                 "no:cacheprovider", *FILES],
                cwd=suite(name), capture_output=True, text=True, check=False, timeout=PATIENCE,
                env={**os.environ, **told, "TEST_API_BASE_URL": f"{server.url}/v1",
                     "GRADERS_SUITE_OUT": str(out), "PYTHONPATH": str(Path(__file__).parent),
                     "PYTHONDONTWRITEBYTECODE": "1"},
            )  # fmt: skip
        finally:
            server.stop()
    assert out.exists(), done.stdout[-4000:] + done.stderr[-2000:]
    outcomes: dict[str, str] = json.loads(out.read_text())
    return outcomes


@pytest.mark.parametrize("name", list(PYTHON))
def test_the_sdk_s_own_suite_passes(name: str, tmp_path: Path) -> None:
    outcomes = run(name, tmp_path)
    assert len(outcomes) > 690, outcomes
    expected = EXPECTED[name]
    unexpected = {
        test: why
        for test, why in outcomes.items()
        if why != "passed" and not any(re.search(each, test) for each in expected)
    }
    assert not unexpected, "\n\n".join(f"{test}: {why}" for test, why in unexpected.items())
    better = [
        test
        for test, why in outcomes.items()
        if why == "passed" and any(re.search(each, test) for each in expected)
    ]
    assert not better, f"these pass now: {better}"
    for each in expected:
        assert any(re.search(each, test) for test in outcomes), f"no test is called {each}"


@pytest.mark.parametrize("mode", ["disk", "memory"])
def test_the_sdk_s_own_example_of_uploads_runs(mode: str, tmp_path: Path) -> None:
    content = b"0123456789abcdef" * (1 << 16)
    (tmp_path / "big_test_file.txt").write_bytes(content)
    server = Serving(tmp_path / "store", "--jobs", "0")
    try:
        done = subprocess.run(
            [interpreter("openai-3"), suite("openai-3") / "examples" / "uploads.py",
             tmp_path / "big_test_file.txt", mode],
            capture_output=True, text=True, check=False, timeout=PATIENCE, cwd=tmp_path,
            env={"PATH": os.environ["PATH"], "OPENAI_BASE_URL": f"{server.url}/v1",
                 "OPENAI_API_KEY": "anything", "COLUMNS": "200"},
        )  # fmt: skip
    finally:
        assert server.stop() == 0
    assert done.returncode == 0, done.stderr[-2000:]
    assert "status='completed'" in done.stdout, done.stdout
    assert f"bytes={len(content)}" in done.stdout, done.stdout

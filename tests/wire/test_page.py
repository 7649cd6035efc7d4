"""The pages about jobs say what the code does."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from graders.jobs import Store, run_job

ROOT = Path(__file__).parent.parent.parent
FENCE = re.compile(r"^```json file=(\S+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def test_every_code_and_reason_is_explained() -> None:
    page = (ROOT / "docs/reference/job.md").read_text()
    source = "\n".join(path.read_text() for path in (ROOT / "graders/jobs").glob("*.py"))
    codes = set(
        re.findall(r'(?:RefusedError|Reason|_nothing|Rollout)\(\s*(?:None, )?"(\w+)"', source)
    )
    assert len(codes) > 30
    assert [code for code in sorted(codes) if f"`{code}`" not in page] == []


def test_every_field_of_a_verdict_is_explained(store: Store, body: Any) -> None:
    page = (ROOT / "docs/reference/job.md").read_text()
    verdict = run_job(store, store.jobs.create(body())["id"])["dry_run"]["verdict"]
    assert [name for name in set(verdict) - {"weights_trained"} if f"`{name}`" not in page] == []


def test_the_example_of_the_how_to_runs(tmp_path: Path, monkeypatch: Any, capfd: Any) -> None:
    from graders import cli

    monkeypatch.chdir(tmp_path)
    for name, text in FENCE.findall((ROOT / "docs/howto/dry-run-a-job.md").read_text()):
        (tmp_path / name).write_text(text)
    assert cli._main(["job", "run", "body.json", "--data-dir", "data"]) == 0
    shown = capfd.readouterr().out
    assert "step 4 of 4" in shown
    assert re.search(r"mean reward +0\.6250 +0\.5000", shown)

"""Several servers on one store: jobs that others hold keep nobody waiting, and cost nothing."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from graders.jobs import Store
from tests.jobs.conftest import CHECK, lines, rows
from tests.server.process import Serving
from tests.waiting import until


def test_jobs_that_another_server_holds_do_not_keep_a_slot(
    start: Callable[..., Serving], tmp_path: Path
) -> None:
    with Store(tmp_path / "store") as store, contextlib.ExitStack() as stack:
        file = store.files.create([lines(rows(3))], filename="x", purpose="fine-tune")["id"]
        method = {"type": "reinforcement", "reinforcement": {"grader": CHECK}}
        body = {"model": "o4-mini-2025-04-16", "training_file": file, "validation_file": file,
                "method": method}  # fmt: skip
        held = [store.jobs.create(body)["id"] for _ in range(6)]
        for name in held:
            assert stack.enter_context(store.jobs.claim(name)).held
        waiting = store.jobs.create(body)["id"]
        server = start(folder=store.folder)
        until(lambda: _status(store, waiting) == "succeeded")
        assert {_status(store, name) for name in held} == {"validating_files"}
        server.stop()
        # One process for the job that ran, and none to find out that the others are taken.
        ended = [line["id"] for line in server.lines if line["event"] == "job"]
        assert ended == [waiting]


def _status(store: Store, name: str) -> Any:
    return store.jobs.get(name)["status"]

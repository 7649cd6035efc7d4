"""Running the rules over an example."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from inspect import signature
from pathlib import Path
from typing import Any

import pytest

from graders.api import Grader
from graders.calls import PythonError
from graders.config import load_source
from graders.errors import ConfigError
from graders.inspection.lint import (
    Finding,
    Subject,
    TrainingFile,
    askable,
    lint,
    measure,
    of_faults,
    read_training,
)
from graders.inspection.lint.finding import Example
from graders.reading import Reading
from graders.rows import Block, Layout, decode_block
from graders.sandbox import PythonSandbox

Run = Callable[[Example], list[Finding]]


def lines(rows: Any) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def files(example: Example, ready: Grader, folder: Path) -> list[TrainingFile]:
    found: list[TrainingFile] = []
    for use, rows in (("training", example.training), ("validation", example.validation)):
        if rows is not None:
            path = folder / f"{use}.jsonl"
            path.write_bytes(lines(rows))
            other = found[0] if found else None
            found.append(read_training(str(path), use, ready.plan.paths, other=other))  # type: ignore[arg-type]
    return found


class Quick:
    """Loads sources in this process, for they are our own; a sandbox has those that will not load."""

    def __init__(self, sandbox: PythonSandbox) -> None:
        self.perform = sandbox.perform
        self._check = sandbox.check

    def check(self, source: str, image_tag: str | None = None) -> PythonError | None:
        known: dict[str, Any] = {}
        try:
            exec(source, known)
            sound = len(signature(known["grade"]).parameters) == 2
        except Exception:  # noqa: BLE001  (what a load error is called, the sandbox says)
            sound = False
        return None if sound else self._check(source, image_tag)


@pytest.fixture(scope="module")
def quick() -> Iterator[Quick]:
    """A process for each of a hundred sources would take longer than all that rules do."""
    with PythonSandbox() as sandbox:
        yield Quick(sandbox)


@pytest.fixture
def run(tmp_path: Path, request: pytest.FixtureRequest) -> Run:
    """The findings of a grader with its rows and files; faults of the config are findings too."""

    def call(example: Example) -> list[Finding]:
        try:
            loaded = load_source(json.dumps(example.grader, indent=1), dialect=example.dialect)
            # Where no source is run, there need not be a sandbox on this machine.
            runs = '"python"' in json.dumps(example.grader)
            python = request.getfixturevalue("quick") if runs else None
            with Grader(loaded, python=python, reading=Reading(dialect=example.dialect)) as ready:
                ready.check()
                measured = None
                if example.rows is not None:
                    part, skipped = askable(loaded, ready.plan, models=False, endpoints=False)
                    block = Block(lines(example.rows), is_table=example.cells, cells=example.cells)
                    chunks = [decode_block(block, Layout())]
                    grader = None if part is None else Grader(part, python=python)
                    measured = measure(
                        ready.plan, chunks, "rows", grader=grader, skipped=skipped, limit=1000
                    )
                    if grader is not None:
                        grader.close()
                # A process looks for them: it need not where there is not even the word.
                imports = any(one in json.dumps(example.grader) for one in ("import", "'sample'"))
                subject = Subject(
                    loaded=loaded, plan=ready.plan, target=example.target, measured=measured,
                    seen=Grader(loaded).seen() if imports else {}, retired=ready.retired_models(),
                    files=files(example, ready, tmp_path),
                )  # fmt: skip
        except ConfigError as error:
            return list(of_faults(error.faults, error.source))
        return lint(subject)

    return call

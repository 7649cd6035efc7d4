"""Running the rules over an example."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from graders.api import Grader
from graders.choices import Choices
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
from graders.rows import Block, Layout, decode_block

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


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """The findings of a grader with its rows and files; faults of the config are findings too."""

    def call(example: Example) -> list[Finding]:
        try:
            loaded = load_source(json.dumps(example.grader, indent=1), dialect=example.dialect)
            with Grader(loaded, choices=Choices(dialect=example.dialect)) as ready:
                ready.check()
                measured = None
                if example.rows is not None:
                    part, skipped = askable(loaded, ready.plan, ask=False)
                    chunks = [decode_block(Block(lines(example.rows)), Layout())]
                    grader = None if part is None else Grader(part)
                    measured = measure(
                        ready.plan, chunks, "rows", grader=grader, skipped=skipped, limit=1000
                    )
                    if grader is not None:
                        grader.close()
                # A process looks for them: it need not where there is not even the word.
                imports = "import" in json.dumps(example.grader)
                subject = Subject(
                    loaded=loaded, plan=ready.plan, target=example.target, measured=measured,
                    missing=ready.missing_imports() if imports else {}, retired=ready.retired_models(),
                    files=files(example, ready, tmp_path),
                )  # fmt: skip
        except ConfigError as error:
            return list(of_faults(error.faults, error.source))
        return lint(subject)

    return call

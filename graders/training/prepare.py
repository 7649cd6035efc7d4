"""What stands before training: files checked, numbers chosen, rows written in the words of templates."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from graders import jsontext
from graders.api import Grader
from graders.config import load_source
from graders.errors import GradersError
from graders.jobs.dataset import OWN_FIELDS, Dataset
from graders.jobs.journal import Journal
from graders.jobs.validation import (
    MOST_EXAMPLES,
    JobFile,
    RefusedError,
    Remark,
    check_examples,
    check_files,
    open_file,
)
from graders.privacy import close_to_others, opener, private_folder
from graders.training.base import Base, model_name
from graders.training.hyperparameter import schedule
from graders.training.option import TrainRun
from graders.training.reason import no_room
from graders.training.rows import dpo_row, prompt_row, supervised_row

__all__ = ["PLAN", "check", "prepare", "room", "write_plan"]

PLAN: Final = "plan.json"
_PARTS: Final = ("rows", "cache", "tmp", "checkpoints")
_ROWS: Final[dict[str, Callable[[Any], dict[str, Any]]]] = {
    "supervised": supervised_row,
    "dpo": dpo_row,
    "reinforcement": lambda row: prompt_row(row, OWN_FIELDS),
}


@contextlib.contextmanager
def room(folder: Path) -> Iterator[None]:
    """Fail the job, in a sentence, where its folder cannot be written.

    Raises:
        RefusedError: in place of an OSError.
    """
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))
        raise RefusedError(
            "disk_full" if full else "training_failed",
            no_room(folder) if full else f"{folder} cannot be written: {error.strerror or error}",
        ) from None


def check(journal: Journal, options: TrainRun) -> list[Remark]:
    """Check a job's files and its grader; return what is odd.

    Raises:
        RefusedError: the job cannot be trained.
    """
    files, kind = journal.files(), journal.request["kind"]
    if kind != "reinforcement":
        return check_examples(files, kind, None)
    loaded = load_source(journal.request["body"])
    try:
        with Grader(
            loaded, reading=options.reading, python=options.python, judge=options.judge
        ) as grader:
            checked = check_files(files, loaded, grader, options, "local", asks=True)
            checked.close()
            grader.prepare()
            # What the hosted service would train, and until when, is of no matter here.
            return [one for one in checked.remarks if one.data.get("path") != "$.model"]
    except RefusedError:
        raise
    except GradersError as error:
        raise RefusedError("grader_unavailable", str(error)) from None


def prepare(journal: Journal, options: TrainRun, base: Base, folder: Path) -> dict[str, Any]:
    """Write what the training process reads into the job's folder, and return the plan.

    Args:
        journal: the job's.
        options: how it is trained.
        base: the model that is trained.
        folder: the job's folder; made.

    Raises:
        RefusedError: a file is not what it was, or there is no room.
    """
    request, files = journal.request, journal.files()
    kind, training = request["kind"], options.training
    with room(folder), ExitStack() as stack:
        private_folder(folder)
        close_to_others(folder)
        for one in _PARTS:
            private_folder(folder / one)
        counts: dict[str, int] = {}
        for use in ("training", "validation"):
            file = files[use]
            counts[use] = 0
            if file is not None:
                data = open_file(
                    file, "training" if use == "training" else "validation", MOST_EXAMPLES
                )
                stack.callback(data.close)
                _write_rows(data, folder / "rows" / f"{use}.jsonl", _ROWS[kind])
                counts[use] = len(data)
        method = request["method"][kind]
        numbers = schedule(kind, method["hyperparameters"], counts["training"], training)
        plan = {
            "kind": kind, "model": request["model"], "base": base.path, "hub": base.hub,
            "name": model_name(request["model"], request["suffix"], journal.name),
            "job": journal.name, "full": training.full, "seed": request["seed"], "rows": counts,
            "schedule": asdict(numbers), "integrations": request["integrations"] or [],
            "body": {name: request["body"][name] for name in sorted(request["body"])},
            "reasoning_effort": method["hyperparameters"].get("reasoning_effort"),
            "response_format": method.get("response_format"),
            "files": {use: _told(file) for use, file in files.items()},
            "settings": {
                "lora_rank": None if training.full else training.rank, "length": training.length,
                "answer_tokens": training.answer_tokens, "flat": training.flat,
            },
        }  # fmt: skip
        write_plan(folder, plan)
    return plan


def _told(file: JobFile | None) -> dict[str, Any] | None:
    return None if file is None else {"filename": file.filename, "sha256": file.sha256}


def _write_rows(data: Dataset, path: Path, row: Callable[[Any], dict[str, Any]]) -> None:
    partial = path.with_suffix(".partial")
    with open(partial, "wb", opener=opener) as target:
        target.writelines(
            jsontext.encode(row(data.value(index))) + b"\n" for index in range(len(data))
        )
    partial.replace(path)


def write_plan(folder: Path, plan: dict[str, Any]) -> None:
    """Put a job's plan where its training process reads it.

    Raises:
        OSError: it cannot be written.
    """
    path = folder / PLAN
    partial = path.with_suffix(".partial")
    with open(partial, "wb", opener=opener) as target:
        target.write(jsontext.encode(plan))
        target.flush()
        os.fsync(target.fileno())
    partial.replace(path)

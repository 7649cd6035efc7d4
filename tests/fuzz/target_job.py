"""Bodies and files of fine-tuning jobs: refused with a place, or good enough to be shown and run.

Input: a byte for what is read, then a body; or a training file, 0xFF and a validation file.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from graders import jsontext
from graders.api import Grader
from graders.config import load_source
from graders.errors import GradersError
from graders.jobs.dataset import Dataset
from graders.jobs.option import RunOptions
from graders.jobs.request import JobRequest
from graders.jobs.validation import JobFile, RefusedError, check_examples, check_files
from graders.server.json_object import parse_object
from graders.wire.error import ApiError
from tests.fuzz import row, scratch, target_config

TOKENS = (
    *row.TOKENS, *target_config.TOKENS, b'"messages": [', b'{"role": "user", "content": "', b'"assistant"', b'"developer"',
    b'"tool"', b'"samples": [', b'"preferred_output": [', b'"non_preferred_output": [', b'"input": {', b'"model": "m"',
    b'"training_file": "file-a"', b'"validation_file": ', b'"suffix": ', b'"metadata": {"', b'"integrations": [{"type": "wandb", ',
    b'"wandb": {"project": "p"}', b'"method": {"type": "dpo", "dpo": {', b'"supervised"', b'"hyperparameters": {', b'"n_epochs": ',
    b'"batch_size": "auto"', b'"beta": ', b'"learning_rate_multiplier": ', b'"tool_calls": [', b'"weight": ', b'"image_url": {"url": "',
    b"\n", b"\xff",
)  # fmt: skip
_LOADED = load_source(
    {
        "type": "string_check", "name": "s", "operation": "eq",
        "input": "{{ item.a }}", "reference": "{{ sample.output_text }}",
    }
)  # fmt: skip


def target(data: bytes) -> None:
    kind, rest = (data[:1] or b"\0")[0] % 4, data[1:]
    if kind == 0:
        _read_body(rest)
        return
    first, _, second = rest.partition(b"\xff")
    files = {
        "training": _file("training", first),
        "validation": _file("validation", second) if second else None,
    }
    refused = _refusal(kind, files)
    if refused is not None:
        said = [refused.code, str(refused), *(one.message for one in refused.remarks)]
        assert all(said)
        jsontext.encode(said)


def _refusal(kind: int, files: Any) -> RefusedError | None:
    try:
        if kind == 1:
            _read_files(files)
        else:
            check_examples(files, "supervised" if kind == 2 else "dpo", "gpt-4.1")
    except RefusedError as error:
        return error
    return None


def _read_body(body: bytes) -> None:
    request = _request(body)
    if isinstance(request, ApiError):
        assert request.status == 400
        json.loads(jsontext.encode(request.body()))
        return
    shown = json.loads(jsontext.encode(request.to_dict()))
    assert request.kind in ("supervised", "dpo", "reinforcement")
    again = JobRequest.parse({**shown["body"], "seed": request.seed})
    assert again.method == request.method


def _request(body: bytes) -> JobRequest | ApiError:
    try:
        return JobRequest.parse(parse_object(body))
    except ApiError as error:
        return error


def _file(name: str, data: bytes) -> JobFile:
    path = scratch.written(f"{name}.jsonl", data)
    return JobFile(f"file-{name}", path, hashlib.sha256(data).hexdigest(), f"{name}.jsonl")


def _read_files(files: Any) -> None:
    with Grader(_LOADED) as grader:
        try:
            checked = check_files(files, _LOADED, grader, RunOptions(), "local")
        except RefusedError:
            raise
        except GradersError as error:
            raise AssertionError(f"refused by another name: {error!r}") from error
        try:
            for rows in (checked.training, checked.validation):
                _check_rows(rows)
        finally:
            checked.close()


def _check_rows(rows: Dataset) -> None:
    assert len(rows)
    for index in range(len(rows)):
        one = rows.row(index)
        assert isinstance(one.item, dict)
        assert len(one.samples) == rows.recorded[index]
        assert one.line == rows.line(index)

"""Bodies of the server's grading requests: each is answered in JSON, and never as a fault of ours.

Input: a byte for the task, or for the form in which rewards are asked for, and the body.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from graders.config import load_source
from graders.server.form import FORMS
from graders.server.frame import Answer, Elsewhere, bundle, framed, split
from graders.server.handler import Handler
from graders.server.option import ServeOptions
from tests.fuzz import row, target_config
from tests.server.test_grader import CHECK

TOKENS = (
    *target_config.TOKENS, *row.TOKENS, b'"item": {', b'"model_sample": "', b'"sample": ', b'"target": "openai"',
    b'"azure"', b'"rows": [', b'"items": [', b'"samples": [', b'"query": ["', b'"prompts": [', b'"labels": ["{',
    b'"trace_id"', b'"example": {"references": {', b'"response": {"parts": [{"text": "', b'"functionCall": {',
    b'[{"id": "1", "messages": [', b'"metadata": {', b'"responses_create_params": {', b'"output": [',
)  # fmt: skip
_TASKS = ("run", "validate", "explain", "lint")
_REFUSED = (400, 413)


@functools.cache
def _handler() -> Handler:
    graders = {"check": load_source(CHECK)}
    return Handler(ServeOptions(data_dir=Path("/nowhere"), graders=graders), "metrics")


def target(data: bytes) -> None:
    which, body = (data[:1] or b"\0")[0] % (len(_TASKS) + len(FORMS)), data[1:]
    if which >= len(_TASKS):
        _reward(which - len(_TASKS), body)
        return
    task = _TASKS[which]
    answer = _handler().answer(task, body)
    if isinstance(answer, Elsewhere):
        return  # For a process that asks models.
    said: Any = json.loads(answer.body.decode())
    if answer.status != 200:
        assert answer.status in _REFUSED, (answer.status, said)
        assert said["error"]["message"]
        return
    _CHECKS[task](said)


def _reward(form: int, body: bytes) -> None:
    bundled = _handler().answer("reward", bundle(b"check", [framed(form, body)]))
    assert isinstance(bundled, Answer)
    (answer,) = split(bundled.body)
    said: Any = json.loads(answer.body.decode())
    assert answer.status in (200, 422, *_REFUSED), (answer.status, said)
    if answer.status != 200:
        assert said["error"]["message"]
    elif FORMS[form].name == "batch":
        assert [one["reward"] for one in said["results"]] == said["rewards"]
        assert said["counts"]["failed"] == said["rewards"].count(None)


def _check_run(said: Mapping[str, Any]) -> None:
    flags = [name for name, value in said["metadata"]["errors"].items() if value is True]
    assert isinstance(said["reward"], float)
    assert not flags or said["reward"] == 0.0 or said["sub_rewards"]


def _check_validate(said: Mapping[str, Any]) -> None:
    # What is given back is valid itself.
    again = _handler().answer("validate", json.dumps(said).encode())
    assert isinstance(again, Answer)
    assert again.status == 200
    assert json.loads(again.body) == said


def _check_explain(said: Mapping[str, Any]) -> None:
    if said["ok"]:
        assert (said["grade"]["reward"] is None) == bool(said["grade"]["failures"])
    else:
        assert said["faults"]


def _check_lint(said: Mapping[str, Any]) -> None:
    assert isinstance(said["findings"], list)


_CHECKS = {
    "run": _check_run, "validate": _check_validate, "explain": _check_explain, "lint": _check_lint,
}  # fmt: skip

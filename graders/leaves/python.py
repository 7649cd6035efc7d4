"""python: ask for a call of `grade(sample, item)` a row, and settle the replies. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from graders.calls import PythonCall, PythonError, PythonReply
from graders.config import Python
from graders.grade import Failure
from graders.hosted import Code
from graders.sample import Absent, Unparsed

__all__ = ["CODE_OF_KIND", "ask", "failure_of", "settle"]

CODE_OF_KIND: Final[Mapping[str, Code]] = {
    # The grader's own doing: deterministic, so another run would give the same.
    "runtime": "python_grader_runtime_error",
    "load": "python_grader_runtime_error",
    "returned": "python_grader_runtime_error",
    "timeout": "python_grader_runtime_error",
    "memory": "python_grader_runtime_error",
    "crash": "python_grader_runtime_error",
    # This machine's doing.
    "sandbox_unavailable": "python_grader_server_error",
    "worker_start": "python_grader_server_error",
    "protocol": "python_grader_server_error",
    "resource": "python_grader_server_error",
}
"""Which hosted flag each kind of error sets. Which condition sets which is not documented."""


def ask(config: Python, samples: Sequence[Any], items: Sequence[Any]) -> PythonCall:
    """Return the call for a column of rows.

    A row without a sample or an item passes an empty dict, as does `output_json` that is not
    JSON: the key is left out, as the service leaves it out.
    """
    return PythonCall(
        config.source,
        [_sample(sample) for sample in samples],
        [{} if isinstance(item, Absent) or item is None else item for item in items],
        config.image_tag,
    )


def _sample(sample: Any) -> dict[str, Any]:
    if isinstance(sample, Absent) or sample is None:
        return {}
    if isinstance(sample, str):
        return {"output_text": sample}
    if isinstance(sample.get("output_json"), Unparsed):
        return {key: value for key, value in sample.items() if key != "output_json"}
    return dict(sample)


def settle(replies: Sequence[PythonReply]) -> tuple[list[float | None], dict[int, Failure]]:
    """Return the scores and the failures of a column of replies."""
    scores = [reply.score for reply in replies]
    failures = {
        row: failure_of(reply.error) for row, reply in enumerate(replies) if reply.error is not None
    }
    return scores, failures


def failure_of(error: PythonError) -> Failure:
    """Return the failure that a python grader's error makes."""
    code = CODE_OF_KIND[error.kind]
    # The service has one text for each flag: the traceback, or the type of its own error.
    details = error.kind if code == "python_grader_server_error" else error.details
    return Failure(code, error.message, details=details)

"""What the server refuses with: the `code` in its error bodies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from graders.inspection.meaning.entry import Case, Meaning

__all__ = ["REFUSALS"]

_SAID: Final[Mapping[str, tuple[str, str, str]]] = {
    "invalid_json": (
        "The body is not JSON, or not an object.", "Send JSON, in UTF-8.",
        "POST /v1/fine_tuning/alpha/graders/run with {",
    ),
    "invalid_form": (
        "The multipart form of an upload is faulty.", "Let the SDK, or curl -F, make the form.",
        "POST /v1/files with a body that is no form",
    ),
    "invalid_http": (
        "What came is not HTTP.", "Look at the client, or at the proxy between.",
        "GET without a path or a version",
    ),
    "ambiguous_length": (
        "A request gives its length twice, or in two ways.",
        "Look at the proxy between: it could be made to see another request than the server.",
        "Content-Length beside Transfer-Encoding",
    ),
    "unknown_url": (
        "There is nothing at this method and path.",
        "Look at the base_url: it ends with /v1. docs/reference/server.md lists the paths.",
        "GET /v2/files",
    ),
    "method_not_allowed": (
        "There is something at this path, but not for this method.", "Use the method that is named.",
        "PUT /v1/files",
    ),
    "unknown_parameter": (
        "A parameter of the request is not known.", "Write it as the message has it.",
        'POST /v1/rewards/batch/answer with {"row": []}',
    ),
    "not_found": ("There is no eval, run or item of this id.", "graders evals list has the ids.", "GET /v1/evals/eval_none"),
    "grader_not_found": (
        "No grader of this name is served.", "Name one of those that the message lists; --grader NAME=PATH adds one.",
        "POST /v1/rewards/batch/none",
    ),
    "fine_tune_not_found": ("There is no job of this id.", "graders job list has the ids.", "GET /v1/fine_tuning/jobs/ftjob-none"),
    "checkpoint_not_found": ("There is no checkpoint of this id.", "List the job's checkpoints.", "POST /v1/fine_tuning/checkpoints/none/permissions"),
    "permission_not_found": ("The checkpoint has no permission of this id.", "List the checkpoint's permissions.", "DELETE of a permission that was deleted"),
    "host_not_allowed": (
        "The Host of the request is none of the server's names.",
        "Call it 127.0.0.1 or localhost, or add the name by --allow-host.",
        "GET / with Host: graders.example.com",
    ),
    "origin_not_allowed": (
        "A page of another origin asked the server.",
        "Open the server's own page; a page of yours asks through your own server.",
        "POST with Origin: https://example.com",
    ),
    "endpoint_not_allowed": (
        "An endpoint grader names a host that the server may not send rows to.",
        "Start the server with --allow-endpoint HOST.",
        "graders.run with an endpoint grader",
    ),
    "invalid_api_key": (
        "The request lacks the server's token, or carries another.",
        "Give the SDK the token as api_key; it stands in the file that the server named at its start.",
        "GET /v1/files of a server with --token-file, without the token",
    ),
    "request_too_large": (
        "The body, or the rows in it, are more than the server takes.",
        "Send fewer rows at once, or start the server with a larger --max-body or --max-rows.",
        "POST with a body of 5 MB",
    ),
    "file_too_large": ("The uploaded file is larger than the server takes.", "Start the server with a larger --max-file.", "POST /v1/files with 600 MB"),
    "part_too_large": ("A part of an upload is larger than 64 MB.", "Let the SDK cut the file: upload_file_chunked.", "POST /v1/uploads/{id}/parts with 65 MB"),
    "storage_quota_exceeded": (
        "Files and jobs take all that they may.",
        "Clear what is old by graders data clear, or start the server with a larger --max-stored.",
        "POST /v1/files when --max-stored is reached",
    ),
    "storage": ("The disk is full, or cannot be written.", "Make room; nothing is left of what was sent.", "POST /v1/files when the disk is full"),
    "request_timeout": ("The body came too slowly.", "Send it again; look at the connection.", "a body that stops half-way"),
    "rate_limit_exceeded": (
        "More requests wait than the server holds.",
        "Send it again after Retry-After, as SDKs do; --max-requests and --processes raise the limit.",
        "more than --max-requests at once",
    ),
    "server_stopping": (
        "The server was told to stop before the request was done.",
        "Send it again once a server is there.",
        "Ctrl-C while a judge is awaited",
    ),
    "server_busy": ("All places for connections are at work.", "Send it again after Retry-After.", "more connections than the server keeps"),
    "too_many_open_files": ("The server can open no more files.", "Raise the limit: ulimit -n.", "ulimit -n 32 before graders serve"),
    "unavailable": (
        "The machine lacks what the grader needs, such as a sandbox or a judge's key.",
        "Do what the message says; graders doctor tells of the sandbox.",
        "graders.run with a judge where no key is set",
    ),
    "internal_error": ("graders met a fault of its own.", "Tell the makers of graders, with what stands in the log.", "a fault of ours"),
    "upstream_unreachable": (
        "The model server that a call is passed on to could not be reached.",
        "Look at --base-url and at that server.", "POST /v1/chat/completions with --record, the model server off",
    ),
    "model_lost": (
        "The process of a trained model ended before its answer, for memory perhaps.",
        "Ask again, for fewer tokens; where it stays so, serve the model by a server of its own.",
        "POST /v1/chat/completions, and the kernel ends the process for want of memory",
    ),
    "upstream_timeout": ("The model server did not answer in time.", "Look at that server.", "a model server that says nothing"),
    "job_already_finished": ("The job has ended; it cannot be cancelled or resumed.", "Create a new one.", "POST /v1/fine_tuning/jobs/{id}/cancel, twice"),
    "job_is_run": ("Another process runs the job.", "Wait for it, or pause it there.", "graders job resume of a job that a server runs"),
    "job_not_pausable": ("The job is paused already.", "Nothing.", "POST /v1/fine_tuning/jobs/{id}/pause, twice"),
    "job_not_resumable": ("The job is not paused, and has not failed for want of room or memory.", "Nothing, or create a new job.", "POST /v1/fine_tuning/jobs/{id}/resume of a running job"),
    "run_already_finished": ("The run has ended.", "Create a new one.", "cancelling a run that has ended"),
}  # fmt: skip


def _meanings() -> Iterator[Meaning]:
    for code, (what, cure, note) in _SAID.items():
        if code != "internal_error":  # A job ends with it, too, and it means the same.
            yield Meaning(
                code=code, sort="refusal of the server", what=what, cure=cure, case=Case(note=note),
                page="docs/reference/server.md",
            )  # fmt: skip


REFUSALS: Final = tuple(_meanings())
"""Codes of the server's error bodies."""

"""The description of all endpoints, OpenAPI 3.1. A test drives the server by it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from graders.config import schema
from graders.hosted import DETAILS, FLAGS
from graders.server.form import FORMS, form_at, path_of
from graders.server.openapi_model import model_paths, model_schemas
from graders.server.openapi_part import BOOL as _BOOL
from graders.server.openapi_part import ID as _ID
from graders.server.openapi_part import MAYBE_OBJECT as _MAYBE_OBJECT
from graders.server.openapi_part import MAYBE_TEXT as _MAYBE_TEXT
from graders.server.openapi_part import MAYBE_WHOLE as _MAYBE_WHOLE
from graders.server.openapi_part import OBJECT as _OBJECT
from graders.server.openapi_part import TEXT as _TEXT
from graders.server.openapi_part import WHOLE as _WHOLE
from graders.server.openapi_part import call as _call
from graders.server.openapi_part import json_of as _json
from graders.server.openapi_part import limit as _limit
from graders.server.openapi_part import made as _made
from graders.server.openapi_part import page as _page
from graders.server.openapi_part import ref as _ref
from graders.server.openapi_part import with_parameter as _with
from graders.version import __version__

__all__ = ["document"]

_PURPOSES: Final = ("fine-tune", "evals", "assistants", "batch", "vision", "user_data")
_STATUSES: Final = (
    "validating_files", "queued", "running", "paused", "succeeded", "failed", "cancelled",
)  # fmt: skip
_RUN_STATUSES: Final = ("queued", "in_progress", "completed", "failed", "canceled")
_GONE: Final[dict[str, Any]] = {"object": _TEXT, "deleted": {"const": True}}


def document(names: Sequence[str] = (), *, trains: bool = False) -> dict[str, Any]:
    """Return the OpenAPI document of a server.

    Args:
        names: of the graders whose rewards can be asked for.
        trains: whether jobs train, and models of this machine can be asked.
    """
    definitions = schema()["$defs"]
    grader = definitions.pop("grader")
    schemas = {
        **{name: _nullable(_moved(value)) for name, value in definitions.items()},
        "Grader": _moved(grader),
        **_schemas(),
        **model_schemas(),
    }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "graders",
            "version": __version__,
            "description": "Hosted grader JSON on your own machine. "
            + (
                "Jobs train models of yours."
                if trains
                else "Jobs are dry runs: nothing is trained."
            ),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{}, {"bearer": []}],
        "paths": {**_paths(names), **(model_paths() if trains else {})},
        "components": {
            "schemas": schemas,
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        },
    }


def _moved(value: Any) -> Any:
    """Return a schema whose references lead to this document's components."""
    if isinstance(value, dict):
        return {
            key: one.replace("#/$defs/", "#/components/schemas/")
            if key == "$ref"
            else {
                name: ref.replace("#/$defs/", "#/components/schemas/") for name, ref in one.items()
            }
            if key == "mapping"
            else _moved(one)
            for key, one in value.items()
        }
    return [_moved(one) for one in value] if isinstance(value, list) else value


def _nullable(value: Any) -> Any:
    """Return a schema in which what may be missing may be null, as it is taken."""
    for field in value.get("properties", {}).values():
        if "default" in field and isinstance(field.get("type"), str):
            field["type"] = [field["type"], "null"]
    return value


_AFTER: Final = {"after": _TEXT}
_GRADING: Final = (400, 429, 501, 504)
_SOURCE: Final = {"type": ["string", "object", "array"]}
_TARGET: Final = {"enum": ["local", "openai", "azure"]}


def _paths(names: Sequence[str]) -> dict[str, Any]:
    return {
        **_grader_paths(), **_reward_paths(names), **_file_paths(), **_job_paths(), **_permission_paths(), **_eval_paths(),
    }  # fmt: skip


def _grader_paths() -> dict[str, Any]:
    graders = "/v1/fine_tuning/alpha/graders"
    run = {**_made({"grader": _ref("Grader"), "model_sample": _TEXT, "item": _MAYBE_OBJECT}, "item"),
           "additionalProperties": False}  # fmt: skip
    validate = {**_made({"grader": _ref("Grader")}), "additionalProperties": False}
    return {
        f"{graders}/run": {
            "post": _call("Grade one sample", _json(_ref("RunResponse")), *_GRADING,
                          body=_json(run), name="run_grader"),
        },
        f"{graders}/validate": {
            "post": _call("Check a grader", _json(_made({"grader": _OBJECT})), *_GRADING,
                          body=_json(validate), name="validate_grader"),
        },
        "/healthz": {"get": _call("Whether the server is alive", _json(_made({"status": _TEXT, "version": _TEXT})),
                                  name="health")},
        "/metrics": {"get": _call("Counters for Prometheus", {"text/plain": {"schema": _TEXT}}, name="metrics")},
        "/playground/lint": {
            "post": _call("Lint a grader", _json(_made({"faults": {"type": "array"}, "findings": {"type": "array"}})),
                          *_GRADING, name="lint_grader",
                          body=_json(_made({"grader": _SOURCE, "target": _TARGET}, "target"))),
        },
        "/playground/rows": {
            "post": _call("Grade rows and lint the grader with what they show", _json(_made({"ok": _BOOL})),
                          *_GRADING, 413, name="try_rows",
                          body=_json(_made({"grader": _SOURCE, "rows": {"type": "array", "items": _OBJECT, "minItems": 1},
                                            "target": _TARGET, "named": _TEXT}, "target", "named"))),
        },
        "/playground/run": {
            "post": _call("Grade one sample and tell how the grade came about", _json(_made({"ok": _BOOL})),
                          *_GRADING, name="explain_grade",
                          body=_json(_made({"grader": _SOURCE, "item": {}, "sample": {}, "target": _TARGET},
                                           "item", "sample", "target"))),
        },
        "/playground/schema": {
            "get": _call("The JSON Schema of a grader, and of documents that hold one", _json(_OBJECT), name="grader_schema"),
        },
    }  # fmt: skip


def _reward_paths(names: Sequence[str]) -> dict[str, Any]:
    shape = {"enum": list(names)} if names else {"type": "string", "pattern": "^[^/]+$"}
    parameter = {"name": "name", "in": "path", "required": True, "schema": shape}
    errors = (*_GRADING, 404, 422)
    found: dict[str, Any] = {
        path_of(at, "{name}"): {
            "post": _call(one.summary, _json(dict(one.answer)), *errors, body=_json(dict(one.body)),
                          name=f"{one.name}_rewards"),
            "parameters": [parameter],
        }
        for at, one in enumerate(FORMS)
    }  # fmt: skip
    listed = _made({"object": {"const": "list"}, "data": {"type": "array", "items": _OBJECT}})
    one = FORMS[form_at("verify")]
    return {
        **found,
        "/v1/rewards": {"get": _call("List the graders that are served", _json(listed), name="list_rewards")},
        "/verify": {
            "post": _call("The same of the only grader that is served", _json(dict(one.answer)), *errors,
                          body=_json(dict(one.body)), name="verify"),
        },
        "/seed_session": {"post": _call("Begin a sample of NeMo Gym's", _json(_OBJECT), name="seed_session")},
    }  # fmt: skip


def _file_paths() -> dict[str, Any]:
    upload = _made(
        {"file": {"type": "string", "format": "binary"}, "purpose": {"enum": list(_PURPOSES)}}
    )
    return {
        "/v1/files": {
            "post": _call("Upload a file", _json(_ref("File")), 400, name="create_file",
                          body={"multipart/form-data": {"schema": upload}}),
            "get": _call("List files", _json(_page("File", ends=True)), 400, 404, name="list_files",
                         query={**_AFTER, "limit": _limit(10_000), "order": {"enum": ["asc", "desc"]},
                                "purpose": _TEXT}),
        },
        "/v1/files/{id}": _with("id", {
            "get": _call("Describe a file", _json(_ref("File")), 400, 404, name="retrieve_file"),
            "delete": _call("Remove a file", _json(_ref("Deleted")), 400, 404, 409, name="delete_file"),
        }),
        "/v1/files/{id}/content": _with("id", {
            "get": _call("A file's content", {"application/octet-stream": {"schema": {}}}, 400, 404,
                         name="file_content"),
        }),
        "/v1/uploads": {
            "post": _call("Announce a file that comes in parts", _json(_ref("Upload")), 400, name="create_upload",
                          body=_json(_made({"filename": _TEXT, "purpose": {"enum": list(_PURPOSES)},
                                            "bytes": {"type": "integer", "minimum": 0}, "mime_type": _TEXT}))),
        },
        "/v1/uploads/{id}/parts": _with("id", {
            "post": _call("Send a part", _json(_ref("Part")), 400, 404, name="add_part",
                          body={"multipart/form-data": {"schema": _made({"data": {"type": "string", "format": "binary"}})}}),
        }),
        "/v1/uploads/{id}/complete": _with("id", {
            "post": _call("Make one file of the parts", _json(_ref("Upload")), 400, 404, 409, name="complete_upload",
                          body=_json(_made({"part_ids": {"type": "array", "items": _TEXT}, "md5": _TEXT}, "md5"))),
        }),
        "/v1/uploads/{id}/cancel": _with("id", {
            "post": _call("Give an upload up", _json(_ref("Upload")), 400, 404, name="cancel_upload"),
        }),
    }  # fmt: skip


def _job_paths() -> dict[str, Any]:
    jobs, job = "/v1/fine_tuning/jobs", _json(_ref("Job"))
    changes = {
        f"{jobs}/{{id}}/{word}": _with(
            "id", {"post": _call(said, job, 400, 404, 409, name=f"{word}_job")}
        )
        for word, said in (
            ("cancel", "End a job"),
            ("pause", "Hold a job before its next step"),
            ("resume", "Let a paused job go on"),
        )
    }
    return {
        jobs: {
            "post": _call("Create a job", job, 400, 404, body=_json(_ref("JobRequest")), name="create_job"),
            "get": _call("List jobs", _json(_page("Job", ends=False)), 400, 404, name="list_jobs",
                         query={**_AFTER, "limit": _limit(100)}),
        },
        f"{jobs}/{{id}}": _with("id", {"get": _call("Describe a job", job, 400, 404, name="retrieve_job")}),
        **changes,
        f"{jobs}/{{id}}/events": _with("id", {
            "get": _call("List a job's events", _json(_page("Event", ends=False)), 400, 404,
                         name="list_events", query={**_AFTER, "limit": _limit(100)}),
        }),
        f"{jobs}/{{id}}/checkpoints": _with("id", {
            "get": _call("List a job's checkpoints", _json(_page("Checkpoint", ends=True)), 400, 404,
                         name="list_checkpoints", query={**_AFTER, "limit": _limit(100)}),
        }),
    }  # fmt: skip


def _permission_paths() -> dict[str, Any]:
    permissions = "/v1/fine_tuning/checkpoints/{checkpoint}/permissions"
    return {
        permissions: _with("checkpoint", {
            "post": _call("Permit projects to use a checkpoint", _json(_page("Permission", ends=True)),
                          400, 404, name="create_permissions",
                          body=_json(_made({"project_ids": {"type": "array", "items": _TEXT}}))),
            "get": _call("List a checkpoint's permissions", _json(_page("Permission", ends=True)), 400, 404,
                         name="list_permissions",
                         query={**_AFTER, "limit": _limit(100), "project_id": _TEXT,
                                "order": {"enum": ["ascending", "descending"]}}),
        }),
        f"{permissions}/{{id}}": _with("id", _with("checkpoint", {
            "delete": _call("Take a permission back", _json(_ref("Deleted")), 400, 404,
                            name="delete_permission"),
        })),
    }  # fmt: skip


def _eval_paths() -> dict[str, Any]:
    one, run, item = (_json(_ref(name)) for name in ("Eval", "EvalRun", "OutputItem"))
    ordered = {**_AFTER, "limit": _limit(100), "order": {"enum": ["asc", "desc"]}}
    runs = "/v1/evals/{id}/runs"

    def in_run(path: dict[str, Any]) -> dict[str, Any]:
        return _with("run", _with("id", path))

    return {
        "/v1/evals": {
            "post": _call("Create an eval", one, 400, body=_json(_ref("EvalRequest")), name="create_eval",
                          status=201),
            "get": _call("List evals", _json(_page("Eval", ends=True)), 400, 404, name="list_evals",
                         query={**ordered, "order_by": {"enum": ["created_at", "updated_at"]}}),
        },
        "/v1/evals/{id}": _with("id", {
            "get": _call("Describe an eval", one, 400, 404, name="retrieve_eval"),
            "post": _call("Change an eval", one, 400, 404, name="update_eval",
                          body=_json({**_made({"name": _MAYBE_TEXT, "metadata": _MAYBE_OBJECT}, "name", "metadata"),
                                      "additionalProperties": False})),
            "delete": _call("Remove an eval and its runs", _json(_made({"eval_id": _ID, **_GONE})), 400, 404,
                            name="delete_eval"),
        }),
        runs: _with("id", {
            "post": _call("Create a run", run, 400, 404, body=_json(_ref("EvalRunRequest")), name="create_eval_run",
                          status=201),
            "get": _call("List an eval's runs", _json(_page("EvalRun", ends=True)), 400, 404, name="list_eval_runs",
                         query={**ordered, "status": {"enum": list(_RUN_STATUSES)}}),
        }),
        f"{runs}/{{run}}": in_run({
            "get": _call("Describe a run", run, 400, 404, name="retrieve_eval_run"),
            "post": _call("End a run, as SDKs of 1.x and 2.x ask", run, 400, 404, name="end_eval_run"),
            "delete": _call("Remove a run", _json(_made({"run_id": _ID, **_GONE})), 400, 404, name="delete_eval_run"),
        }),
        f"{runs}/{{run}}/cancel": in_run({
            "post": _call("End a run", run, 400, 404, name="cancel_eval_run"),
        }),
        f"{runs}/{{run}}/output_items": in_run({
            "get": _call("List a run's output items", _json(_page("OutputItem", ends=True)), 400, 404,
                         name="list_output_items",
                         query={**ordered, "status": {"enum": ["pass", "fail", "error", "passed", "failed", "errored"]}}),
        }),
        f"{runs}/{{run}}/output_items/{{item}}": _with("item", in_run({
            "get": _call("Describe an output item", item, 400, 404, name="retrieve_output_item"),
        })),
    }  # fmt: skip


def _eval_schemas() -> dict[str, Any]:
    """Return the shapes of evals. What a data source may be is said by its errors."""
    counts = _made(dict.fromkeys(("total", "passed", "failed", "errored"), _WHOLE))
    usage = dict.fromkeys(
        ("invocation_count", "prompt_tokens", "completion_tokens", "total_tokens", "cached_tokens"),
        _WHOLE,
    )
    verdicts = _made(
        {"testing_criteria": _TEXT, "passed": _WHOLE, "failed": _WHOLE, "errored": _WHOLE}
    )
    about = {"name": _TEXT, "created_at": _WHOLE, "metadata": _OBJECT}
    asked = {"name": _MAYBE_TEXT, "metadata": _MAYBE_OBJECT}
    result = _made({"name": _TEXT, "type": _TEXT, "passed": _BOOL, "score": {"type": ["number", "null"]},
                    "status": {"enum": ["pass", "fail", "error"]}, "sample": _MAYBE_OBJECT})  # fmt: skip
    return {
        "EvalRequest": {**_made({
            **asked, "data_source_config": _OBJECT, "testing_criteria": {"type": "array", "minItems": 1},
        }, *asked), "additionalProperties": False},
        "Eval": _made({"id": _ID, "object": {"const": "eval"}, **about, "data_source_config": _OBJECT,
                       "testing_criteria": {"type": "array", "items": _OBJECT}}),
        "EvalRunRequest": {**_made({**asked, "data_source": _OBJECT}, *asked), "additionalProperties": False},
        "EvalRun": _made({
            "id": _ID, "object": {"const": "eval.run"}, "eval_id": _ID, **about, "model": _TEXT, "report_url": _TEXT,
            "status": {"enum": list(_RUN_STATUSES)}, "result_counts": counts, "data_source": _OBJECT,
            "per_model_usage": {"type": "array", "items": _made({"model_name": _TEXT, **usage})},
            "per_testing_criteria_results": {"type": "array", "items": verdicts},
            "error": {"anyOf": [_made({"code": _TEXT, "message": _TEXT}), {"type": "null"}]},
        }),
        "OutputItem": _made({
            "id": _ID, "object": {"const": "eval.run.output_item"}, "created_at": _WHOLE, "run_id": _ID,
            "eval_id": _ID, "status": {"enum": ["pass", "fail", "error"]}, "datasource_item_id": _WHOLE,
            "datasource_item": _OBJECT, "results": {"type": "array", "items": result}, "sample": _OBJECT,
        }),
    }  # fmt: skip


def _schemas() -> dict[str, Any]:
    usage = _made({"prompt_tokens": _WHOLE, "total_tokens": _WHOLE, "completion_tokens": _WHOLE,
                   "cached_tokens": _WHOLE})  # fmt: skip
    flags = {**dict.fromkeys(FLAGS, _BOOL), **dict.fromkeys(DETAILS, _MAYBE_TEXT)}
    return {
        "Error": _made({"error": _made({"message": _TEXT, "type": _TEXT, "param": _MAYBE_TEXT,
                                        "code": _MAYBE_TEXT})}),
        "Usage": usage,
        "RunResponse": _made({
            "reward": {"type": "number"},
            "metadata": _made({
                "name": _TEXT, "type": _TEXT, "errors": _made(flags),
                "execution_time": {"type": "number"}, "scores": _OBJECT,
                "token_usage": {"anyOf": [_ref("Usage"), {"type": "null"}]},
                "sampled_model_name": _MAYBE_TEXT,
            }),
            "sub_rewards": {"type": "object", "additionalProperties": {"type": "number"}},
            "model_grader_token_usage_per_model": {"type": "object", "additionalProperties": _ref("Usage")},
        }),
        "Deleted": _made({"id": _TEXT, "object": _TEXT, "deleted": {"const": True}}),
        "File": _made({
            "id": _ID, "object": {"const": "file"}, "bytes": _WHOLE, "created_at": _WHOLE,
            "expires_at": _MAYBE_WHOLE, "filename": _TEXT, "purpose": _TEXT, "status": _TEXT,
            "status_details": _MAYBE_TEXT,
        }, "expires_at", "status_details"),
        "Upload": _made({
            "id": _ID, "object": {"const": "upload"}, "bytes": _WHOLE, "created_at": _WHOLE, "filename": _TEXT,
            "purpose": _TEXT, "status": _TEXT, "expires_at": _WHOLE, "file": {"anyOf": [_ref("File"), {"type": "null"}]},
        }),
        "Part": _made({"id": _ID, "object": {"const": "upload.part"}, "created_at": _WHOLE, "upload_id": _ID}),
        "JobRequest": _made({
            "model": _TEXT, "training_file": _TEXT, "validation_file": _MAYBE_TEXT, "method": _OBJECT,
            "hyperparameters": _OBJECT, "suffix": _MAYBE_TEXT, "seed": _MAYBE_WHOLE,
            "integrations": {"type": ["array", "null"]}, "metadata": _MAYBE_OBJECT,
        }, "validation_file", "method", "hyperparameters", "suffix", "seed", "integrations", "metadata"),
        "Job": _made({
            "id": _ID, "object": {"const": "fine_tuning.job"}, "created_at": _WHOLE,
            "finished_at": _MAYBE_WHOLE, "estimated_finish": _MAYBE_WHOLE, "status": {"enum": list(_STATUSES)},
            "model": _TEXT, "fine_tuned_model": _MAYBE_TEXT, "organization_id": _TEXT,
            "training_file": _TEXT, "validation_file": _MAYBE_TEXT,
            "result_files": {"type": "array", "items": _TEXT}, "trained_tokens": _MAYBE_WHOLE,
            "error": _MAYBE_OBJECT, "hyperparameters": _OBJECT, "method": _OBJECT, "seed": _WHOLE,
            "integrations": {"type": ["array", "null"]}, "metadata": _MAYBE_OBJECT, "dry_run": _MAYBE_OBJECT, "training": _OBJECT,
        }, "training"),
        "Event": _made({
            "id": _TEXT, "object": {"const": "fine_tuning.job.event"}, "created_at": _WHOLE,
            "level": {"enum": ["info", "warn", "error"]}, "message": _TEXT, "type": _TEXT, "data": {},
        }),
        "Checkpoint": _made({
            "id": _TEXT, "object": {"const": "fine_tuning.job.checkpoint"}, "created_at": _WHOLE,
            "fine_tuned_model_checkpoint": _TEXT, "fine_tuning_job_id": _TEXT, "metrics": _OBJECT,
            "step_number": _WHOLE, "weights_trained": {"type": "boolean"},
        }),
        "Permission": _made({
            "id": _TEXT, "object": {"const": "checkpoint.permission"}, "created_at": _WHOLE,
            "project_id": _TEXT,
        }),
        **_eval_schemas(),
    }  # fmt: skip

"""`/v1/fine_tuning/jobs` and the permissions of their checkpoints."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from graders.errors import quoted
from graders.server.route.file import listed
from graders.server.state import json_body, json_response, number, query_of, state_of, stored
from graders.server.trace import traceparent
from graders.training import create_job
from graders.wire.error import ApiError

__all__ = [
    "cancel", "checkpoints", "create", "create_permissions", "delete_permission", "events",
    "list_jobs", "list_permissions", "pause", "resume", "retrieve",
]  # fmt: skip

_MOST: Final = 100
_METADATA: Final = re.compile(r"metadata\[(.{1,64})\]")


async def create(request: Request) -> Response:
    """Create a job; it begins when its turn comes."""
    state = state_of(request)
    body, training, target = await json_body(request), state.options.training, state.options.target
    if training is None:
        job = await stored(
            state.store.jobs.create, body, target=target, traceparent=traceparent(request)
        )
    else:
        job = await stored(
            create_job, state.store, body, training, traceparent=traceparent(request)
        )
    state.wake()
    return json_response(job)


async def list_jobs(request: Request) -> Response:
    """List jobs, the newest first."""
    query = query_of(request)
    if query.get("metadata") not in (None, "", "null"):
        raise ApiError(400, "metadata is filtered by metadata[key]=value", param="metadata")
    wanted = {
        found[1]: value
        for name, value in query.multi_items()
        if (found := _METADATA.fullmatch(name))
    }
    data, has_more = await stored(
        state_of(request).store.jobs.list,
        after=query.get("after") or None,
        limit=number(request, "limit", 20, _MOST),
        metadata=wanted or None,
    )
    return json_response({"object": "list", "data": data, "has_more": has_more})


async def retrieve(request: Request) -> Response:
    """Describe one job."""
    return json_response(await stored(state_of(request).store.jobs.get, _id(request)))


async def cancel(request: Request) -> Response:
    """End a job."""
    return await _change(request, state_of(request).store.jobs.cancel)


async def pause(request: Request) -> Response:
    """Hold a job before its next step."""
    return await _change(request, state_of(request).store.jobs.pause)


async def resume(request: Request) -> Response:
    """Let a paused job go on."""
    return await _change(request, state_of(request).store.jobs.resume)


async def _change(request: Request, change: Callable[[str], dict[str, Any]]) -> Response:
    job = await stored(change, _id(request))
    state_of(request).wake()
    return json_response(job)


async def events(request: Request) -> Response:
    """List a job's events, the newest first."""
    data, has_more = await stored(
        state_of(request).store.jobs.events,
        _id(request),
        after=query_of(request).get("after") or None,
        limit=number(request, "limit", 20, _MOST),
    )
    return json_response({"object": "list", "data": data, "has_more": has_more})


async def checkpoints(request: Request) -> Response:
    """List a job's checkpoints, the newest first."""
    data, has_more = await stored(
        state_of(request).store.jobs.checkpoints,
        _id(request),
        after=query_of(request).get("after") or None,
        limit=number(request, "limit", 10, _MOST),
    )
    return json_response(listed(data, has_more=has_more))


async def create_permissions(request: Request) -> Response:
    """Permit projects to use a checkpoint."""
    body = await json_body(request)
    projects = body.get("project_ids")
    if not isinstance(projects, list) or not all(isinstance(one, str) for one in projects):
        raise ApiError(
            400, f"project_ids is a list of texts, got {quoted(projects)}", param="project_ids"
        )
    data = await stored(
        state_of(request).store.permissions.create, request.path_params["checkpoint"], projects
    )
    return json_response(listed(data, has_more=False))


async def list_permissions(request: Request) -> Response:
    """List who may use a checkpoint."""
    query = query_of(request)
    data, has_more = await stored(
        state_of(request).store.permissions.list,
        request.path_params["checkpoint"],
        after=query.get("after") or None,
        limit=number(request, "limit", 10, _MOST),
        order=query.get("order"),
        project_id=query.get("project_id") or None,
    )
    return json_response(listed(data, has_more=has_more))


async def delete_permission(request: Request) -> Response:
    """Take a permission back."""
    return json_response(
        await stored(
            state_of(request).store.permissions.delete,
            request.path_params["checkpoint"],
            request.path_params["id"],
        )
    )


def _id(request: Request) -> str:
    identity: str = request.path_params["id"]
    return identity

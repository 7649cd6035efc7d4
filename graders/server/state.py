"""What all endpoints share: one object, made when the server starts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response

from graders import jsontext
from graders.errors import quoted
from graders.jobs import Store
from graders.server.body import read_body
from graders.server.json_object import parse_object
from graders.server.log import Log
from graders.server.meter import Meter
from graders.server.option import ServeOptions
from graders.server.pool import Pool
from graders.server.reward import Served
from graders.server.upstream import Upstream
from graders.training.local import LocalModels
from graders.wire.error import ApiError

__all__ = [
    "State",
    "body_of",
    "json_body",
    "json_response",
    "number",
    "query_of",
    "state_of",
    "stored",
]

Result = TypeVar("Result")


@dataclass(slots=True)
class Spool:
    """What uploads under way take before the store has them.

    Attributes:
        bytes: how many they take.
    """

    bytes: int = 0


@dataclass(frozen=True, slots=True)
class State:
    """What endpoints need.

    Attributes:
        options: how the server is run.
        store: files and jobs.
        pool: grading processes.
        meter: counts.
        log: writes down.
        wake: tells whoever runs jobs that there may be something to do.
        served: graders whose rewards can be asked for, by name.
        upstream: passes calls on to the model server; None where none are.
        elsewhere: pass calls of models on to the servers that serve them, by the models' names.
        local: asks models of this machine; None where there are none.
        spool: what uploads under way take.
    """

    options: ServeOptions
    store: Store
    pool: Pool
    meter: Meter
    log: Log
    wake: Callable[[], None]
    served: Mapping[str, Served]
    upstream: Upstream | None = None
    local: LocalModels | None = None
    elsewhere: Mapping[str, Upstream] = field(default_factory=dict)
    spool: Spool = field(default_factory=Spool)


def state_of(request: Request) -> State:
    """Return the server's state."""
    return cast("State", request.app.state.shared)


async def stored(function: Callable[..., Result], *args: Any, **kwargs: Any) -> Result:
    """Return what a function of the store gives, without holding up other requests."""
    return await run_in_threadpool(function, *args, **kwargs)


def json_response(value: Any, status: int = 200) -> Response:
    """Return a JSON answer."""
    return Response(jsontext.encode(value), status, media_type="application/json")


async def body_of(request: Request) -> bytes:
    """Return the body of a request that is JSON, and let the log have it if it may."""
    state = state_of(request)
    limits = state.options.limits
    body = await read_body(request, limits.body_bytes, limits.body_seconds)
    request.scope["state"]["said"] = state.log.body(body)
    return body


async def json_body(request: Request) -> dict[str, Any]:
    """Return the JSON object of a request.

    Raises:
        ApiError: it is none.
    """
    return parse_object(await body_of(request))


def query_of(request: Request) -> QueryParams:
    """Return the query of a request.

    Raises:
        ApiError: it has a parameter twice, and who is to say which one counts.
    """
    query = request.query_params
    seen: set[str] = set()
    for name, _ in query.multi_items():
        if name in seen:
            raise ApiError(400, f"the query has {quoted(name)} more than once", param=name[:100])
        seen.add(name)
    return query


def number(request: Request, name: str, default: int, most: int) -> int:
    """Return a whole number of the query, from 0 to `most`.

    Raises:
        ApiError: it is none.
    """
    given = query_of(request).get(name)
    if given is None:
        return default
    if not (given.isascii() and given.isdigit()) or not int(given[:9]) <= most:
        raise ApiError(
            400, f"{name} is a whole number from 0 to {most:,}, got {quoted(given)}", param=name
        )
    return int(given)

"""`/v1/models`, and answers of chat completions and completions by the models of this machine."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from graders import jsontext
from graders.server.leaving import GONE_STATUS, unless_gone
from graders.server.state import json_response, state_of, stored
from graders.training.ask import Ask, Kind, asked
from graders.training.local import LocalModels
from graders.training.said import Said, answer, chunk, usage_chunk
from graders.wire.error import ApiError

__all__ = ["answer_by", "delete_model", "list_models", "retrieve_model"]


def _models(request: Request) -> LocalModels:
    found = state_of(request).local
    if found is None:
        raise ApiError(
            404, "this server has no models of its own: they are there with --train and what jobs have "
            "trained", code="unknown_url",
        )  # fmt: skip
    return found


async def list_models(request: Request) -> Response:
    """List the models that can be asked."""
    data = await stored(_models(request).listed)
    return json_response({"object": "list", "data": data})


async def retrieve_model(request: Request) -> Response:
    """Describe one model."""
    models, name = _models(request), request.path_params["model"]
    for one in await stored(models.listed):
        if one["id"] == name:
            return json_response(one)
    raise models.no_model(name)


async def delete_model(request: Request) -> Response:
    """Remove a model that was trained here."""
    models, name = _models(request), request.path_params["model"]
    await stored(models.delete, name)
    return json_response({"id": name, "object": "model", "deleted": True})


async def answer_by(
    request: Request, models: LocalModels, kind: Kind, body: Mapping[str, Any]
) -> Response:
    """Return a local model's answer to a call, in pieces where it asks for that.

    Raises:
        ApiError: the call is wrong (400), or there is no such model (404).
    """
    name = body.get("model")
    if not await stored(models.knows, name):
        raise models.no_model(name)
    ask = asked(kind, body)
    if not ask.stream:
        said = await unless_gone(request, models.answer(ask))
        if said is None:
            return Response(status_code=GONE_STATUS)
        return json_response(answer(ask, said.choices, said.prompt))
    pieces = models.ask(ask.model, ask.said)
    # What is wrong with a call is an error, not a piece of an answer.
    first = await unless_gone(request, anext(pieces))
    if first is None:
        return Response(status_code=GONE_STATUS)
    headers = {"cache-control": "no-cache"}
    return StreamingResponse(_streamed(ask, first, pieces), 200, headers, "text/event-stream")


async def _streamed(
    ask: Ask, first: dict[str, Any], pieces: AsyncGenerator[dict[str, Any]]
) -> AsyncIterator[bytes]:
    shown, said = chunk(ask), Said(ask.said["choices"])
    one: dict[str, Any] | None = first
    last: dict[str, Any] = {}
    try:
        while one is not None:
            said.add(one)
            if "choice" in one:
                last = shown(one)
                yield _event({**last, "usage": None} if ask.usage else last)
            elif ask.usage:
                tokens = sum(choice["tokens"] for choice in said.choices)
                yield _event(usage_chunk(last, one["prompt"], tokens))
            one = await anext(pieces, None)
    except ApiError as error:
        told = {"message": str(error), "type": error.type, "param": error.param, "code": error.code}
        yield _event({"error": told})
        return
    finally:
        await pieces.aclose()
    yield b"data: [DONE]\n\n"


def _event(value: Any) -> bytes:
    return b"data: " + jsontext.encode(value) + b"\n\n"

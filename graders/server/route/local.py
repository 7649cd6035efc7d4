"""`/v1/models`, `/v1/chat/completions` and `/v1/completions` by the models of this machine."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from typing import Any

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from graders import jsontext
from graders.server.local import LocalModels
from graders.server.state import json_body, json_response, state_of, stored
from graders.training.ask import Ask, Kind, answer, asked, chunk, usage_chunk
from graders.wire.error import ApiError

__all__ = ["answer_by", "completions", "list_models", "retrieve_model"]


def _models(request: Request) -> LocalModels:
    found = state_of(request).local
    if found is None:
        raise TypeError("these paths are there with --train alone")
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


async def completions(request: Request) -> Response:
    """Let a model go on with a text."""
    return await answer_by(_models(request), "text", await json_body(request))


async def answer_by(models: LocalModels, kind: Kind, body: Mapping[str, Any]) -> Response:
    """Return a local model's answer to a call, in pieces where it asks for that.

    Raises:
        ApiError: the call is wrong (400), or there is no such model (404).
    """
    name = body.get("model")
    if not isinstance(name, str) or not await stored(models.knows, name):
        raise models.no_model(name)
    ask = asked(kind, body)
    said = models.ask(name, ask.said)
    first = await anext(said)  # What is wrong with a call is an error, not a piece of an answer.
    if ask.stream:
        headers = {"cache-control": "no-cache"}
        return StreamingResponse(_streamed(ask, first, said), 200, headers, "text/event-stream")
    texts: dict[int, list[str]] = {at: [] for at in range(ask.said["choices"])}
    ends: dict[int, dict[str, Any]] = {}
    one: dict[str, Any] | None = first
    prompt = 0
    async with aclosing(said):
        while one is not None:
            if "text" in one:
                texts[one["choice"]].append(one["text"])
            elif "reason" in one:
                ends[one["choice"]] = one
            else:
                prompt = one["prompt"]
            one = await anext(said, None)
    choices = [{"text": "".join(text), **ends[at]} for at, text in texts.items()]
    return json_response(answer(ask, choices, prompt))


async def _streamed(
    ask: Ask, first: dict[str, Any], said: AsyncGenerator[dict[str, Any]]
) -> AsyncIterator[bytes]:
    piece, tokens = chunk(ask), 0
    one: dict[str, Any] | None = first
    last: dict[str, Any] = {}
    try:
        while one is not None:
            if "text" in one:
                last = piece(one["choice"], one["text"], None)
                yield _event(last)
            elif "reason" in one:
                tokens += one["tokens"]
                last = piece(one["choice"], "", one["reason"])
                yield _event(last)
            elif ask.usage:
                yield _event(usage_chunk(last, one["prompt"], tokens))
            one = await anext(said, None)
    except ApiError as error:
        told = {"message": str(error), "type": error.type, "param": error.param, "code": error.code}
        yield _event({"error": told})
        return
    finally:
        await said.aclose()
    yield b"data: [DONE]\n\n"


def _event(value: Any) -> bytes:
    return b"data: " + jsontext.encode(value) + b"\n\n"

"""`/v1/chat/completions` and `/v1/responses`: by a model of this machine, or passed on, and what was recorded of them."""

from __future__ import annotations

import re
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from graders.evals.stored import Kind, StoredCalls
from graders.server.json_object import parse_object
from graders.server.route.file import listed
from graders.server.route.local import answer_by
from graders.server.state import (
    body_of,
    json_body,
    json_response,
    number,
    query_of,
    state_of,
    stored,
)
from graders.training.ask import Kind as AskKind
from graders.wire.error import ApiError

__all__ = [
    "chat", "chat_messages", "completion", "delete_chat", "delete_response", "list_chats", "response",
    "response_items", "retrieve_chat", "retrieve_response", "update_chat",
]  # fmt: skip

_METADATA: Final = re.compile(r"metadata\[(.{1,64})\]")


async def chat(request: Request) -> Response:
    """Pass a chat completion on; Azure's paths may name the model."""
    return await _pass_on(request, "/chat/completions")


async def response(request: Request) -> Response:
    """Pass a call of the Responses API on."""
    return await _pass_on(request, "/responses")


async def completion(request: Request) -> Response:
    """Let a model go on with a text."""
    return await _pass_on(request, "/completions")


_KINDS: Final[dict[str, AskKind]] = {"/chat/completions": "chat", "/completions": "text"}


async def _pass_on(request: Request, path: str) -> Response:
    """Have a call answered: as --model-url says, by a model of this machine, or by the server behind this one.

    Raises:
        ApiError: nobody is there who could answer (404).
    """
    state = state_of(request)
    local, upstream = state.local, state.upstream
    if upstream is None and local is None:
        raise ApiError(
            404, f"there is nothing at POST {request.url.path[:200]} here: models of this machine answer with "
            "--train, another server's with --record", code="unknown_url",
        )  # fmt: skip
    raw = await body_of(request)
    sent = parse_object(raw, "; it holds model and messages")
    deployment = request.path_params.get("deployment")
    given = sent.get("model") or deployment
    there = state.elsewhere.get(given) if isinstance(given, str) else None
    kind = _KINDS.get(path)
    # What no model of this machine is called is the model server's business, where there is one.
    if (
        there is None
        and local is not None
        and (upstream is None or await stored(local.knows, given))
    ):
        if kind is None:
            raise ApiError(
                404, "models of this machine answer at /v1/chat/completions and /v1/completions; the Responses "
                "API is passed on alone (--record, --model-url)", code="unknown_url",
            )  # fmt: skip
        return await answer_by(request, local, kind, {**sent, "model": given})
    if deployment and "model" not in sent:
        sent["model"] = deployment
        from graders import jsontext  # noqa: PLC0415  (Azure's older paths alone)

        raw = jsontext.encode(sent)
    passing = there or upstream
    if passing is None:
        raise TypeError("somebody answers, or there was an error before")
    return await passing.pass_on(request, path, sent, raw)


async def list_chats(request: Request) -> Response:
    """List recorded chat completions, the oldest first unless asked otherwise."""
    query = query_of(request)
    wanted = {
        found[1]: value
        for name, value in query.multi_items()
        if (found := _METADATA.fullmatch(name))
    }
    data, has_more = await stored(
        _calls(request).list, "completions", after=query.get("after") or None,
        limit=number(request, "limit", 20, 100), order=query.get("order"),
        model=query.get("model") or None, metadata=wanted,
    )  # fmt: skip
    return json_response(listed(data, has_more=has_more))


async def retrieve_chat(request: Request) -> Response:
    """Describe a recorded chat completion."""
    return await _retrieve(request, "completions")


async def retrieve_response(request: Request) -> Response:
    """Describe a recorded response."""
    return await _retrieve(request, "responses")


async def update_chat(request: Request) -> Response:
    """Change the metadata of a recorded chat completion."""
    body = await json_body(request)
    return json_response(await stored(_calls(request).update, "completions", _id(request), body))


async def delete_chat(request: Request) -> Response:
    """Remove a recorded chat completion."""
    await stored(_calls(request).delete, "completions", _id(request))
    return json_response({"object": "chat.completion.deleted", "id": _id(request), "deleted": True})


async def delete_response(request: Request) -> Response:
    """Remove a recorded response."""
    await stored(_calls(request).delete, "responses", _id(request))
    return json_response({"object": "response", "id": _id(request), "deleted": True})


async def chat_messages(request: Request) -> Response:
    """List the messages that a recorded chat completion answers."""
    messages = await stored(_calls(request).messages, "completions", _id(request))
    return json_response(_page(request, messages))


async def response_items(request: Request) -> Response:
    """List the input that a recorded response answers."""
    items = await stored(_calls(request).messages, "responses", _id(request))
    return json_response(_page(request, items))


async def _retrieve(request: Request, kind: Kind) -> Response:
    return json_response(await stored(_calls(request).get, kind, _id(request)))


def _page(request: Request, entries: list[dict[str, Any]]) -> dict[str, Any]:
    """Return a page of entries that have ids of their own, in order."""
    after, size = query_of(request).get("after"), number(request, "limit", 20, 100)
    if query_of(request).get("order") == "desc":
        entries.reverse()
    ids = [one["id"] for one in entries]
    start = ids.index(after) + 1 if after in ids else 0
    return listed(entries[start : start + size], has_more=len(entries) > start + size)


def _calls(request: Request) -> StoredCalls:
    return StoredCalls(state_of(request).store.database)


def _id(request: Request) -> str:
    return str(request.path_params["id"])

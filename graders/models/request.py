"""Requests to a judge: what is sent to which kind of server, and the name a request has. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Literal

from graders.calls import ChatCall
from graders.models.known import is_reasoning, refuses_effort
from graders.models.option import ReplyForm
from graders.wire.endpoint import ServerAddress
from graders.wire.refusal import CAPS

__all__ = [
    "DEFAULT_TOKENS",
    "Form",
    "accepted",
    "body",
    "forms",
    "key",
    "left_out",
    "owns_cap",
    "sampling",
    "shape",
    "spoken",
    "words",
]

Form = Literal["bounded", "json_schema", "json_object", "text"]
"""How the reply's shape is asked for.

`bounded` is json_schema with ends to every list and text, for small models fill what is open;
first-party services document no such keywords, so they never get it.
"""

DEFAULT_TOKENS: Final = 4096
"""The cap on a reply's tokens that a real item of the hosted service shows as its default."""

_TOKENS: Final = "max_completions_tokens"


def forms(endpoint: ServerAddress, chosen: ReplyForm) -> tuple[Form, ...]:
    """Return the forms to try, best first."""
    if chosen != "auto":
        return (chosen,)
    if endpoint.kind == "local":
        return ("bounded",)
    if endpoint.first_party:
        return ("json_schema", "json_object", "text")
    return ("bounded", "json_schema", "json_object", "text")


def sampling(
    endpoint: ServerAddress, model: str, params: Mapping[str, Any]
) -> tuple[dict[str, Any], list[str]]:
    """Return sampling parameters under the API's names, and notes on what is left out.

    A reasoning model takes no temperature and no top_p, the others take no reasoning_effort.
    First-party services know only `max_completion_tokens`; other servers know one of two names,
    and ignore the other.
    """
    sent = {name: value for name, value in params.items() if name != _TOKENS and value is not None}
    left: list[str] = []
    if is_reasoning(model):
        left = [name for name in ("temperature", "top_p") if name in sent]
    elif refuses_effort(model):
        left = [name for name in ("reasoning_effort",) if name in sent]
    for name in left:
        del sent[name]
    tokens = params.get(_TOKENS)
    if tokens is None and not is_reasoning(model):
        tokens = 512 if endpoint.kind == "local" else DEFAULT_TOKENS
    if tokens is not None:
        sent["max_completion_tokens"] = tokens
        if not endpoint.first_party:
            sent["max_tokens"] = tokens
    notes = [f"{name} is not sent to {model}, which takes none" for name in left]
    return sent, notes


def owns_cap(params: Mapping[str, Any]) -> bool:
    """Whether the cap on a reply's tokens is ours, because the config's parameters have none."""
    return params.get(_TOKENS) is None


def accepted(params: Mapping[str, Any], dropped: Iterable[str]) -> dict[str, Any]:
    """Return parameters without some; the cap on tokens goes by either of its names."""
    dropped = frozenset(dropped)
    if "max_completion_tokens" in dropped and "max_completion_tokens" in params:
        params = {**params, "max_tokens": params["max_completion_tokens"]}
    return {name: value for name, value in params.items() if name not in dropped}


def left_out(params: Mapping[str, Any], sent: Mapping[str, Any]) -> list[str]:
    """Return the parameters that a request goes without; either name of the cap will do."""
    missing = sorted(set(params) - set(sent))
    return [name for name in missing if name not in CAPS or not CAPS & set(sent)]


def body(  # noqa: PLR0917
    endpoint: ServerAddress,
    model: str,
    messages: Sequence[Mapping[str, Any]],
    schema_name: str,
    schema: Mapping[str, Any],
    params: Mapping[str, Any],
    form: Form,
) -> dict[str, Any]:
    """Return the body of a chat completions request."""
    sent: dict[str, Any] = {"model": model, "messages": spoken(endpoint, messages), **params}
    if form == "text":
        sent["messages"] = _instructed(sent["messages"], schema)
    elif form == "json_object":
        sent["response_format"] = {"type": "json_object"}
        if endpoint.first_party:  # It knows no schema here, and wants the word JSON in a message.
            sent["messages"] = _instructed(sent["messages"], schema)
        else:
            sent["response_format"]["schema"] = _bounded(schema)
    else:
        shape = _bounded(schema) if form == "bounded" else _open(schema)
        sent["response_format"] = {
            "type": "json_schema",
            "json_schema": {"name": schema_name, "strict": True, "schema": shape},
        }
    return sent


def spoken(
    endpoint: ServerAddress, messages: Sequence[Mapping[str, Any]]
) -> list[Mapping[str, Any]]:
    """Return messages in roles the server knows: `developer` is a first-party word."""
    if endpoint.first_party:
        return list(messages)
    return [
        {**one, "role": "system"} if one.get("role") == "developer" else one for one in messages
    ]


def _instructed(
    messages: Sequence[Mapping[str, Any]], schema: Mapping[str, Any]
) -> list[Mapping[str, Any]]:
    text = (
        "Answer with one JSON object and nothing else: no code fence, no words around it. "
        "It follows this JSON Schema:\n" + json.dumps(schema, ensure_ascii=False)
    )
    first = messages[0] if messages else None
    if first is None or first["role"] not in ("system", "developer"):
        return [{"role": "system", "content": text}, *messages]
    content = first["content"]
    joined: Any = (
        f"{content}\n\n{text}"
        if isinstance(content, str)
        else [*content, {"type": "text", "text": text}]
    )
    return [{**first, "content": joined}, *messages[1:]]


def _open(schema: Any) -> Any:
    """Return a schema without the keywords that not every strict mode documents."""
    if isinstance(schema, Mapping):
        return {
            name: _open(value)
            for name, value in schema.items()
            if not (name in ("minimum", "maximum") and isinstance(value, int | float))
        }
    return [_open(one) for one in schema] if isinstance(schema, list | tuple) else schema


def _bounded(schema: Any) -> Any:
    """Return a schema in which every list and free text ends."""
    if not isinstance(schema, Mapping):
        return [_bounded(one) for one in schema] if isinstance(schema, list | tuple) else schema
    bounded = {name: _bounded(value) for name, value in schema.items()}
    if bounded.get("type") == "array":
        bounded.setdefault("maxItems", 6)
    if bounded.get("type") == "string" and "enum" not in bounded:
        bounded.setdefault("maxLength", 240)
    return bounded


def key(server: str, path: str, request: Mapping[str, Any], repeat: int) -> bytes:
    """Return the name of a request: equal for equal ones, whatever form they are sent in."""
    text = json.dumps([server, path, request, repeat], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).digest()


def shape(model: str, call: ChatCall) -> bytes:
    """Return what the requests of a call have in common: what a server teaches is good for these.

    Another grader's requests have another shape, whatever server and model they go to.
    """
    common = [model, call.grader, call.schema_name, call.schema, call.sampling]
    return hashlib.sha256(json.dumps(common, sort_keys=True).encode()).digest()


def words(value: Any) -> str:
    """Return every text in a value, one a line."""
    if isinstance(value, str):
        return value
    inner = value.values() if isinstance(value, Mapping) else value
    return "\n".join(map(words, inner)) if isinstance(inner, Iterable) else ""

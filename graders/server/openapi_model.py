"""The description of models of this machine, which are there where jobs train. Pure."""

from __future__ import annotations

from typing import Any

from graders.server.openapi_part import (
    MAYBE_OBJECT,
    MAYBE_WHOLE,
    OBJECT,
    TEXT,
    WHOLE,
    call,
    json_of,
    made,
    ref,
    with_parameter,
)

__all__ = ["model_paths", "model_schemas"]


def model_paths() -> dict[str, Any]:
    """Return the paths."""
    listed = made({"object": {"const": "list"}, "data": {"type": "array", "items": ref("Model")}})
    message = made({"role": TEXT, "content": {}}, "content")
    sampling = {"model": TEXT, "stream": {"type": ["boolean", "null"]}, "n": MAYBE_WHOLE, "seed": MAYBE_WHOLE,
                "max_tokens": MAYBE_WHOLE, "stop": {"type": ["string", "array", "null"]},
                **{name: {"type": ["number", "null"]} for name in ("temperature", "top_p")}}  # fmt: skip
    chat = {"messages": {"type": "array", "items": message}, **sampling, "max_completion_tokens": MAYBE_WHOLE,
            "tools": {"type": ["array", "null"]}, "response_format": MAYBE_OBJECT,
            "logprobs": {"type": ["boolean", "null"]}, "top_logprobs": MAYBE_WHOLE}  # fmt: skip

    def asks(said: str, body: dict[str, Any], *needed: str) -> dict[str, Any]:
        answer = {**json_of(ref("Completion")), "text/event-stream": {"schema": TEXT}}
        optional = [one for one in body if one not in ("model", *needed)]
        return {"post": call(said, answer, 400, 404, 429, body=json_of(made(body, *optional)),
                              name=said.lower().replace(" ", "_"))}  # fmt: skip

    return {
        "/v1/models": {"get": call("List models", json_of(listed), name="list_models")},
        "/v1/models/{model}": with_parameter("model", {
            "get": call("Describe a model", json_of(ref("Model")), 404, name="retrieve_model"),
            "delete": call("Remove a trained model", json_of(ref("Deleted")), 404, 409, name="delete_model"),
        }),
        "/v1/chat/completions": asks("Answer a chat", chat, "messages"),
        "/v1/completions": asks("Go on with a text", {"prompt": {"type": ["string", "array"]}, **sampling}),
    }  # fmt: skip


def model_schemas() -> dict[str, Any]:
    """Return the schemas that they name."""
    return {
        "Model": made({"id": TEXT, "object": {"const": "model"}, "created": WHOLE, "owned_by": TEXT}),
        "Completion": made({
            "id": TEXT, "object": {"enum": ["chat.completion", "text_completion"]}, "created": WHOLE,
            "model": TEXT, "choices": {"type": "array", "items": OBJECT}, "usage": OBJECT,
        }),
    }  # fmt: skip

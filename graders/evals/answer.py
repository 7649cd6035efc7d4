"""A model's answer to a row's prompt: what graders see of it, and what an output item shows. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from graders import jsontext
from graders.models.rollout import CHAT, Rollout, tokens_of
from graders.shape import read_shape
from graders.wire.answer import HttpAnswer
from graders.wire.endpoint import ApiKey
from graders.wire.field import FieldError, message_of, refusal_of, text_of, tokens, typed

__all__ = ["read_answer", "sample_of", "shown_sample"]

_FAILED: Final = "rollout_error"
_MESSAGE: Final = ("role", "content", "refusal", "tool_calls", "audio")


def read_answer(path: str, answer: HttpAnswer, key: ApiKey) -> Rollout:
    """Return the sample in an answer of status 200, of chat completions or the Responses API.

    An answer that was cut off at its limit of tokens is one: its `finish_reason` is `length`.
    """
    try:
        value = answer.read()
        if not isinstance(value, dict):
            return Rollout(None, _FAILED, "the server's answer is no object")
        sample, usage = (_of_chat if path == CHAT else _of_response)(value)
        text = jsontext.encode(sample).decode()
    except FieldError as fault:
        return Rollout(
            None, _FAILED, f"the server's answer cannot be read: {key.redact(str(fault))}"
        )
    except _NoAnswerError as error:
        return Rollout(None, _FAILED, key.redact(str(error)))
    except ValueError:
        return Rollout(None, _FAILED, "the server's answer is no JSON")
    except TypeError:
        says = "the model's answer holds a number that is longer than a number can be"
        return Rollout(None, _FAILED, says)
    return Rollout(jsontext.decode(key.redact(text)), usage=usage)


class _NoAnswerError(Exception):
    """The server answered, and the model did not; says why."""


def sample_of(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return what graders see of a chat completion or a Responses API object that was logged.

    Raises:
        ValueError: it holds no answer.
    """
    try:
        return (_of_chat if isinstance(value.get("choices"), list) else _of_response)({**value})[0]
    except _NoAnswerError as error:
        raise ValueError(str(error)) from None


def _of_chat(value: dict[str, Any]) -> tuple[dict[str, Any], Mapping[str, int]]:
    usage = tokens_of(value)
    found = message_of(value)
    if found is None:
        raise _NoAnswerError("the server's answer is no chat completion with choices")
    choice, said = found
    finish = choice.get("finish_reason") or "stop"
    if finish == "content_filter":
        raise _NoAnswerError("the server's filter cut the model's answer off")
    message: dict[str, Any] = {
        "role": "assistant",
        **{name: said[name] for name in _MESSAGE if name in said},
    }
    text = text_of(said) or refusal_of(said)
    return _sample(value, message, text, said.get("tool_calls"), finish), usage


def _of_response(value: dict[str, Any]) -> tuple[dict[str, Any], Mapping[str, int]]:
    usage = _response_usage(value)
    output = typed(value, "output", "", "a list of objects", list)
    error = typed(value, "error", "", "an object", dict)
    if value.get("status") == "failed" or output is None:
        said = (error or {}).get("message")
        raise _NoAnswerError(
            str(said) if said else "the server's answer is no response with an output"
        )
    try:
        read = read_shape({"object": "response", "output": output})[1]
    except ValueError as problem:
        raise _NoAnswerError(str(problem)) from None
    details = value.get("incomplete_details")
    cut = isinstance(details, dict) and details.get("reason") == "max_output_tokens"
    text, tools = read.get("output_text"), read.get("output_tools")
    message: dict[str, Any] = {"role": "assistant", "content": text}
    if tools:
        message["tool_calls"] = tools
    finish = "length" if cut else "tool_calls" if tools and text is None else "stop"
    return _sample(value, message, text or _refusal(output), tools, finish), usage


def _refusal(output: list[Any]) -> str:
    parts = (part for one in output if isinstance(one, dict) for part in one.get("content") or ())
    return "".join(
        str(one["refusal"]) for one in parts if isinstance(one, dict) and one.get("refusal")
    )


def _sample(
    value: Mapping[str, Any], message: dict[str, Any], text: str | None, tools: Any, finish: str
) -> dict[str, Any]:
    found = {
        "model": value["model"] if isinstance(value.get("model"), str) else None,
        "output_text": text or "",
        "choices": [{"index": 0, "message": message, "finish_reason": finish}],
    }
    if tools:
        found["output_tools"] = tools
    if isinstance(message.get("audio"), dict):
        found["output_audio"] = message["audio"]
    return found


def _response_usage(value: Mapping[str, Any]) -> dict[str, int]:
    usage = typed(value, "usage", "", "an object", dict)
    if usage is None:
        return {}
    inner = typed(usage, "input_tokens_details", "usage.", "an object", dict) or {}
    outer = typed(usage, "output_tokens_details", "usage.", "an object", dict) or {}
    return {
        "prompt_tokens": tokens(usage, "input_tokens", "usage."),
        "completion_tokens": tokens(usage, "output_tokens", "usage."),
        "cached_tokens": tokens(inner, "cached_tokens", "usage.input_tokens_details."),
        "reasoning_tokens": tokens(outer, "reasoning_tokens", "usage.output_tokens_details."),
    }


def shown_sample(
    sample: Any,
    *,
    spoken: list[Any] | None = None,
    sampling: Mapping[str, Any] | None = None,
    model: str | None = None,
    usage: Mapping[str, int] | None = None,
    error: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Return a sample as an output item shows it: messages in, messages out, how it was sampled.

    Args:
        sample: what graders saw, in any of the shapes that rows hold; None for none.
        spoken: the messages that the model was asked.
        sampling: the sampling_params.
        model: the model that was asked.
        usage: tokens by kind.
        error: why there is no sample.
    """
    found = _read(sample)
    sampling, usage = sampling or {}, usage or {}
    choices = found.get("choices")
    first = choices[0] if isinstance(choices, list) and choices else {}
    message = first.get("message") if isinstance(first, dict) else None
    if not isinstance(message, dict) and "output_text" in found:
        message = {"role": "assistant", "content": found["output_text"]}
        if found.get("output_tools"):
            message["tool_calls"] = found["output_tools"]
    finish = first.get("finish_reason") if isinstance(first, dict) else None
    prompt, completion = usage.get("prompt_tokens", 0), usage.get("completion_tokens", 0)
    return {
        "input": list(spoken or ()),
        "output": [message] if isinstance(message, dict) else [],
        "finish_reason": finish or ("stop" if isinstance(message, dict) else None),
        "model": found.get("model") or model or "",
        "usage": {
            "prompt_tokens": prompt, "completion_tokens": completion,
            "total_tokens": prompt + completion, "cached_tokens": usage.get("cached_tokens", 0),
        },
        "error": None if error is None else dict(error),
        "temperature": sampling.get("temperature"),
        "top_p": sampling.get("top_p"),
        "seed": sampling.get("seed"),
        "max_completion_tokens": sampling.get("max_completion_tokens"),
    }  # fmt: skip


def _read(sample: Any) -> dict[str, Any]:
    if sample is None:
        return {}
    if isinstance(sample, str):
        return {"output_text": sample}
    try:
        return read_shape(sample)[1]
    except ValueError:
        return sample if isinstance(sample, dict) else {}

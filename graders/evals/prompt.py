"""What a model is sent for a row of a run: messages and sampling, as either API has them. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from graders.errors import quoted
from graders.evals.request import ItemReference, input_messages, reference
from graders.kinds import Messages, messages, texts
from graders.models.rollout import RESPONSES, Ask
from graders.sample import Wanted, prepared
from graders.template import MissingVariableError, compile_template, render_column, resolve

__all__ = ["PromptError", "Prompts", "sampling_of"]

_TEXTS: Final = ("input_text", "output_text", "text")
_CAP: Final = ("max_completion_tokens", "max_completions_tokens")


class PromptError(Exception):
    """A row's item does not hold what its messages ask for; says what."""


class Prompts:
    """The prompts of a run that asks a model.

    Args:
        source: a data_source that was found good and has input_messages.
    """

    def __init__(self, source: Mapping[str, Any]) -> None:
        given = input_messages(source)
        if given is None:
            raise TypeError("the data source has input_messages")
        self._kind: str = source["type"]
        self._sampling = sampling_of(source)
        self._messages: Callable[[Any], list[dict[str, Any]]]
        if isinstance(given, ItemReference):
            self._messages = _referenced(given.item_reference)
        else:
            self._messages = _templated(given.template)

    def ask(self, place: int, item: Mapping[str, Any]) -> Ask:
        """Return what is asked for a row.

        Raises:
            PromptError: the item lacks what the messages ask for.
        """
        spoken = self._messages(item)
        chat = {"messages": [_as_chat(one) for one in spoken], **_chat_sampling(self._sampling)}
        if self._kind == "completions":
            return Ask((place,), chat)
        body = {"input": _as_response(spoken), "store": False, **_response_sampling(self._sampling)}
        return Ask((place,), body, RESPONSES, instead=None if _only_there(self._sampling) else chat)


def sampling_of(source: Mapping[str, Any]) -> dict[str, Any]:
    """Return the sampling_params of a data source, the cap on tokens by its right name."""
    given = {
        name: value
        for name, value in (source.get("sampling_params") or {}).items()
        if value is not None
    }
    caps = [given.pop(name) for name in _CAP if name in given]
    return {**given, _CAP[0]: caps[0]} if caps else given


def _templated(template: Messages) -> Callable[[Any], list[dict[str, Any]]]:
    fields = [(one.path, compile_template(one.text)) for one in texts(template)]

    def make(item: Any) -> list[dict[str, Any]]:
        columns = {}
        for path, text in fields:
            rendered = render_column(text, [item], [prepared(None, Wanted())])
            if rendered.failures:
                raise PromptError(rendered.failures[0].message)
            columns[path] = rendered.texts
        return messages(template, columns, 1)[0]

    return make


def _referenced(text: str) -> Callable[[Any], list[dict[str, Any]]]:
    path = reference(text)

    def find(item: Any) -> list[dict[str, Any]]:
        try:
            found = resolve(path, item, None)
        except MissingVariableError as error:
            raise PromptError(str(error)) from None
        if isinstance(found, str):
            return [{"role": "user", "content": found}]
        if (
            not isinstance(found, list)
            or not all(isinstance(one, dict) for one in found)
            or not found
        ):
            raise PromptError(f"{path} is a list of messages, got {quoted(found)}")
        return found

    return find


def _chat_sampling(sampling: Mapping[str, Any]) -> dict[str, Any]:
    """Return sampling parameters as chat completions have them."""
    sent = {name: value for name, value in sampling.items() if name not in ("text", "tools")}
    form = sampling.get("text", {}).get("format")
    if form is not None and form.get("type") == "json_schema":
        inner = {name: value for name, value in form.items() if name != "type"}
        sent["response_format"] = {"type": "json_schema", "json_schema": inner}
    elif form is not None:
        sent["response_format"] = form
    if sampling.get("tools"):
        sent["tools"] = [_chat_tool(one) for one in sampling["tools"]]
    return sent


def _response_sampling(sampling: Mapping[str, Any]) -> dict[str, Any]:
    """Return sampling parameters as the Responses API has them, which knows no seed."""
    sent = {name: sampling[name] for name in ("temperature", "top_p", "text") if name in sampling}
    if _CAP[0] in sampling:
        sent["max_output_tokens"] = sampling[_CAP[0]]
    if "reasoning_effort" in sampling:
        sent["reasoning"] = {"effort": sampling["reasoning_effort"]}
    if sampling.get("tools"):
        sent["tools"] = [_response_tool(one) for one in sampling["tools"]]
    return sent


def _only_there(sampling: Mapping[str, Any]) -> bool:
    """Whether a tool is asked for that only the Responses API has, such as web_search."""
    return any(one.get("type") != "function" for one in sampling.get("tools") or ())


def _chat_tool(tool: Mapping[str, Any]) -> dict[str, Any]:
    if tool.get("type") != "function" or "function" in tool:
        return dict(tool)
    return {"type": "function", "function": {k: v for k, v in tool.items() if k != "type"}}


def _response_tool(tool: Mapping[str, Any]) -> dict[str, Any]:
    inner = tool.get("function")
    return {"type": "function", **inner} if isinstance(inner, dict) else dict(tool)


def _as_chat(message: Mapping[str, Any]) -> dict[str, Any]:
    """Return a message as chat completions have it, whichever API's it is."""
    match message.get("type"):
        case "function_call":
            inner = {"name": message.get("name"), "arguments": message.get("arguments")}
            call = {"id": message.get("call_id"), "type": "function", "function": inner}
            return {"role": "assistant", "content": None, "tool_calls": [call]}
        case "function_call_output":
            about = {"tool_call_id": message.get("call_id"), "content": message.get("output")}
            return {"role": "tool", **about}
    content = message.get("content")
    kept = {name: value for name, value in message.items() if name != "type"}
    if isinstance(content, list):
        kept["content"] = [_chat_part(part) for part in content]
    elif isinstance(content, dict):
        kept["content"] = [_chat_part(content)]
    return kept


def _chat_part(part: Any) -> Any:
    if isinstance(part, str):
        return {"type": "text", "text": part}
    if isinstance(part, dict) and part.get("type") in _TEXTS:
        return {**part, "type": "text"}
    if isinstance(part, dict) and part.get("type") == "input_image":
        detail = {} if part.get("detail") is None else {"detail": part["detail"]}
        return {"type": "image_url", "image_url": {"url": part.get("image_url"), **detail}}
    return part


def _as_response(spoken: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return messages as the input of the Responses API."""
    found: list[dict[str, Any]] = []
    for message in spoken:
        if message.get("role") == "tool":
            about = {"call_id": message.get("tool_call_id"), "output": message.get("content")}
            found.append({"type": "function_call_output", **about})
            continue
        calls = message.get("tool_calls") or ()
        if message.get("content") is not None or not (calls or message.get("type")):
            content, said = message.get("content"), message.get("role") == "assistant"
            if isinstance(content, dict | list):
                parts = content if isinstance(content, list) else [content]
                content = [_response_part(part, said=said) for part in parts]
            found.append({**_without(message, "tool_calls"), "content": content})
        elif message.get("type"):
            found.append(dict(message))
        for call in calls:
            inner = call.get("function", {})
            found.append({"type": "function_call", "call_id": call.get("id"), **inner})
    return found


def _response_part(part: Any, *, said: bool) -> Any:
    kind = "output_text" if said else "input_text"
    if isinstance(part, str):
        return {"type": kind, "text": part}
    if isinstance(part, dict) and part.get("type") == "text":
        return {**part, "type": kind}
    if isinstance(part, dict) and part.get("type") == "image_url":
        image = part.get("image_url")
        url = image.get("url") if isinstance(image, dict) else image
        detail = image.get("detail") if isinstance(image, dict) else None
        return {"type": "input_image", "image_url": url, "detail": detail or "auto"}
    return part


def _without(value: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: one for name, one in value.items() if name not in names}

"""What servers say of parameters: one they do not take, a value they do not take, or neither."""

from __future__ import annotations

import json
from typing import Any

import pytest

from graders.wire.answer import HttpAnswer
from graders.wire.fault import refused_in

SENT = {"max_completion_tokens": 50, "max_tokens": 50, "seed": 1, "temperature": 0, "top_p": 1}


def openai(
    message: str, param: str | None = None, code: Any = None, kind: str = "invalid_request_error"
):
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def fastapi(*faults: Any):
    return {"detail": list(faults)}


def vllm(message: str):
    return {
        "object": "error",
        "message": message,
        "type": "BadRequestError",
        "param": None,
        "code": 400,
    }


def anthropic(message: str):
    return {"type": "error", "error": {"type": "invalid_request_error", "message": message}}


def gemini(message: str, **more: Any):
    return [{"error": {"code": 400, "message": message, "status": "INVALID_ARGUMENT", **more}}]


UNKNOWN: list[tuple[Any, str]] = [
    (openai("Unsupported parameter: 'temperature' is not supported with this model.", "temperature", "unsupported_parameter"), "temperature"),
    (openai("Unsupported parameter: 'temperature' is not supported with this model."), "temperature"),
    (openai("Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.", "max_tokens", "unsupported_parameter"), "max_tokens"),
    (openai("Unsupported value: 'temperature' does not support 0 with this model. Only the default (1) value is supported.", "temperature", "unsupported_value"), "temperature"),
    (openai("Unsupported value: 'temperature' does not support 0 with this model. Only the default (1) value is supported."), "temperature"),
    (openai("Unsupported value: 'top_p' does not support 0.5 with this model. Only the default (1) value is supported.", "top_p", "unsupported_value"), "top_p"),
    (openai("Unknown parameter: 'seed'.", "seed", "unknown_parameter"), "seed"),
    (openai("Unknown parameter: 'seed'."), "seed"),
    (openai("Unrecognized request argument supplied: seed"), "seed"),
    (openai("Unrecognized request arguments supplied: seed, top_p"), "seed top_p"),
    (openai("property 'seed' is unsupported, did you mean 'stop'?"), "seed"),
    (openai("invalid temperature: only 1 is allowed for this model"), "temperature"),
    (openai("litellm.UnsupportedParamsError: vertex_ai does not support parameters: {'seed': 1, 'top_p': 1}, for model=x. To drop these, set `litellm.drop_params=True`", "None", "400", "None"), "seed top_p"),
    (openai("litellm.UnsupportedParamsError: gpt-5 models don't support temperature=0. Only temperature=1 is supported.", "None", "400", "None"), ""),
    (openai("litellm.BadRequestError: OpenAIException - Unsupported parameter: 'seed' is not supported with this model."), "seed"),
    (fastapi({"type": "extra_forbidden", "loc": ["body", "seed"], "msg": "Extra inputs are not permitted", "input": 1}), "seed"),
    (fastapi({"loc": ["body", "seed"], "msg": "extra fields not permitted", "type": "value_error.extra"}), "seed"),
    (fastapi({"loc": ["body", "ChatCompletionRequest", "seed"], "msg": "Extra inputs are not permitted"}), "seed"),
    (fastapi({"type": "extra_forbidden", "loc": ["body", "seed"]}, {"type": "extra_forbidden", "loc": ["body", "top_p"]}), "seed top_p"),
    ({"object": "error", "message": {"detail": [{"type": "extra_forbidden", "loc": ["body", "seed"], "msg": "Extra inputs are not permitted", "input": 1}]}, "type": "invalid_request_error", "param": None}, "seed"),
    (vllm("[{'type': 'extra_forbidden', 'loc': ('body', 'seed'), 'msg': 'Extra inputs are not permitted', 'input': 1}]"), "seed"),
    (vllm("seed is not supported"), "seed"),
    (anthropic("seed: Extra inputs are not permitted"), "seed"),
    (anthropic("`temperature` is deprecated and not supported for this model."), ""),
    (gemini('Invalid JSON payload received. Unknown name "seed": Cannot find field.'), "seed"),
    (gemini("Invalid JSON payload received.", details=[{"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": [{"field": "seed", "description": 'Unknown name "seed": Cannot find field.'}]}]), "seed"),
    ({"error": 'json: unknown field "seed"'}, "seed"),
    ({"error": "unknown field `seed`, expected one of `model`, `messages`, `temperature`"}, "seed"),
    ({"error": "Additional properties are not allowed ('seed' was unexpected)"}, "seed"),
    ({"message": "create() got an unexpected keyword argument 'seed'"}, "seed"),
    ("Parameter seed is not supported.", "seed"),
    ("This endpoint does not support the parameter top_p", "top_p"),
    ({"error": {"message": "max_tokens and max_completion_tokens cannot both be set"}}, "max_tokens"),
    ({"error": {"message": "only one of max_tokens or max_completion_tokens may be set"}}, "max_tokens"),
    ({"error": {"message": "Please use max_completion_tokens instead of max_tokens"}}, "max_tokens"),
]  # fmt: skip

VALUES: list[tuple[Any, str]] = [
    (openai("Invalid 'temperature': decimal above maximum value. Expected a value <= 1, but got 2 instead.", "temperature", "decimal_above_max_value"), "temperature"),
    (openai("Invalid 'temperature': decimal above maximum value. Expected a value <= 1, but got 2 instead."), "temperature"),
    (openai("Invalid 'seed': integer above maximum value. Expected a value <= 9, but got 10 instead.", "seed", "integer_above_max_value"), "seed"),
    (openai("Invalid 'top_p': decimal below minimum value.", "top_p", "decimal_below_min_value"), "top_p"),
    (openai("Invalid type for 'temperature': expected a decimal, but got a string instead.", "temperature", "invalid_type"), "temperature"),
    (openai("Invalid value: 'x'. Supported values are: 'low', 'high'.", "seed", "invalid_value"), "seed"),
    (openai("Unsupported value: 'temperature' does not support 0 with this model. Supported values are: 0.5 and 1.", "temperature", "unsupported_value"), "temperature"),
    (openai("Unsupported value: 'seed' does not support 1 with this model.", "seed", "unsupported_value"), "seed"),
    (openai("max_tokens is too large: 1000000. This model supports at most 16384 completion tokens, whereas you provided 1000000.", "max_tokens"), "max_tokens"),
    (openai("max_completion_tokens is too large: this model supports at most 16384 completion tokens", "max_completion_tokens"), "max_completion_tokens"),
    (openai("'max_tokens' or 'max_completion_tokens' is too large: 9000. This model's maximum context length is 2048 tokens"), "max_tokens max_completion_tokens"),
    (openai("`max_tokens` must be less than or equal to `8192`, the maximum value for `max_tokens` is less than the `context_window` for this model", "max_tokens"), "max_tokens"),
    (openai("'temperature' : number must be at most 2"), "temperature"),
    (openai("temperature should be in range [0, 2]"), "temperature"),
    (openai("temperature must be non-negative, got -1.0."), "temperature"),
    (openai("temperature: not a multiple of 0.1"), "temperature"),
    (openai("Unsupported parameter value: temperature=2 is not supported", "temperature"), "temperature"),
    (openai("temperature is not supported above 1"), "temperature"),
    (openai("temperature is not allowed to be greater than 1"), "temperature"),
    (openai("temperature 2 is not supported, the range is 0 to 1"), "temperature"),
    (openai("only temperature values between 0 and 1 are allowed"), "temperature"),
    (openai("Input validation error: `temperature` must be strictly positive"), "temperature"),
    (openai("litellm.BadRequestError: OpenAIException - Invalid 'temperature': decimal above maximum value. Expected a value <= 2, but got 3 instead.", "None", "400"), "temperature"),
    (fastapi({"type": "less_than_equal", "loc": ["body", "temperature"], "msg": "Input should be less than or equal to 2", "input": 3, "ctx": {"le": 2}}), "temperature"),
    (fastapi({"loc": ["body", "temperature"], "msg": "ensure this value is less than or equal to 2", "type": "value_error.number.not_le"}), "temperature"),
    (fastapi({"loc": ["temperature"], "msg": "Input should be less than or equal to 2"}), "temperature"),
    (fastapi({"type": "float_parsing", "loc": ["body", "temperature", "float"], "msg": "Input should be a valid number"}), "temperature"),
    (fastapi({"type": "extra_forbidden", "loc": ["body", "seed"]}, {"type": "less_than_equal", "loc": ["body", "temperature"]}), "temperature"),
    (vllm("[{'type': 'less_than_equal', 'loc': ('body', 'temperature'), 'msg': 'Input should be less than or equal to 2', 'input': 3}]"), "temperature"),
    (vllm("top_p must be in (0, 1], got 2."), "top_p"),
    (anthropic("temperature: range: 0..1"), "temperature"),
    (anthropic("max_tokens: 1000000 > 8192, which is the maximum allowed number of output tokens for x"), "max_tokens"),
    (gemini("Unable to submit request because it has a temperature value of 3 but the supported range is from 0 (inclusive) to 2 (inclusive)."), "temperature"),
    (gemini("* GenerateContentRequest.generation_config.temperature: temperature must be in the range [0.0, 2.0]."), "temperature"),
    ({"error": "json: cannot unmarshal string into Go struct field ChatRequest.temperature of type float64"}, ""),
    ('Failed to deserialize the JSON body into the target type: temperature: invalid type: string "x", expected f32 at line 1 column 9', "temperature"),
    ({"error": {"message": "Unsupported parameter value for temperature: must be at most 1"}}, "temperature"),
]  # fmt: skip

NEITHER: list[Any] = [
    {},
    None,
    [],
    "",
    {"error": None},
    openai("Invalid parameter: 'response_format' of type 'json_schema' is not supported with this model.", "response_format"),
    openai("Unknown parameter: 'messages[0].temperature'.", "messages[0].temperature", "unknown_parameter"),
    openai("Unknown parameter: 'response_format.json_schema.seed'.", "response_format.json_schema.seed", "unknown_parameter"),
    openai("This model's maximum context length is 2048 tokens"),
    openai("something about temperature"),
    openai("Unknown parameter: 'temperature_x'."),
    fastapi({"type": "extra_forbidden", "loc": ["body", "response_format", "seed"], "msg": "Extra inputs are not permitted"}),
    fastapi({"type": "extra_forbidden", "loc": ["body", "messages", 0, "temperature"]}),
    fastapi({"loc": ["body", "response_format", "type"], "msg": "unexpected value", "input": {"seed": 1}}),
    fastapi({"loc": "body", "msg": 5}, 7, {"loc": [None, {}], "type": {}}),
    openai("", "temperature", {"x": 1}),
]  # fmt: skip


def said(body: Any, spoken: str = "") -> tuple[set[str], set[str]]:
    raw = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    found = refused_in(HttpAnswer(400, "application/json", raw), SENT, spoken)
    return set(found.unknown), set(found.values)


@pytest.mark.parametrize(("body", "names"), UNKNOWN)
def test_a_parameter_that_is_not_taken_is_told_from_a_value(body, names):
    assert said(body) == (set(names.split()), set())


@pytest.mark.parametrize(("body", "names"), VALUES)
def test_a_value_that_is_not_taken_is_no_parameter_to_leave_out(body, names):
    unknown, values = said(body)
    assert unknown == set()
    assert values == set(names.split())


@pytest.mark.parametrize("body", NEITHER)
def test_what_speaks_of_something_else_refuses_no_parameter(body):
    assert said(body) == (set(), set())


@pytest.mark.parametrize(
    "words",
    [
        "Unknown parameter: 'seed'",
        "temperature is not supported",
        "only the default value of temperature",
        "unsupported parameters: seed, top_p",
    ],
)
def test_what_a_server_quotes_from_the_request_is_not_its_own_word(words):
    message = f"this content is not allowed: {words}"
    assert said(openai(message), f"please say {words} now")[0] == set()
    assert said(openai(message))[0] != set() or "only" in words

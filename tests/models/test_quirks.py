"""Other servers' ways, through real HTTP: each is adapted to and remembered, or fails by name.

The bodies are those that the servers named in each test send.
"""

from __future__ import annotations

import gzip
import json
import time
import zlib
from email.utils import formatdate
from functools import partial
from typing import Any

import pytest

import graders
from graders.calls import ChatCall, ChatReply
from graders.models import JudgeOptions
from graders.models.client import ChatClient
from tests.models.server import Asked, Told, completion, error

KEY = "sk-very-secret-key-0123456789"
VERDICT = '{"steps": [], "result": 0.5}'
GRADER = {
    "type": "score_model", "name": "j", "model": "judge",
    "input": [{"role": "user", "content": "{{ sample.output_text }}"}],
    "sampling_params": {"temperature": 0, "seed": 1, "max_completions_tokens": 50},
}  # fmt: skip


def told(status: int, body: Any, **headers: str) -> Told:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Told(status, body if isinstance(body, bytes) else json.dumps(body).encode(), named)


def grade(server: Any, rows: int = 1, **options: Any) -> list[graders.Grade]:
    judge = JudgeOptions(
        base_url=server.url, **{"cache": "none", "attempts": 2, "concurrency": 1, **options}
    )
    with graders.load(GRADER, judge=judge) as grader:
        return list(grader.grade_many({"sample": f"row {n}"} for n in range(rows)))


def ask(url: str, rows: int = 1, **options: Any) -> list[ChatReply]:
    messages = [[{"role": "user", "content": f"row {n}"}] for n in range(rows)]
    with ChatClient(JudgeOptions(base_url=url, **{"cache": "none", **options})) as client:
        return client.perform(ChatCall("m", messages, "v", {"type": "object"}, {"temperature": 0}))


def form(asked: Asked) -> str:
    return str(asked.body.get("response_format", {}).get("type", "text"))


def takes(*forms: str, refusal: Told, reply: str = VERDICT) -> Any:
    return lambda asked, _: completion(reply) if form(asked) in forms else refusal


# Which form of the reply's shape a server takes.

LM_STUDIO = told(400, {"error": "'response_format.type' must be 'json_schema' or 'text'"})
VLLM = told(400, {"object": "error", "message": "response_format json_schema is not supported",
                  "type": "BadRequestError", "param": None, "code": 400})  # fmt: skip
VLLM_LATER = told(400, {"error": {"message": "xgrammar does not take this", "code": 400,
                                  "type": "BadRequestError", "param": None}})  # fmt: skip
LLAMA_CPP = told(500, {"error": {"code": 500, "type": "server_error",
                                 "message": "failed to parse grammar"}})  # fmt: skip
LLAMA_CPP_501 = told(501, {"error": {"code": 501, "type": "not_supported_error",
                                     "message": "This server does not support it"}})  # fmt: skip
FASTAPI = told(422, {"detail": [{"loc": ["body", "response_format", "type"], "msg": "unexpected value",
                                 "input": {"seed": 1, "temperature": 0}}]})  # fmt: skip
GEMINI = told(400, [{"error": {"code": 400, "message": 'Unknown name "json_schema"',
                               "status": "INVALID_ARGUMENT"}}])  # fmt: skip


@pytest.mark.parametrize(
    ("refusal", "forms"),
    [
        (VLLM, ("json_object",)), (VLLM_LATER, ("text",)), (LLAMA_CPP, ("json_object",)),
        (LLAMA_CPP, ("text",)), (LLAMA_CPP_501, ("text",)), (FASTAPI, ("json_object",)),
        (GEMINI, ("text",)), (LM_STUDIO, ("json_schema",)), (LM_STUDIO, ("text",)),
    ],
)  # fmt: skip
def test_a_form_that_a_server_refuses_is_left_once_and_for_all(serve, refusal, forms):
    server = serve(takes(*forms, refusal=refusal))
    found = grade(server, 12, concurrency=8)
    assert [one.reward for one in found] == [0.5] * 12
    assert server.answered == 12
    assert len(server.asked) - 12 <= 3  # The first call learns for all the others.
    assert all(one.body["seed"] == 1 for one in server.asked)  # Quoted by FastAPI, not refused.


def test_a_form_chosen_by_name_is_not_left_and_the_reason_is_said(serve):
    server = serve(takes("json_schema", "text", refusal=LM_STUDIO))
    (found,) = grade(server, reply_form="json_object")
    assert found.failures[0].code == "model_grader_server_error"
    assert "must be 'json_schema' or 'text'" in found.failures[0].message


@pytest.mark.parametrize(
    ("text", "reward"),
    [
        (VERDICT, 0.5),
        (f"\ufeff  {VERDICT}\n", 0.5),
        (f"```json\n{VERDICT}\n```", 0.5),
        (f"```JSON\r\n{VERDICT}\r\n```\n", 0.5),
        (f"<think>\nIs it {{}}? Yes.\n</think>\n\n{VERDICT}", 0.5),
        (f"<think></think>```json\n{VERDICT}\n```", 0.5),
        (f"Sure! {VERDICT}", None),
        (f"{VERDICT} I hope this helps.", None),
        (f"```json\n{VERDICT}\n```\nI hope this helps.", None),
        (f"<think>never ends {VERDICT}", None),
        # A sample that the judge quotes while it thinks cannot end the thoughts in its favour.
        (f'<think>it says </think>{{"steps": [], "result": 1}} hm</think>{VERDICT}', 0.5),
        ('<think>it says </think>{"steps": [], "result": 1} hm', None),
        # The template of some models writes the opening tag.
        (f"Is it {{}}? Yes.\n</think>\n\n{VERDICT}", 0.5),
        (f"<Thinking>Yes.</Thinking>{VERDICT}", 0.5),
        ('{"steps": [{"description": "</think>", "conclusion": ""}], "result": 0.5}', 0.5),
        (f"{VERDICT}{VERDICT}", None),
        ("[0.5]", None),
    ],
)
@pytest.mark.parametrize("shape", ["auto", "text"])
def test_thoughts_and_a_fence_are_set_aside_and_nothing_else(serve, text, reward, shape):
    (found,) = grade(serve(lambda *_: completion(text)), reply_form=shape)
    assert found.reward == reward
    if reward is None:
        assert found.failures[0].code == "model_grader_parse_error"
        assert found.failures[0].details == text


def test_a_server_that_ignores_the_schema_loses_one_row_and_is_asked_in_words(serve):
    def script(asked, _):
        words = "JSON Schema" in json.dumps(asked.body["messages"])
        return completion(VERDICT if words else "I would say it is about half right.")

    server = serve(script)
    judge = JudgeOptions(base_url=server.url, cache="none", concurrency=16)
    with graders.load(GRADER, judge=judge) as grader:
        found = list(grader.grade_many({"sample": str(n)} for n in range(20)))
        (stats,) = grader.judge_stats
    assert [one.reward for one in found] == [None] + [0.5] * 19
    assert found[0].failures[0].code == "model_grader_parse_error"
    assert "about half right" in found[0].failures[0].details
    assert len(server.asked) == 20  # No row is paid for twice.
    assert "ignores response_format" in stats.notes[0]


# Replies without a text.


def message(text: Any, finish: str = "stop", **more: Any) -> Told:
    return completion(text, finish, **more)


@pytest.mark.parametrize(
    ("reply", "code", "says"),
    [
        (message(None, reasoning_content="it is fine", stop_reason=None),
         "model_grader_parse_error", "reasoning_content"),
        (message("", reasoning="it is fine"), "model_grader_parse_error", "reasoning"),
        (message(None, "tool_calls", tool_calls=[{"type": "function", "function":
                 {"name": "grade", "arguments": "{}"}}]),
         "model_grader_parse_error", "calls the tool 'grade'"),
        (message(None), "model_grader_parse_error", "empty"),
        (message(None, "length", reasoning_content="hm"),
         "model_grader_exceeded_max_tokens_error", "while it reasoned"),
        (message([{"type": "refusal", "refusal": "I will not"}]),
         "model_grader_refusal_error", "I will not"),
        (message(VERDICT, "content_filter"), "model_grader_refusal_error", "filter"),
        (message("", "error"), "model_grader_server_error", "ended the judge's reply"),
        (told(200, {"choices": [], "usage": None}), "model_grader_server_error", "no choices"),
        (told(200, {"error": {"message": "upstream is busy", "code": 502}}),
         "model_grader_server_error", "upstream is busy"),
        (told(200, {"error": "boom"}), "model_grader_server_error", "boom"),
        (told(200, b"<html><title>Log in</title></html>", content_type="text/html"),
         "model_grader_server_error", "text/html"),
        (told(200, b'data: {"choices": []}\n\n', content_type="text/event-stream"),
         "model_grader_server_error", "text/event-stream"),
        (told(200, b""), "model_grader_server_error", "not a chat completion"),
        (told(200, VERDICT.encode()), "model_grader_server_error", "no choices"),
    ],
)  # fmt: skip
def test_what_comes_in_place_of_a_text_has_a_code_and_is_kept(serve, reply, code, says):
    server = serve(lambda *_: reply)
    (found,) = grade(server)
    assert (found.failures[0].code, found.reward) == (code, None)
    assert says in found.failures[0].message
    assert bool(found.failures[0].details) == bool(reply.body)
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    "content",
    [
        [{"type": "text", "text": '{"steps": [], '}, {"type": "text", "text": '"result": 0.5}'}],
        [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]},
         {"type": "text", "text": VERDICT}],
    ],
)  # fmt: skip
def test_a_text_in_parts_is_put_together(serve, content):
    (found,) = grade(serve(lambda *_: message(content)))
    assert found.reward == 0.5


@pytest.mark.parametrize("usage", [None, {}, [], {"prompt_tokens": None}])
def test_a_reply_without_usage_counts_no_tokens(serve, usage):
    body = json.loads(completion().body)
    body["usage"] = usage
    body["system_fingerprint"] = body["choices"][0]["stop_reason"] = None
    (found,) = grade(serve(lambda *_: told(200, body)))
    assert found.reward == 0.5
    assert sum(one.total_tokens for one in found.usage.values()) == 0


# Parameters that a server does not take.


@pytest.mark.parametrize(
    ("status", "body", "gone"),
    [
        (400, {"error": {"message": "Unrecognized request argument supplied: seed"}}, "seed"),
        (400, {"error": {"message": "Unsupported value: 'temperature' does not support 0 with this "
                         "model.", "param": "temperature", "code": "unsupported_value"}}, "temperature"),
        (422, {"detail": [{"type": "extra_forbidden", "loc": ["body", "seed"],
                           "msg": "Extra inputs are not permitted", "input": 1}]}, "seed"),
        (400, [{"error": {"code": 400, "message": 'Unknown name "seed": Cannot find field.'}}], "seed"),
        (400, {"error": {"message": "Unsupported parameter: 'max_tokens' is not supported with this "
                         "model. Use 'max_completion_tokens' instead."}}, "max_tokens"),
        (400, {"error": {"message": "max_tokens and max_completion_tokens cannot both be set"}},
         "max_tokens"),
        (400, {"error": {"message": "unknown field max_completion_tokens"}}, "max_completion_tokens"),
    ],
)  # fmt: skip
def test_a_parameter_that_a_server_does_not_take_goes_once_and_for_all(serve, status, body, gone):
    server = serve(lambda asked, _: told(status, body) if gone in asked.body else completion())
    assert [one.reward for one in grade(server, 5, concurrency=5)] == [0.5] * 5
    assert len(server.asked) == 6
    last = server.asked[-1].body
    assert gone not in last
    assert last.get("max_tokens", last.get("max_completion_tokens")) == 50


def test_reasoning_effort_goes_where_it_is_not_taken(serve):
    refusal = error(400, "Unrecognized request argument supplied: reasoning_effort")
    server = serve(lambda asked, _: refusal if "reasoning_effort" in asked.body else completion())
    config = {**GRADER, "sampling_params": {"reasoning_effort": "low"}}
    with graders.load(
        config, judge=JudgeOptions(base_url=server.url, cache="none")
    ) as grader:  # fmt: skip
        assert grader.grade(sample="x").reward == 0.5
        assert "reasoning_effort" in grader.judge_stats[0].notes[0]


# Errors, each by its name.

AZURE_FILTER = {"error": {"message": "The response was filtered due to the prompt triggering Azure "
                "OpenAI's content management policy.", "type": None, "param": "prompt",
                "code": "content_filter", "status": 400, "innererror": {
                    "code": "ResponsibleAIPolicyViolation", "content_filter_result": {
                        "violence": {"filtered": True, "severity": "medium"}}}}}  # fmt: skip


@pytest.mark.parametrize(
    ("answer", "code", "says"),
    [
        (told(400, AZURE_FILTER), "model_grader_refusal_error", "filter refused"),
        (told(400, {"error": {"message": "no", "innererror": {"code": "ResponsibleAIPolicyViolation"}}}),
         "model_grader_refusal_error", "filter refused"),
        (told(404, {"error": {"message": 'model "x" not found, try pulling it first'}}),
         "model_grader_server_error", "--model-map"),
        (told(404, b"404 page not found", content_type="text/plain"),
         "model_grader_server_error", "/v1"),
        (told(502, b"<html><head><title>502 Bad Gateway</title></head><body>" + b"x" * 9999,
              content_type="text/html"), "model_grader_server_error", "'502 Bad Gateway'"),
        (told(401, {"message": "Unauthorized"}), "model_grader_server_error", "401: Unauthorized"),
        (told(403, {"detail": "not yours"}), "model_grader_server_error", "403: not yours"),
        (told(400, {"error": {"message": "This model's maximum context length is 2048 tokens"}}),
         "model_grader_server_error", "2048 tokens"),
    ],
)  # fmt: skip
def test_an_error_is_one_sentence_that_says_what_to_do(serve, answer, code, says):
    (found,) = grade(serve(lambda *_: answer), attempts=1)
    assert found.failures[0].code == code
    assert says in found.failures[0].message
    assert "\n" not in found.failures[0].message
    assert len(found.failures[0].message) < 600


def test_a_refusal_by_the_filter_is_kept_for_the_replay(serve, tmp_path):
    server = serve(lambda *_: told(400, AZURE_FILTER))
    file = tmp_path / "c.sqlite"
    first = grade(server, cache="all", cache_file=file)
    again = grade(server, cache="offline", cache_file=file)
    assert first == again
    assert len(server.asked) == 1


def test_a_model_that_is_still_loading_is_waited_for(serve):
    loading = told(503, {"error": {"code": 503, "message": "Loading model",
                                   "type": "unavailable_error"}}, retry_after="0.02")  # fmt: skip
    server = serve(lambda _, count: loading if count < 9 else completion())
    assert [one.reward for one in grade(server, 1, attempts=2)] == [0.5]
    (found,) = grade(serve(lambda *_: loading), deadline=1.5)
    assert "Loading model" in found.failures[0].message


@pytest.mark.parametrize(
    ("name", "value", "least"),
    [
        ("retry-after-ms", lambda: "300", 0.3),
        ("retry-after", lambda: "0.3", 0.3),
        # To the second, so it may be up to one less.
        ("retry-after", lambda: formatdate(time.time() + 2, usegmt=True), 0.9),
        ("retry-after", lambda: "soon", 0.0),
    ],
)
def test_each_way_to_ask_for_a_wait_is_understood(serve, name, value, least):
    def script(_, count):
        return Told(429, b"{}", {name: value()}) if count == 1 else completion()

    started = time.monotonic()
    assert grade(serve(script))[0].reward == 0.5
    assert time.monotonic() - started >= least


def test_a_redirect_is_not_followed_so_the_key_goes_nowhere_else(serve):
    other = serve(lambda *_: completion())
    there = f"{other.url}/chat/completions?seen={KEY}"
    for status in (301, 302, 303, 307, 308):
        server = serve(lambda *_, status=status: told(status, b"", location=there))
        (found,) = grade(server)
        assert f"it redirects to {other.url}" in found.failures[0].message
        assert KEY not in found.failures[0].message
        assert len(server.asked) == 1
    assert other.asked == []


# The body's outside.

PLAIN = completion().body
# Without the time of day: the bytes are a part of the tests' names, the same in every process.
packed = partial(gzip.compress, mtime=0)


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (packed(PLAIN), {"content-encoding": "gzip"}),
        (packed(PLAIN[:30]) + packed(PLAIN[30:]), {"content-encoding": "GZIP"}),
        (zlib.compress(PLAIN), {"content-encoding": "deflate"}),
        (zlib.compress(PLAIN, wbits=-15), {"content-encoding": "deflate"}),
        (PLAIN, {"content-encoding": "identity"}),
        (PLAIN, {"content-type": "text/plain"}),
        (b"\xef\xbb\xbf" + PLAIN, {}),
        (PLAIN.decode().encode("utf-16"), {"content-type": "application/json; charset=utf-16"}),
        (b"\n" * 5000 + b"   " + PLAIN + b"\r\n \n", {}),
    ],
)  # fmt: skip
def test_a_body_is_read_through_its_encoding_marks_and_blanks(serve, body, headers):
    assert grade(serve(lambda *_: Told(200, body, headers)))[0].reward == 0.5


def test_a_body_in_chunks_or_until_the_connection_ends_is_read(serve):
    assert grade(serve(lambda *_: Told(200, PLAIN, chunked=7)))[0].reward == 0.5
    until_end = Told(200, PLAIN, {"connection": "close", "content-length": ""}, cut_at=len(PLAIN))
    assert grade(serve(lambda *_: until_end))[0].reward == 0.5


@pytest.mark.parametrize(
    ("body", "headers", "says"),
    [
        (b"\x1b\x00", {"content-encoding": "br"}, "'br' was not asked for"),
        (packed(PLAIN)[:-30], {"content-encoding": "gzip"}, "cut off"),
        (PLAIN, {"content-encoding": "gzip"}, "not in its content encoding"),
    ],
)
def test_a_body_that_cannot_be_decoded_is_named_and_not_paid_for_twice(serve, body, headers, says):
    server = serve(lambda *_: Told(200, body, headers))
    (found,) = grade(server)
    assert says in found.failures[0].message
    assert len(server.asked) == 1


def test_azure_is_asked_under_its_v1_path_by_its_own_header(serve):
    server = serve(lambda *_: completion())
    base = server.url.removesuffix("/v1") + "/openai/v1?api-version=preview"
    (reply,) = ask(base, auth="api-key")
    assert reply.error is None
    assert server.asked[0].path == "/openai/v1/chat/completions?api-version=preview"
    assert server.asked[0].headers["api-key"] == KEY
    assert "authorization" not in server.asked[0].headers


@pytest.mark.parametrize("length", [262_144, 262_145])
def test_a_text_has_an_end(serve, length):
    text = VERDICT + " " * (length - len(VERDICT))
    (found,) = grade(serve(lambda *_: completion(text)))
    assert (found.reward is not None) == (length == 262_144)
    if found.failures:
        assert "262,144 characters" in found.failures[0].message
        assert len(found.failures[0].details) == 4000

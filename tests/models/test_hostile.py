"""Hostile servers, through real HTTP: whatever comes, a row has a score or a failure of its own."""

from __future__ import annotations

import base64
import gzip
import json
import struct
from typing import Any

import graders
from graders import JudgeOptions
from graders.calls import EmbedCall
from graders.models.embedding import EmbedClient
from tests.models.server import VERDICT, Told, completion

GRADER = {
    "type": "score_model", "name": "j", "model": "judge",
    "input": [{"role": "user", "content": "{{ sample.output_text }}"}],
}  # fmt: skip
LONG = "9" * 4300
PLAIN = completion().body


def reply(**fields: Any) -> bytes:
    return json.dumps({**json.loads(PLAIN), **fields}).encode()


def usage(**counts: Any) -> bytes:
    return reply(usage={"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2, **counts})


def choice(**fields: Any) -> bytes:
    return reply(choices=[{**json.loads(PLAIN)["choices"][0], **fields}])


def message(**fields: Any) -> bytes:
    return choice(message={"role": "assistant", "content": VERDICT, **fields})


def number(text: str) -> bytes:
    return usage(completion_tokens=0).replace(
        b'"completion_tokens": 0', b'"completion_tokens": ' + text.encode()
    )


# A reply's body, and what the failure names; None for a reply that has its score.
BODIES: dict[str, tuple[bytes, str | None]] = {
    "plain": (PLAIN, None),
    "unread fields": (reply(id=[1], created={}, object=0, system_fingerprint=1.5, x=LONG), None),
    "float count": (usage(prompt_tokens=3.0), None),
    "no counts": (reply(usage=None, model=None), None),
    "4300 digits": (number(LONG), "usage.completion_tokens is 99999999999999999999…"),
    "400 digits": (number("9" * 400), "usage.completion_tokens is a very large number"),
    "1e999": (number("1e999"), "usage.completion_tokens is 1e999"),
    "1e18": (number("1e18"), "usage.completion_tokens"),
    "negative": (usage(prompt_tokens=-5), "usage.prompt_tokens is -5"),
    "bool": (usage(total_tokens=True), "usage.total_tokens is true"),
    "fraction": (usage(total_tokens=1.5), "usage.total_tokens is 1.5"),
    "word": (usage(total_tokens="many"), 'usage.total_tokens is "many"'),
    "cached": (usage(prompt_tokens_details={"cached_tokens": "0"}), "prompt_tokens_details.cached_tokens"),
    "details": (usage(prompt_tokens_details=[0]), "usage.prompt_tokens_details"),
    "usage list": (reply(usage=[{}]), "usage is a list"),
    "usage twice": (PLAIN[:-1] + b',"usage":null}', 'the field "usage" twice'),
    "deep twice": (PLAIN[:-1] + b',"x":{"\\u001b":1,"\\u001b":2}}', "twice"),
    "NaN": (number("NaN"), "not a chat completion"),
    "model": (reply(model=5), "model is 5"),
    "choices object": (reply(choices={"0": 1}), "choices is an object"),
    "choice": (reply(choices=[[1]]), "choices[0] is a list"),
    "message": (choice(message="x"), 'choices[0].message is "x"'),
    "finish": (choice(finish_reason=0), "choices[0].finish_reason is 0"),
    "logprobs": (choice(logprobs=[]), "choices[0].logprobs"),
    "content": (message(content=0.5), "choices[0].message.content is 0.5"),
    "content object": (message(content={"text": VERDICT}), "message.content is an object"),
    "part": (message(content=[VERDICT]), "message.content[0] is "),
    "part text": (message(content=[{"text": 1}]), "message.content[0].text is 1"),
    "refusal": (message(refusal={"x": 1}), "message.refusal is an object"),
    "tools": (message(tool_calls={"x": 1}), "message.tool_calls"),
    "deep": (PLAIN[:-1] + b',"x":' + b"[" * 101 + b"]" * 101 + b"}", "more than 100 levels"),
    "very deep": (b"[" * 500_000, "more than 100 levels"),
    "deep in quotes": (PLAIN[:-1] + b',"x":"' + b"[" * 101 + b'"}', None),
    "quotes for ever": (b'"' + b"[" * 101 + b'\\"' * 400_000, "not a chat completion"),
    "surrogate": (message(content=VERDICT.replace("[]", '[{"description": "\\ud800", "conclusion": ""}]')), None),
    "lone surrogate": (reply(model="\ud800"), None),
    "surrogate bytes": (PLAIN.replace(b"judge-1", b"\xed\xa0\x80"), "not a chat completion"),
    "long result": (message(content=VERDICT.replace("0.5", "9" * 5000)), "a number of 5,000 digits"),
    "finish error": (choice(finish_reason="error", error={"message": [1]}), "ended the judge's reply"),
    "error": (b'{"error": ' + b'{"a": ' * 90 + b"1" + b"}" * 91, "answered 200"),
    "null": (b"null", "not a chat completion"),
    "two": (PLAIN + PLAIN, "not a chat completion"),
}  # fmt: skip


def test_each_field_of_a_reply_is_checked_and_a_bad_one_fails_its_row_alone(serve):
    names = list(BODIES)
    server = serve(lambda asked, _: Told(body=BODIES[asked.body["messages"][-1]["content"]][0]))
    judge = JudgeOptions(base_url=server.url, cache="none", reply_form="json_schema", attempts=1)
    with graders.load(GRADER, judge=judge) as grader:
        found = dict(zip(names, grader.grade_many({"sample": name} for name in names), strict=True))
    for name, (_, said) in BODIES.items():
        grade = found[name]
        if said is None:
            assert grade.reward == 0.5, (name, grade.failures)
            continue
        assert said in grade.failures[0].message, name
        assert len(grade.failures[0].message) < 400
        assert grade.failures[0].message.isprintable()
        assert grade.reward is None


def head(status: str = "200 OK", *lines: str, length: int | None = len(PLAIN)) -> bytes:
    more = [] if length is None else [f"content-length: {length}"]
    return "\r\n".join([f"HTTP/1.1 {status}", *lines, *more, "", ""]).encode()


RAW: dict[str, tuple[bytes, bool]] = {
    "plain": (head() + PLAIN, True),
    "no content type": (head() + PLAIN, True),
    "html": (head("200 OK", "content-type: text/html") + PLAIN, True),
    "interim answers": (head("100 Continue", length=None) * 50 + head() + PLAIN, True),
    "endless names": (head("200 OK", *[f"x-{n}: {'y' * 500}" for n in range(2000)]) + PLAIN, False),
    "long line": (b"HTTP/1.1 200 " + b"x" * 300_000 + b"\r\n\r\n", False),
    "no content": (head("204 No Content", length=None), False),
    "switching": (head("101 Switching Protocols", "upgrade: x", "connection: upgrade", length=None) + PLAIN, False),
    "too short": (head(length=len(PLAIN) + 9) + PLAIN, False),
    "length of many digits": (head("200 OK", f"content-length: {LONG}", length=None) + PLAIN, False),
    "length of other digits": (head("200 OK", "content-length: ٣", length=None) + PLAIN, False),
    "two lengths": (head("200 OK", "content-length: 1") + PLAIN, False),
    "status": (b"HTTP/1.1 999999 x\r\n\r\n" + PLAIN, False),
    "junk chunk": (head("200 OK", "transfer-encoding: chunked", length=None) + b"zz\r\n" + PLAIN, False),
    "long chunk": (head("200 OK", "transfer-encoding: chunked", length=None) + b"f" * 50 + b"\r\n" + PLAIN, False),
    "no gzip": (head("200 OK", "content-encoding: gzip") + PLAIN, False),
    "no gzip of an error": (head("400 X", "content-encoding: gzip") + PLAIN, False),
    "half a gzip": (head("200 OK", "content-encoding: gzip", length=30) + gzip.compress(PLAIN)[:30], False),
    "another encoding": (head("200 OK", f"content-encoding: {'z' * 5000}") + PLAIN, False),
    "strange bytes": (b"HTTP/1.1 200 OK\r\nx-\xff: \xfe\r\ncontent-type: \xff\xfe\r\n\r\n" + b"\xff", False),
    "cookies": (head("200 OK", "set-cookie: a=b; max-age=x; domain=\x7f", "set-cookie: =", f"set-cookie: {'a' * 9000}") + PLAIN, True),
    "redirect": (head("307 X", "location: http://\x7f[::1", length=0), False),
    "wait": (head("400 X", f"retry-after: {LONG}", length=0), False),
    "nothing": (b"", False),
    "noise": (bytes(range(256)) * 40, False),
    "event stream": (head("200 OK", "content-type: text/event-stream", length=None) + b"data: {}\n\n" * 9, False),
}  # fmt: skip


def test_whatever_bytes_a_server_sends_end_in_a_score_or_a_failure(serve):
    names = list(RAW)
    server = serve(lambda asked, _: Told(raw=RAW[asked.body["messages"][-1]["content"]][0]))
    judge = JudgeOptions(
        base_url=server.url, cache="none", reply_form="json_schema", attempts=1, concurrency=1
    )
    scored: dict[str, bool] = {}
    for name in names:  # A server that is lost three times in a row is not asked again.
        with graders.load(GRADER, judge=judge) as grader:
            (grade,) = grader.grade_many([{"sample": name}])
        scored[name] = grade.reward == 0.5
        assert scored[name] or grade.failures[0].code == "model_grader_server_error", name
        assert scored[name] or grade.failures[0].message.isprintable(), name
    assert scored == {name: good for name, (_, good) in RAW.items()}


def test_a_cookie_of_one_answer_does_not_go_along_with_another_request(serve):
    server = serve(lambda *_: Told(body=PLAIN, headers={"set-cookie": "who=first"}))
    with graders.load(GRADER, judge=JudgeOptions(base_url=server.url, cache="none")) as grader:
        assert len(list(grader.grade_many({"sample": f"{n}"} for n in range(3)))) == 3
    assert [one.headers.get("cookie") for one in server.asked] == [None] * 3


def floats(*values: float) -> str:
    return base64.b64encode(struct.pack(f"<{len(values)}f", *values)).decode()


# What an embedding server sends, and what the failure names; None for one that has its embedding.
EMBEDDINGS: dict[str, tuple[Any, str | None]] = {
    "plain": ({"data": [{"index": 0, "embedding": [1, 2.5]}]}, None),
    "no index": ({"data": [{"embedding": [1]}]}, None),
    "base64": ({"data": [{"embedding": floats(1, 2)}]}, None),
    "junk": ({"data": [{"embedding": "not base64"}]}, "data[0].embedding"),
    "half a float": ({"data": [{"embedding": base64.b64encode(b"12345").decode()}]}, "base64 of 32-bit floats"),
    "infinite": ({"data": [{"embedding": floats(float("inf"))}]}, "data[0].embedding[0]"),
    "nan": ({"data": [{"embedding": floats(float("nan"))}]}, "data[0].embedding[0]"),
    "large": ({"data": [{"embedding": [1, 10**400]}]}, "data[0].embedding[1]"),
    "beyond": ({"data": [{"embedding": [1e300, 1e300]}]}, "data[0].embedding[0]"),
    "text": ({"data": [{"embedding": ["1"]}]}, "data[0].embedding[0]"),
    "bool": ({"data": [{"embedding": [True]}]}, "data[0].embedding[0]"),
    "empty": ({"data": [{"embedding": []}]}, "holds no embedding"),
    "other place": ({"data": [{"index": 1, "embedding": [1]}]}, "data[0].index is 1"),
    "twice": ({"data": [{"index": 0, "embedding": [1]}] * 2}, "data[1].index is 0"),
    "index": ({"data": [{"index": "0", "embedding": [1]}]}, "data[0].index"),
    "object": ({"data": {"0": [1]}}, "data is an object"),
    "list": ({"data": [[1]]}, "data[0] is a list"),
    "usage": ({"data": [{"embedding": [1]}], "usage": {"prompt_tokens": "x"}}, "usage.prompt_tokens"),
    "null": (None, "holds no embedding"),
}  # fmt: skip


def test_each_field_of_an_embedding_is_checked(serve):
    def script(asked, _):
        return Told(body=json.dumps(EMBEDDINGS[asked.body["input"][0]][0]).encode())

    options = JudgeOptions(base_url=serve(script).url, cache="none", attempts=1)
    with EmbedClient(options) as client:
        for name, (_, said) in EMBEDDINGS.items():
            (found,) = client.perform(EmbedCall([name]))
            assert (found.error is None) == (said is None), name
            assert said is None or (found.error is not None and said in found.error.message), name


def test_embeddings_of_two_lengths_are_none(serve):
    data = [{"index": 0, "embedding": [1]}, {"index": 1, "embedding": [1, 2]}]
    server = serve(lambda *_: Told(body=json.dumps({"data": data}).encode()))
    with EmbedClient(JudgeOptions(base_url=server.url, cache="none")) as client:
        found = client.perform(EmbedCall(["a", "b"]))
    assert ["2 lengths" in str(one.error) for one in found] == [True, True]

"""Requests that are wrong in every way: each is refused in the hosted envelope, and no one else suffers."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tests.clients.serving import Serving
from tests.load.crowd import EXACT, RUN, VALIDATE, Crowd, body
from tests.load.wire import Reply, Wire, ask, multipart, request, upload

pytestmark = pytest.mark.load

GOOD = json.dumps(body(EXACT)).encode()
OPEN_HEAD = b'{"model_sample": "a", "grader": '

MALFORMED: dict[str, bytes] = {
    "empty": b"",
    "blank": b" \r\n ",
    "a word": b"hello",
    "null": b"null",
    "a list": b"[]",
    "a number": b"1",
    "a text": b'"a"',
    "cut": GOOD[:-1],
    "cut in a text": GOOD[:20],
    "two values": GOOD + GOOD,
    "a tail": GOOD + b"x",
    "a trailing comma": GOOD[:-1] + b",}",
    "single quotes": GOOD.replace(b'"', b"'"),
    "a comment": b"/* a */" + GOOD,
    "NaN": OPEN_HEAD + b"NaN}",
    "Infinity": OPEN_HEAD + b"-Infinity}",
    "a bare NUL": GOOD.replace(b'"a"', b'"a\x00"', 1),
    "a control character": GOOD.replace(b'"a"', b'"a\x01"', 1),
    "half a surrogate escape": OPEN_HEAD + b'"\\ud8"}',
    "a bad escape": OPEN_HEAD + b'"\\x41"}',
    "invalid UTF-8": GOOD.replace(b'"a"', b'"\xff\xfe"', 1),
    "overlong UTF-8": GOOD.replace(b'"a"', b'"\xc0\xaf"', 1),
    "UTF-16": GOOD.decode().encode("utf-16"),
    "deep lists": OPEN_HEAD + b"[" * 200_000 + b"]" * 200_000 + b"}",
    "deep objects": OPEN_HEAD + b'{"a":' * 200_000 + b"1" + b"}" * 200_000 + b"}",
    "deep and open": b'{"a":' * 200_000,
    "a huge integer": OPEN_HEAD + b"9" * 100_000 + b"}",
    "a huge exponent": OPEN_HEAD + b"1e999999}",
    "a leading zero": OPEN_HEAD + b"01}",
    "YAML": b"grader: {type: string_check}\nmodel_sample: a\n",
    "a YAML bomb": b"a: &a [x,x]\nb: &b [*a,*a]\nc: [*b,*b]\n",
    "a duplicate key": GOOD[:-1] + b', "model_sample": "b"}',
    "a duplicate key in the grader": GOOD.replace(b'"type"', b'"type": "python", "type"', 1),
    "no grader": b'{"model_sample": "a"}',
    "no sample": json.dumps({"grader": EXACT}).encode(),
    "a grader that is a text": b'{"grader": "string_check", "model_sample": "a"}',
    "a grader that is a list": b'{"grader": [], "model_sample": "a"}',
    "a sample that is a number": json.dumps({**body(EXACT), "model_sample": 7}).encode(),
    "an item that is a list": json.dumps({**body(EXACT), "item": []}).encode(),
    "an unknown field": json.dumps({**body(EXACT), "modle_sample": "a"}).encode(),
}


def refused(reply: Reply, *statuses: int) -> None:
    """Check that a request was refused, in the hosted envelope, by one of some statuses."""
    assert reply.status in (statuses or (400,)), (reply.status, reply.body[:500])
    assert reply.error["type"] == "invalid_request_error", reply.error
    assert len(reply.body) < 20_000, "an answer that long is no sentence"
    assert reply.headers["x-request-id"]
    assert "Traceback" not in reply.error["message"]


def run_with_people(server: Serving, attack: Any) -> None:
    async def both() -> None:
        people = Crowd()
        async with people.around(server.port, 2):
            await attack()
        assert people.slowest < 10

    asyncio.run(both())


def test_bodies_that_are_no_requests(shared: Serving) -> None:
    async def attack() -> None:
        for path in (RUN, VALIDATE, "/v1/fine_tuning/jobs", "/openai/v1" + RUN[3:]):
            for name, data in MALFORMED.items():
                if path == VALIDATE and name == "no sample":
                    continue  # Nobody validates samples.
                try:
                    refused(await ask(shared.port, "POST", path, data), 400, 413)
                except AssertionError as error:
                    raise AssertionError(f"{path}, {name}: {error}") from None

    run_with_people(shared, attack)


def test_texts_that_are_odd_but_right(shared: Serving) -> None:
    async def attack() -> None:
        for text in (
            "\u0000",
            "\ud800",
            "\U0001f600",
            "\u202e",
            "{{ item.answer }}",
            "\\",
            "\r\n",
            "",
        ):
            reply = await ask(shared.port, "POST", RUN, body(EXACT, text, answer=text))
            assert reply.status == 200, (text, reply)
            assert reply.json["reward"] == 1.0, (text, reply.json)

    run_with_people(shared, attack)


def test_bodies_that_are_too_large(shared: Serving) -> None:
    async def attack() -> None:
        large = json.dumps(body(EXACT, "x" * (5 << 20))).encode()
        refused(await ask(shared.port, "POST", RUN, large), 413)
        # Declared, and never sent: the server need not wait for it.
        for declared in (str(1 << 40), "9" * 30):
            async with Wire(shared.port) as wire:
                await wire.write(request("POST", RUN, b"", content_length=declared) + b"{")
                reply = await wire.read(40)
                assert reply.status in (400, 408, 413), reply
        # Chunked, with no end.
        async with Wire(shared.port) as wire:
            head = request("POST", RUN, b"", transfer_encoding="chunked")
            await wire.write(head.replace(b"content-length: 0\r\n", b""))
            piece = b"100000\r\n" + b"x" * (1 << 20) + b"\r\n"
            try:
                for _ in range(200):
                    await asyncio.wait_for(wire.write(piece), 20)
            except ConnectionError:
                pass
            else:
                refused(await wire.read(), 413)
        assert shared.memory() < 1500

    run_with_people(shared, attack)


def test_lengths_that_lie(shared: Serving) -> None:
    async def attack() -> None:
        for raw in (
            request("POST", RUN, GOOD, content_length=str(len(GOOD) - 5)),
            request("POST", RUN, GOOD, content_length="-1"),
            request("POST", RUN, GOOD, content_length="+5"),
            request("POST", RUN, GOOD, content_length="0x10"),
            request("POST", RUN, GOOD, content_length="5, 6"),
            request("POST", RUN, GOOD).replace(b"host:", b"content-length: 3\r\nhost:", 1),
            request("POST", RUN, GOOD, transfer_encoding="chunked"),
            request("POST", RUN, b"zz\r\nabc\r\n0\r\n\r\n", transfer_encoding="chunked").replace(
                b"content-length: 15\r\n", b""
            ),
            request("POST", RUN, GOOD, transfer_encoding="gzip, chunked"),
            request("POST", RUN, GOOD, content_encoding="gzip"),
        ):
            async with Wire(shared.port) as wire:
                await wire.write(raw)
                reply = await wire.read(40)
                # Nothing that two readers could understand in two ways is answered with a grade.
                assert reply.status in (400, 408, 411, 413, 415, 501), (raw[:200], reply)

    run_with_people(shared, attack)


def test_heads_that_are_wrong(shared: Serving) -> None:
    async def attack() -> None:
        for raw in (
            b"GET\r\n\r\n",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 200 + b"\r\n\r\n",
            b"GET / HTTP/9.9\r\n\r\n",
            b"GET / HTTP/1.1\r\n\r\n",
            b"GET / HTTP/1.1\r\nhost: 127.0.0.1\r\nx y: z\r\n\r\n",
            b"GET / HTTP/1.1\r\nhost: 127.0.0.1\r\nx: a\x00b\r\n\r\n",
            b"GET / HTTP/1.1\r\nhost: 127.0.0.1\r\n: z\r\n\r\n",
            b"GET / HTTP/1.1\r\nhost: 127.0.0.1\r\nhost: evil.example\r\n\r\n",
            b"GET  /  HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n",
            b"GET /\x00 HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n",
            b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n",
            b"GET / HTTP/1.1\r\nhost: 127.0.0.1\r\nx: " + b"a" * 200_000 + b"\r\n\r\n",
            b"GET / HTTP/1.1\r\nhost: 127.0.0.1\r\n" + b"x: a\r\n" * 50_000 + b"\r\n",
        ):
            async with Wire(shared.port) as wire:
                try:
                    await wire.write(raw)
                    reply = await wire.read(20)
                except (ConnectionError, asyncio.IncompleteReadError):
                    continue
                assert 400 <= reply.status < 500, (raw[:100], reply)

    run_with_people(shared, attack)


def test_methods_and_paths_that_are_not_there(shared: Serving) -> None:
    async def attack() -> None:
        for method in ("GET", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "FROBNICATE"):
            refused(await ask(shared.port, method, RUN), 400, 405, 501)
        refused(await ask(shared.port, "DELETE", "/v1/files"), 405)
        for path in (
            "/v1/embeddings",
            "/v2/files",
            "/v1",
            "/v1/files/",
            "//v1/files",
            "/v1//files",
            "/admin",
        ):
            refused(await ask(shared.port, "POST", path, {}), 404, 405)
        head = await ask(shared.port, "HEAD", "/v1/fine_tuning/jobs/ftjob-x", content_length="0")
        assert head.status in (404, 405)

    run_with_people(shared, attack)


def test_ids_that_are_paths(shared: Serving) -> None:
    ids = (
        "..", "%2e%2e", "..%2f..%2fgraders.sqlite", "%2e%2e%2fgraders.sqlite", "....//", "..%5c",
        "%00", "file-abc%00", "graders.sqlite", ".", "-", "%c3%a4", "%ff%fe", "a" * 5000,
        "file-%0d%0aSet-Cookie:%20a=b", "%2fetc%2fpasswd", "~root", "$HOME", "*", "?", "'--",
        "file-' OR '1'='1", "%F0%9F%98%80", "..;/", "con", "file-%252e%252e",
    )  # fmt: skip

    async def attack() -> None:
        async with Wire(shared.port) as wire:
            made = await upload(wire, b"{}\n")
            assert made.status == 200, made
            for each in ids:
                quoted = each.replace(" ", "%20")
                for method, path in (
                    ("GET", "/v1/files/{}"),
                    ("GET", "/v1/files/{}/content"),
                    ("DELETE", "/v1/files/{}"),
                    ("GET", "/v1/fine_tuning/jobs/{}"),
                    ("POST", "/v1/fine_tuning/jobs/{}/cancel"),
                    ("POST", "/v1/fine_tuning/jobs/{}/pause"),
                    ("GET", "/v1/fine_tuning/jobs/{}/events"),
                    ("GET", "/v1/fine_tuning/jobs/{}/checkpoints"),
                    ("GET", "/v1/fine_tuning/checkpoints/{}/permissions"),
                    ("DELETE", "/v1/fine_tuning/checkpoints/ft:a:b/permissions/{}"),
                ):
                    reply = await wire.ask(method, path.format(quoted))
                    if "?" in each:
                        continue  # A query: the path before it is a list's own.
                    assert reply.status in (400, 404, 405), (path.format(each[:60]), reply)
                    assert "set-cookie" not in reply.headers
                    assert reply.error["type"] == "invalid_request_error", reply.error
                    assert len(reply.body) < 2000, reply.body[:200]
                for query in (f"after={quoted}", f"limit={quoted}", f"order={quoted}"):
                    for path in ("/v1/files", "/v1/fine_tuning/jobs"):
                        reply = await wire.ask("GET", f"{path}?{query}")
                        assert reply.status in (200, 400, 404), (query, reply)
            kept = await wire.ask("GET", f"/v1/files/{made.json['id']}/content")
            assert kept.body == b"{}\n"
        found = {entry.name for entry in shared.folder.iterdir() if "-" not in entry.name}
        # The token is there where this machine has other users.
        assert found - {"token"} == {"files", "graders.reserve", "graders.sqlite", "locks"}

    run_with_people(shared, attack)


def test_file_names_are_only_shown(shared: Serving) -> None:
    async def attack() -> None:
        async with Wire(shared.port) as wire:
            for name in (
                "../../evil", "/etc/passwd", "a\\..\\b", "..", "", "a" * 3000, "ä\u202eö", "a%0d%0ab",
                "<script>alert(1)</script>", "; rm -rf /",
            ):  # fmt: skip
                body, kind = multipart(
                    [('name="purpose"', b"user_data"), (f'name="file"; filename="{name}"', b"{}")]
                )
                made = await wire.ask("POST", "/v1/files", body, content_type=kind)
                if made.status != 200:
                    refused(made, 400)
                    continue
                content = await wire.ask("GET", f"/v1/files/{made.json['id']}/content")
                assert content.body == b"{}"
                assert content.headers["x-content-type-options"] == "nosniff"
                assert "html" not in content.headers["content-type"]
                await wire.ask("DELETE", f"/v1/files/{made.json['id']}")

    run_with_people(shared, attack)


def test_forms_that_are_wrong(shared: Serving) -> None:
    purpose = ('name="purpose"', b"user_data")
    file = ('name="file"; filename="a"', b"{}")
    good, kind = multipart([purpose, file])

    async def attack() -> None:
        forms: dict[str, tuple[bytes, str]] = {
            "no file": multipart([purpose]),
            "no purpose": multipart([file]),
            "nothing": multipart([]),
            "two files": multipart([purpose, file, file]),
            "two purposes": multipart([purpose, ('name="purpose"', b"batch"), file]),
            "a purpose that is none": multipart([('name="purpose"', b"evil"), file]),
            "a purpose that is a file": multipart([('name="purpose"; filename="a"', b"batch"), file]),
            "a purpose that is long": multipart([('name="purpose"', b"x" * 500_000), file]),
            "a file that is a text": multipart([purpose, ('name="file"', b"{}")]),
            "an unknown field": multipart([purpose, file, ('name="evil"', b"1")]),
            "many fields": multipart([(f'name="a{n}"', b"1") for n in range(5000)]),
            "no name": multipart([purpose, ("filename=a", b"{}")]),
            "bad expiry": multipart([purpose, file, ('name="expires_after[seconds]"', b"-1")]),
            "huge expiry": multipart([
                purpose, file, ('name="expires_after[anchor]"', b"created_at"),
                ('name="expires_after[seconds]"', b"9" * 50),
            ]),
            "no boundary": (good, "multipart/form-data"),
            "another boundary": (good, "multipart/form-data; boundary=other"),
            "an empty boundary": (good, "multipart/form-data; boundary="),
            "a long boundary": (good, "multipart/form-data; boundary=" + "x" * 5000),
            "an odd boundary": (good, "multipart/form-data; boundary=\xe4"),
            "cut": (good[: len(good) // 2], kind),
            "cut at the end": (good[:-6], kind),
            "garbage": (b"\x00\xff" * 5000, kind),
            "a long header": multipart([purpose, ('name="file"; filename="a"; x="' + "y" * 100_000 + '"', b"{}")]),
            "bare line feeds": (good.replace(b"\r\n", b"\n"), kind),
            "JSON": (b'{"file": "a", "purpose": "user_data"}', "application/json"),
            "urlencoded": (b"file=a&purpose=user_data", "application/x-www-form-urlencoded"),
            "empty": (b"", kind),
        }  # fmt: skip
        before = await ask(shared.port, "GET", "/v1/files?purpose=user_data")
        for name, (data, said) in forms.items():
            try:
                refused(
                    await ask(shared.port, "POST", "/v1/files", data, content_type=said), 400, 413
                )
            except AssertionError as error:
                raise AssertionError(f"{name}: {error}") from None
        after = await ask(shared.port, "GET", "/v1/files?purpose=user_data")
        assert len(after.json["data"]) <= len(before.json["data"]) + 2  # The crowd's own.
        # What was not finished left nothing behind.
        left = [entry.name for entry in (shared.folder / "files").iterdir()]
        assert len([name for name in left if name.startswith(".part")]) <= 2, left

    run_with_people(shared, attack)


def test_an_upload_that_is_too_large_leaves_nothing(serve: Any) -> None:
    server = serve("--max-file", "1M")

    async def attack() -> None:
        async with Wire(server.port) as wire:
            refused(await upload(wire, b"x" * (1 << 20) + b"x"), 413)
        async with Wire(server.port) as wire:
            assert (await upload(wire, b"x" * (1 << 20))).status == 200
        async with Wire(server.port) as wire:
            refused(await upload(wire, b"x" * (50 << 20)), 413)

    asyncio.run(attack())
    assert len(list((server.folder / "files").iterdir())) == 1


def test_content_types_other_than_json(shared: Serving) -> None:
    async def attack() -> None:
        # A page of another site can send these without asking first; a form is none of ours.
        for kind in (
            "text/plain",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=a",
        ):
            reply = await ask(shared.port, "POST", RUN, GOOD, content_type=kind)
            assert reply.status in (200, 400, 415), reply
        for kind in ("application/json", "application/json; charset=utf-8", "APPLICATION/JSON"):
            assert (await ask(shared.port, "POST", RUN, GOOD, content_type=kind)).status == 200

    run_with_people(shared, attack)

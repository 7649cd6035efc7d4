"""Who may ask, what browsers may be made to send, and that no secret comes out anywhere."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.clients.serving import Serving
from tests.load.crowd import EXACT, RUN, VALIDATE, body
from tests.load.wire import Wire, ask
from tests.models.server import Asked, ScriptedServer, Told, completion, error
from tests.waiting import PATIENCE

pytestmark = pytest.mark.load

TOKEN = "a-token-of-the-tests-0123456789"
KEY = "sk-the-judges-key-0123456789abcdef"
RUN_BODY = body(EXACT)


def test_names_that_are_not_this_servers_are_refused(shared: Serving) -> None:
    async def attack() -> None:
        for host in ("evil.example", "evil.example:80", "127.0.0.1.evil.example", "localhost.evil",
                     "[::ffff:1.2.3.4]", "10.0.0.1", "", "169.254.169.254", "0.0.0.0"):  # fmt: skip
            for method, path, sent in (
                ("POST", RUN, RUN_BODY), ("GET", "/v1/files", None), ("GET", "/", None),
                ("GET", "/metrics", None), ("GET", "/playground/info", None),
            ):  # fmt: skip
                reply = await ask(shared.port, method, path, sent, host=host)
                assert reply.status in (400, 403, 421), (host, path, reply)
        for host in ("127.0.0.1", f"127.0.0.1:{shared.port}", "localhost", f"localhost:{shared.port}",
                     "LOCALHOST", "[::1]:80"):  # fmt: skip
            assert (await ask(shared.port, "POST", RUN, RUN_BODY, host=host)).status == 200, host

    asyncio.run(attack())


def test_pages_of_other_origins_are_refused(shared: Serving) -> None:
    own = f"http://127.0.0.1:{shared.port}"

    async def attack() -> None:
        for origin in ("http://evil.example", "null", "https://127.0.0.1.evil.example", "file://",
                       f"http://127.0.0.1:{shared.port + 1}", "http://localhost:1", "chrome-extension://a",
                       f"https://127.0.0.1:{shared.port}@evil.example"):  # fmt: skip
            for path, kind in (
                (RUN, "text/plain"), (RUN, "application/json"), ("/v1/fine_tuning/jobs", "text/plain"),
                ("/v1/fine_tuning/jobs/ftjob-a/cancel", "text/plain"), ("/playground/run", "text/plain"),
            ):  # fmt: skip
                reply = await ask(
                    shared.port, "POST", path, RUN_BODY, origin=origin, content_type=kind,
                    host=f"127.0.0.1:{shared.port}",
                )  # fmt: skip
                assert reply.status == 403, (origin, path, reply)
                assert "access-control-allow-origin" not in reply.headers
            asked = await ask(
                shared.port, "OPTIONS", RUN, origin=origin, host=f"127.0.0.1:{shared.port}",
                access_control_request_method="POST",
            )  # fmt: skip
            assert asked.status in (403, 405)
            assert "access-control-allow-origin" not in asked.headers
        reply = await ask(
            shared.port, "POST", RUN, RUN_BODY, origin=own, host=f"127.0.0.1:{shared.port}"
        )
        assert reply.status == 200, reply

    asyncio.run(attack())


def test_the_page_cannot_be_framed_or_sniffed(shared: Serving) -> None:
    reply = asyncio.run(ask(shared.port, "GET", "/"))
    assert reply.status == 200
    policy = reply.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy or reply.headers["x-frame-options"] == "DENY"
    assert "unsafe-eval" not in policy
    assert reply.headers["x-content-type-options"] == "nosniff"


def test_headers_cannot_be_injected(shared: Serving) -> None:
    async def attack() -> None:
        async with Wire(shared.port) as wire:
            await wire.write(
                b"GET /v1/files/a%0d%0aSet-Cookie:%20a=b HTTP/1.1\r\nhost: 127.0.0.1\r\n"
                b"x-request-id: mine\r\n\r\n"
            )
            reply = await wire.read()
        assert "set-cookie" not in reply.headers
        assert reply.headers["x-request-id"] != "mine"

    asyncio.run(attack())


def test_a_token_is_needed_for_everything_that_matters(serve: Any, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(TOKEN)
    server = serve("--token-file", str(file))
    document = asyncio.run(
        ask(server.port, "GET", "/openapi.json", authorization=f"Bearer {TOKEN}")
    )
    paths = [
        (method.upper(), path.replace("{", "").replace("}", ""))
        for path, methods in document.json["paths"].items()
        for method in methods
        if method in ("get", "post", "delete")
    ]
    assert len(paths) > 15
    paths += [("GET", "/metrics"), ("POST", "/playground/run"), ("GET", "/v1/nothing")]
    public = {"/", "/healthz", "/readyz", "/favicon.ico"}

    async def attack() -> None:
        for method, path in paths:
            if path in public:
                continue
            for headers in (
                {}, {"authorization": f"Bearer {TOKEN}x"}, {"authorization": "Bearer"},
                {"authorization": f"Basic {TOKEN}"}, {"api_key": TOKEN[:-1]}, {"authorization": ""},
                {"authorization": "Bearer " + "x" * 5000}, {"api_key": "\xe4" * 20},
                {"cookie": f"token={TOKEN}"},
            ):  # fmt: skip
                reply = await ask(
                    server.port, method, path, None if method == "GET" else {}, **headers
                )
                assert reply.status == 401, (method, path, headers, reply)
                assert TOKEN not in reply.body.decode()
            reply = await ask(server.port, "GET", f"{path}?token={TOKEN}&api_key={TOKEN}")
            assert reply.status == 401
        for headers in ({"authorization": f"Bearer {TOKEN}"}, {"api_key": TOKEN},
                        {"authorization": f"bearer {TOKEN}"}):  # fmt: skip
            reply = await ask(server.port, "POST", RUN, RUN_BODY, **headers)
            assert reply.status == 200, (headers, reply)

    asyncio.run(attack())
    assert server.stop() == 0
    assert TOKEN not in server.said


def test_beyond_loopback_a_token_is_demanded(tmp_path: Path) -> None:
    for host in ("0.0.0.0", "::", socket.gethostname()):
        done = subprocess.run(
            [sys.executable, "-m", "graders", "serve", "--host", host, "--port", "0",
             "--data-dir", str(tmp_path / "data")],
            capture_output=True, text=True, timeout=PATIENCE, check=False,
        )  # fmt: skip
        assert done.returncode == 2, done
        assert "token" in done.stderr
        assert "Traceback" not in done.stderr


def everything(asked: Asked, number: int) -> Told:
    """Say back every secret one was told, as an answer, as an error, and as nonsense."""
    told = json.dumps(asked.headers)
    kind = asked.body.get("model", "")
    if kind == "errors":
        return error(400, f"bad key {told}")
    if kind == "denies":
        return error(401, f"Incorrect API key provided: {told}")
    if kind == "fails":
        return error(500, told)
    if kind == "garbage":
        return Told(body=told.encode())
    if kind == "refuses":
        return completion(None, refusal=told)
    if kind == "steps":
        steps = [{"description": told, "conclusion": told}]
        return completion(json.dumps({"steps": steps, "result": 0.5}))
    return completion(told)


@pytest.fixture
def echo() -> Iterator[ScriptedServer]:
    server = ScriptedServer(everything)
    yield server
    server.stop()


def test_the_judges_key_never_comes_out(serve: Any, echo: ScriptedServer) -> None:
    server = serve("--base-url", echo.url, "--attempts", "1", environment={"OPENAI_API_KEY": KEY})

    def judge(model: str) -> dict[str, Any]:
        return {
            "type": "score_model", "name": "j", "model": model,
            "input": [{"role": "user", "content": "Rate {{ sample.output_text }}"}],
        }  # fmt: skip

    spy = {
        "type": "python", "name": "spy",
        "source": (
            "import os\ndef grade(sample, item):\n"
            "    told = dict(os.environ)\n"
            "    try:\n        told['p'] = open('/proc/%d/environ' % item['pid'], 'rb').read()\n"
            "    except OSError:\n        pass\n"
            "    raise ValueError(str(told))\n"
        ),
    }  # fmt: skip

    async def attack() -> list[str]:
        said = []
        sent: Any
        for kind in ("errors", "denies", "fails", "garbage", "refuses", "steps", "text"):
            for path, sample in ((RUN, "model_sample"), ("/playground/run", "sample")):
                sent = {"grader": judge(kind), sample: "a", "item": {}}
                reply = await ask(server.port, "POST", path, sent)
                said.append(f"{kind} {path} {reply.headers} {reply.body.decode()}")
        for pid in server.family():
            sent = {"grader": spy, "model_sample": "a", "item": {"pid": pid}}
            said.append((await ask(server.port, "POST", RUN, sent)).body.decode())
        for method, path, sent in (
            ("GET", "/metrics", None), ("GET", "/openapi.json", None), ("GET", "/", None),
            ("GET", "/playground/info", None), ("POST", VALIDATE, {"grader": judge("text")}),
            ("POST", RUN, {"grader": {**EXACT, "input": "{{ item.env.OPENAI_API_KEY }}"}}),
        ):  # fmt: skip
            said.append((await ask(server.port, method, path, sent)).body.decode())
        return said

    said = asyncio.run(attack())
    assert any(KEY in json.dumps(asked.headers) for asked in echo.asked), "no judge was asked"
    assert server.stop() == 0
    for text in [*said, server.said]:
        assert KEY not in text, text[max(0, text.index(KEY) - 200) : text.index(KEY) + 60]
    # Nor in parts that are long enough to be worth something.
    for text in [*said, server.said]:
        assert KEY[10:26] not in text


def test_the_log_holds_no_texts(serve: Any) -> None:
    server = serve()
    secret = "a text that nobody else should read"

    async def attack() -> None:
        async with Wire(server.port) as wire:
            await wire.ask("POST", RUN, body(EXACT, secret, answer=secret))
            await wire.ask("POST", RUN, {"grader": {**EXACT, "name": secret, "operation": secret}})
            await wire.ask("POST", RUN, secret.encode())
            await wire.ask("GET", "/v1/files/" + secret.replace(" ", "%20"))
            await wire.ask("GET", "/" + secret.replace(" ", "%20"))
            await wire.ask("GET", "/v1/files?after=" + secret.replace(" ", "%20"))
            await wire.ask(secret.split()[1].upper(), "/")
            metrics = (await wire.ask("GET", "/metrics")).body.decode()
            assert "nobody" not in metrics

    asyncio.run(attack())
    assert server.stop() == 0
    assert "nobody" not in server.said
    lines = [json.loads(line) for line in server.said.splitlines()]
    assert len(lines) > 8
    assert sum(line.get("status") == 200 for line in lines) >= 2


def test_the_store_is_its_owners_alone(shared: Serving) -> None:
    assert shared.folder.stat().st_mode & 0o077 == 0

"""A real S3-compatible server (moto's) in a process of its own, and a way to it that cuts, errs and is slow."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

from tests.remote.serving import serving
from tests.waiting import until

__all__ = ["Way", "moto", "way"]

KEYS = {
    "AWS_ACCESS_KEY_ID": "AKIAVISIBLE", "AWS_SECRET_ACCESS_KEY": "SECRETKEY",
    "AWS_DEFAULT_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true",
}  # fmt: skip


@contextlib.contextmanager
def moto() -> Iterator[str]:
    """Run the server; gives its address."""
    server = Path(sys.executable).with_name("moto_server")
    process = subprocess.Popen(
        [server, "-p", "0"], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    )
    try:
        assert process.stderr is not None
        while (found := re.search(r"http://[0-9.]+:(\d+)", process.stderr.readline())) is None:
            assert process.poll() is None
        threading.Thread(target=process.stderr.read, daemon=True).start()
        yield f"http://127.0.0.1:{found[1]}"
    finally:
        process.kill()
        process.wait()


@dataclass
class Way:
    """A way to a server.

    Attributes:
        url: where it begins.
        fault: of the number of a request, its method and path: `cut` in the midst of the answer, `lost` (the
            server does it, the answer does not come), `slow`, a status, or "".
        seen: how often each fault came.
        sent: bytes that came from the server.
    """

    url: str = ""
    fault: Callable[[int, str, str], str] = lambda *_: ""
    seen: dict[str, int] = field(default_factory=dict)
    count: int = 0
    sent: int = 0


@contextlib.contextmanager
def way(to: str) -> Iterator[Way]:
    """Pass requests on to a server."""
    port = int(to.rpartition(":")[2])
    found = Way()
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _pass(self) -> None:
            with lock:
                found.count += 1
                fault = found.fault(found.count, self.command, self.path)
                found.seen[fault] = found.seen.get(fault, 0) + 1
            size = _pass_on(self, port, fault)
            with lock:
                found.sent += size

        do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _pass  # noqa: N815  (http.server's names)

        def log_message(self, *args: Any) -> None:
            pass

    with serving(Handler) as found.url:
        yield found


def _pass_on(handler: BaseHTTPRequestHandler, port: int, fault: str) -> int:
    """Pass a request on; return how many bytes came back for it."""
    handler.close_connection = bool(fault)
    size = int(handler.headers.get("content-length") or 0)
    body = handler.rfile.read(size)
    if fault.isdecimal():
        handler.send_response(int(fault))
        handler.send_header("content-length", "0")
        handler.end_headers()
        return 0
    asked = http.client.HTTPConnection("127.0.0.1", port)
    asked.request(handler.command, handler.path, body, dict(handler.headers))
    answer = asked.getresponse()
    data = answer.read()
    asked.close()
    if fault == "lost":
        return 0
    with contextlib.suppress(OSError):
        handler.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in {"connection", "transfer-encoding", "date", "server"}:
                handler.send_header(name, value)
        if answer.getheader("content-length") is None:
            handler.send_header("content-length", str(len(data)))
        handler.end_headers()
        if fault == "slow":
            for start in range(0, len(data), 1 << 13):
                handler.wfile.write(data[start : start + (1 << 13)])
                time.sleep(0.002)
        else:
            handler.wfile.write(data[: len(data) // 2] if fault == "cut" else data)
    return len(data)


def reached(url: str) -> None:
    """Wait until the server answers."""

    def answers() -> bool:
        with contextlib.suppress(OSError):
            asked = http.client.HTTPConnection("127.0.0.1", int(url.rpartition(":")[2]))
            asked.request("GET", "/")
            return asked.getresponse().status > 0
        return False

    until(answers)


def pointed_at(url: str, spool: Path) -> dict[str, str]:
    """Return the environment of a machine whose storage is there."""
    return {**os.environ, **KEYS, "AWS_ENDPOINT_URL": url, "GRADERS_SPOOL": str(spool)}

"""A hub of datasets as huggingface_hub asks for one, in a process of its own thread: two repositories, with faults."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.remote.serving import serving

__all__ = ["TOKEN", "Hub", "hub"]

TOKEN = "hf_SECRETSECRET"


@dataclass
class Hub:
    """What the hub has, and how it answers.

    Attributes:
        files: content by name, of the datasets me/open and me/closed; the second is for those with the token.
        fault: of the number of a request and its path, what goes wrong with it: a status, `cut` or "".
        seen: method, path and range of each request.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    fault: Callable[[int, str], str] = lambda *_: ""
    seen: list[tuple[str, str, str]] = field(default_factory=list)
    url: str = ""


@contextlib.contextmanager
def hub() -> Iterator[Hub]:
    """Serve on a port of this machine."""
    served = Hub()

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            size = int(self.headers.get("content-length") or 0)
            body = self.rfile.read(size)
            path = unquote(urlsplit(self.path).path)
            served.seen.append((self.command, path, self.headers.get("range", "")))
            fault = served.fault(len(served.seen), path)
            if fault.isdecimal():
                self.send_error(int(fault))
            else:
                _answer(self, served, path, body, cut=fault == "cut")

        do_GET = do_POST = do_HEAD = _answer  # noqa: N815  (http.server's names)

        def log_message(self, *args: Any) -> None:
            pass

    with serving(Handler) as served.url:
        yield served


def _answer(
    handler: BaseHTTPRequestHandler, served: Hub, path: str, body: bytes, *, cut: bool
) -> None:
    asked = re.fullmatch(r"/(?:api/)?datasets/(me/\w+)(?:/(.*))?", path)
    known = handler.headers.get("authorization") == f"Bearer {TOKEN}"
    if asked is None or asked[1] not in {"me/open", "me/closed"}:
        _send(handler, 401, {"error": "Repository not found"}, {"x-error-code": "RepoNotFound"})
    elif asked[1] == "me/closed" and not known:
        _send(handler, 403, {"error": "restricted"}, {"x-error-code": "GatedRepo"})
    elif asked[2] is None or asked[2].startswith("revision/"):
        if (asked[2] or "revision/main") != "revision/main":
            _send(handler, 404, {"error": "no"}, {"x-error-code": "RevisionNotFound"})
            return
        _send(handler, 200, {"id": asked[1], "sha": "0" * 40, "siblings": [], "tags": []})
    elif asked[2].startswith("paths-info/"):
        names = parse_qs(body.decode())["paths"]
        _send(handler, 200, [one for one in _tree(served, "", every=True) if one["path"] in names])
    elif asked[2].startswith("tree/"):
        folder = asked[2].removeprefix("tree/main").strip("/")
        every = parse_qs(urlsplit(handler.path).query).get("recursive", [""])[0].lower() == "true"
        _send(handler, 200, list(_tree(served, f"{folder}/" if folder else "", every=every)))
    else:
        _give(handler, served.files.get(asked[2].removeprefix("resolve/main/")), cut=cut)


def _tree(served: Hub, folder: str, *, every: bool) -> Iterator[dict[str, Any]]:
    """Yield what stands in a folder, folders too; with `every` also what stands in these."""
    seen = set()
    for name in sorted(served.files):
        inner = name.removeprefix(folder).partition("/")
        if not name.startswith(folder):
            continue
        if inner[1] and inner[0] not in seen:
            seen.add(inner[0])
            yield {"type": "directory", "path": folder + inner[0], "oid": "0" * 40}
        if every or not inner[1]:
            yield _entry(served, name)


def _entry(served: Hub, name: str) -> dict[str, Any]:
    data = served.files[name]
    return {"type": "file", "path": name, "size": len(data), "oid": hashlib.sha1(data).hexdigest()}


def _send(
    handler: BaseHTTPRequestHandler, status: int, body: Any, headers: dict[str, str] | None = None
) -> None:
    data = json.dumps(body).encode()
    handler.send_response(status)
    handler.send_header("content-type", "application/json")
    handler.send_header("content-length", str(len(data)))
    for name, value in (headers or {}).items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(data)


def _give(handler: BaseHTTPRequestHandler, data: bytes | None, *, cut: bool) -> None:
    wanted = re.fullmatch(r"bytes=(\d+)-(\d+)", handler.headers.get("range", ""))
    if data is None or wanted is None:
        _send(handler, 404, {"error": "no"}, {"x-error-code": "EntryNotFound"})
        return
    part = data[int(wanted[1]) : int(wanted[2]) + 1]
    handler.send_response(206)
    handler.send_header("content-length", str(len(part)))
    handler.end_headers()
    with contextlib.suppress(OSError):
        handler.wfile.write(part[: len(part) // 2] if cut else part)

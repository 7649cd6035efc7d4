"""A web server that gives ranges or none, and breaks off, errs, trickles and leads on as it is told."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

from tests.remote.serving import serving

__all__ = ["Pages", "pages"]


@dataclass
class Pages:
    """What is served, and how.

    Attributes:
        files: content by path; changed while it is served, it has another ETag.
        ranges: whether ranges are given.
        leads: where a path leads on to.
        fault: of the number of a request, what goes wrong with it: a status, `cut` or "".
        seen: path and range of each request.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    ranges: bool = True
    tags: bool = True
    leads: dict[str, str] = field(default_factory=dict)
    fault: Callable[[int], str] = lambda _: ""
    seen: list[tuple[str, str]] = field(default_factory=list)
    url: str = ""


@contextlib.contextmanager
def pages() -> Iterator[Pages]:
    """Serve on a port of this machine."""
    served = Pages()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            served.seen.append((self.path, self.headers.get("range", "")))
            _answer(self, served, len(served.seen))

        def log_message(self, *args: Any) -> None:
            pass

    with serving(Handler) as served.url:
        yield served


def _answer(handler: BaseHTTPRequestHandler, served: Pages, number: int) -> None:
    path = handler.path.partition("?")[0]
    fault = served.fault(number)
    if fault.isdecimal():
        handler.send_error(int(fault))
        return
    if path in served.leads:
        handler.send_response(302)
        handler.send_header("location", served.leads[path])
        handler.end_headers()
        return
    if path not in served.files:
        handler.send_error(404)
        return
    whole = served.files[path]
    wanted = re.fullmatch(r"bytes=(\d+)-(\d+)", handler.headers.get("range", ""))
    part = whole
    if served.ranges and wanted is not None:
        start, stop = int(wanted[1]), min(int(wanted[2]) + 1, len(whole))
        if start >= len(whole):
            handler.send_response(416)
            handler.send_header("content-range", f"bytes */{len(whole)}")
            handler.send_header("content-length", "0")
            handler.end_headers()
            return
        part = whole[start:stop]
        handler.send_response(206)
        handler.send_header("content-range", f"bytes {start}-{stop - 1}/{len(whole)}")
    else:
        handler.send_response(200)
    if served.tags:
        handler.send_header("etag", f'"{hash(whole)}"')
    handler.send_header("content-length", str(len(part)))
    handler.end_headers()
    with contextlib.suppress(OSError):  # Who asked has seen enough.
        handler.wfile.write(part[: len(part) // 2] if fault == "cut" else part)

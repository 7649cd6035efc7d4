"""Multipart forms: refused, or the same fields and file however the body is cut.

Input: the content type, a newline, a byte for the size of pieces, and the body.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from tempfile import SpooledTemporaryFile
from types import SimpleNamespace
from typing import Any

from starlette import formparsers
from starlette.datastructures import UploadFile
from starlette.requests import Request

from graders.server.option import ServeOptions
from graders.server.route.file import _FIELDS, _expiry, form_of
from graders.server.state import Spool
from graders.wire.error import ApiError

TOKENS = (
    b"multipart/form-data; boundary=x", b"--x\r\n", b"\r\n--x--\r\n", b"\r\n--x\r\n", b"Content-Disposition: form-data; ",
    b'name="file"', b'name="purpose"', b'filename="a.jsonl"', b"filename*=UTF-8''a%ff", b"Content-Type: text/plain; charset=utf-16\r\n",
    b'name="expires_after[anchor]"', b'name="expires_after[seconds]"', b"\r\n\r\n", b"fine-tune", b"\0", b"\xff",
    b"boundary=", b'"', b"; charset=latin-1", b"Content-Transfer-Encoding: base64\r\n", b"_charset_", b"3600", b"created_at",
)  # fmt: skip
logging.getLogger("python_multipart").setLevel(logging.CRITICAL)  # as the server does
_OPTIONS = ServeOptions(data_dir=Path("/nowhere"))
_SHARED = SimpleNamespace(options=_OPTIONS, spool=Spool())
_APP = SimpleNamespace(state=SimpleNamespace(shared=_SHARED))
_LIMIT = 1 << 20


_made: list[Any] = []


def _spooled(**options: Any) -> Any:
    _made.append(SpooledTemporaryFile(**options))  # noqa: SIM115  (the parser's to close)
    return _made[-1]


setattr(formparsers, "SpooledTemporaryFile", _spooled)  # noqa: B010  (it exports no such name)


def target(data: bytes) -> None:
    kind, _, rest = data.partition(b"\n")
    size, body = 1 + (rest[:1] or b"\0")[0], rest[1:]
    whole = asyncio.run(_read(kind, body, max(len(body), 1)))
    pieces = asyncio.run(_read(kind, body, size))
    assert _SHARED.spool.bytes == 0
    assert all(file.closed for file in _made)
    _made.clear()
    for one in (whole, pieces):
        assert isinstance(one, list) or one[0] in (400, 413)
    if isinstance(whole, list) and isinstance(pieces, list):
        assert whole == pieces  # Where a damaged form is given up may depend on the pieces.


async def _read(kind: bytes, body: bytes, size: int) -> Any:
    scope = {"type": "http", "headers": [(b"content-type", kind)], "app": _APP, "method": "POST"}
    try:
        async with form_of(Request(scope, _receiver(body, size)), _LIMIT, _FIELDS) as form:
            found: list[Any] = []
            for name, value in form.multi_items():
                if isinstance(value, UploadFile):
                    found.append((name, value.filename, value.file.read()))
                else:
                    value.encode("utf-8", "surrogateescape")
                    found.append((name, value))
            _expiry(form)
            return found
    except ApiError as error:
        return error.status, error.code  # The message counts from the start of a piece.


def _receiver(body: bytes, size: int) -> Callable[[], Any]:
    pieces = [body[at : at + size] for at in range(0, len(body), size)] or [b""]
    left = iter(range(len(pieces)))

    async def receive() -> Any:
        at = next(left)
        return {"type": "http.request", "body": pieces[at], "more_body": at + 1 < len(pieces)}

    return receive

"""Frames of the sandbox's pipes: a forgery is refused, what was written comes out however it is cut.

Input: a byte for the size of reads, and the stream of the runner's pipe.
"""

from __future__ import annotations

import json
import math
import os
import struct
from typing import Any

from graders.calls import PythonError, PythonReply
from graders.sandbox.frame import (
    ForgedError,
    Frames,
    UnsendableError,
    load_fault,
    reply_of,
    row_bytes,
    scanned,
)
from graders.sandbox.inside.runner import _Pipes

TOKENS = (
    b"\0\0\0\0", b"\x02\0\0\0[]", b"[[1.0, 0.5, null, ", b'"", ""]]', b"[null]", b'{"kind": "runtime", "message": "',
    b'"details": ', b'"line": ', b'"column": ', b"NaN", b"1e400", b"-1", b"true", b"\\ud800", b'{"found": {"imports": [',
    b'["os.path", 1]', b'"row": true', b'"error": ', b"\xff\xff\xff\xff", b"1" * 40, b"[" * 60, b"null, ",
)  # fmt: skip
_LIMIT = 1 << 16
_OUTPUT = 50


def target(data: bytes) -> None:
    size, stream = 1 + (data[:1] or b"\0")[0], data[1:]
    whole, refused = _fed(stream, max(len(stream), 1))
    pieces, refused_too = _fed(stream, size)
    # A forgery in one read takes the frames before it along; who forges has no right to them.
    assert refused == refused_too
    assert refused or repr(whole) == repr(pieces)
    for frame in pieces:
        _check_replies(frame)
        _check_first(frame)
    text = stream[:4096]
    _check_round_trip(text)


def _fed(stream: bytes, size: int) -> tuple[list[list[Any]], bool]:
    frames = Frames(_LIMIT)
    found: list[list[Any]] = []
    try:
        for start in range(0, len(stream), size):
            found += frames.feed(stream[start : start + size])
    except ForgedError:
        return found, True
    return found, False


def _check_replies(frame: list[Any]) -> None:
    for value in frame:
        try:
            reply = reply_of(value, _OUTPUT)
        except ForgedError:
            continue
        assert isinstance(reply, PythonReply)
        assert (reply.score is None) == (reply.error is not None)
        assert reply.score is None or math.isfinite(reply.score)
        assert len(reply.stdout) <= _OUTPUT
        (reply.stdout + reply.stderr).encode()
        if reply.error is not None:
            _check_error(reply.error)


def _check_error(error: PythonError) -> None:
    (error.message + error.details).encode()
    assert error.line is None or error.line > 0
    assert error.column is None or error.column > 0


def _check_first(frame: list[Any]) -> None:
    try:
        fault = load_fault(frame)
        if fault is not None:
            _check_error(fault)
    except ForgedError:
        pass
    try:
        _, names, fault = scanned(frame)
    except ForgedError:
        return
    assert len(names) <= 200
    assert all(part.isidentifier() for name in names for part in name.split("."))


def _check_round_trip(data: bytes) -> None:
    """What the engine sends is what the runner reads, and what the runner sends comes back."""
    text = data.decode("utf-8", "surrogateescape")
    try:
        value: Any = json.loads(text)
    except (ValueError, RecursionError):
        value = text
    try:
        sent = row_bytes({"output_text": text}, value, flush=True) + row_bytes(
            value, text, flush=False
        )
    except UnsendableError:
        return
    assert len(sent) <= 1 << 16, "a pipe holds it"
    read, write = os.pipe()
    try:
        os.write(write, sent)
        os.close(write)
        pipes = _Pipes(read, -1)
        rows = [pipes.row(), pipes.row()]
        assert pipes.row() is None
    finally:
        os.close(read)
    assert rows[0] is not None
    assert rows[1] is not None
    assert [rows[0][1], rows[1][1]] == [1, 0]
    assert repr(json.loads(rows[0][0])) == repr([{"output_text": text}, value])
    assert repr(json.loads(rows[1][0])) == repr([value, text])
    reply = [None, 0.5, {"kind": "runtime", "message": text, "details": text, "line": 1}, text, ""]
    frame = json.dumps([reply]).encode("ascii")
    (back,), refused = _fed(struct.pack("<I", len(frame)) + frame, 7)
    assert not refused
    assert reply_of(back[0], 1 << 20).stdout == text.encode("utf-8", "replace").decode()

"""Rows for targets, read from bytes as JSON is, with values that no JSON text has."""

from __future__ import annotations

from typing import Any

from graders import jsontext

TOKENS = (
    b'{"item": ', b'{"sample": ', b'"output_text": ', b'"output_json": ', b'"output_tools": ',
    b'"choices": [{"message": {"content": "', b'"arguments": "{', b"NaN", b"Infinity", b"-0.0",
    b"1e400", b"123456789012345678901234567890", b'"\\ud800"', b"\\u0000", b"null", b"true",
    b"[[[[", b"]]]]", b'{"a": ', b"}}", b'"', b"[0]", b": ", b", ", b"```json\n", b"<think>",
    b"\xed\xa0\x80", b"\xef\xbb\xbf",
)  # fmt: skip


def text_of(data: bytes) -> str:
    """Return bytes as a text; what is not UTF-8 becomes lone surrogates."""
    return data.decode("utf-8", "surrogateescape")


def row_of(data: bytes) -> tuple[Any, Any]:
    """Return item and sample of a row; where it is none, the whole text is both."""
    text = text_of(data)
    try:
        row = jsontext.decode(text, allow_nan=True)
    except ValueError:
        return {"a": text}, text
    if isinstance(row, dict) and ("item" in row or "sample" in row):
        return row.get("item"), row.get("sample")
    return row, row

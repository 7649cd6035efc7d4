"""Answers in any shape: read or refused with a sentence, the given value left as it is.

Input: a byte for what is asked for, and the answer as JSON.
"""

from __future__ import annotations

import copy
from typing import Any

from graders import jsontext
from graders.sample import Absent, Unparsed, Wanted, prepare, sample_of
from graders.shape import name_of_shape
from tests.fuzz import row

TOKENS = (
    *row.TOKENS, b'{"role": "assistant", "content": ', b'{"role": "user", "content": ', b'"messages": [',
    b'"object": "response", "output": [', b'{"type": "message", "content": [', b'{"type": "function_call", ',
    b'"tool_calls": [', b'{"type": "text", "text": ', b'{"type": "output_text", "text": "', b'"sample": {',
    b'"from": "gpt", "value": ', b"</think>", b"<think>", b'"function_call": {', b'"audio": {', b'"x"}]}',
)  # fmt: skip


def target(data: bytes) -> None:
    first = (data[:1] or b"\0")[0]
    wanted = Wanted(bool(first & 1), bool(first & 2), bool(first & 4))
    try:
        raw: Any = jsontext.decode(data[1:], allow_nan=True)
    except ValueError:
        raw = row.text_of(data[1:])
    before = copy.deepcopy(raw)
    try:
        sample = prepare(raw, wanted)
    except ValueError as error:
        said = str(error)
    else:
        said = ""
    if said:
        assert not said.endswith(".")
        return
    assert repr(raw) == repr(before)
    if isinstance(sample, Absent):
        assert raw is None
        return
    whole = sample_of(sample)
    assert isinstance(whole.get("output_text", ""), str)
    assert not any(isinstance(one, Unparsed) for one in whole.values())
    if raw is not None and not isinstance(raw, str):
        assert name_of_shape(raw) != "unread"
    if wanted.answer_only and isinstance(whole.get("output_text"), str):
        again = prepare(whole["output_text"], wanted)
        text = again if isinstance(again, str) else again["output_text"]  # type: ignore[index]
        assert text.strip() == whole["output_text"].strip()

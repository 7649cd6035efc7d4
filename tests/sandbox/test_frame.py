"""The engine believes a reply only when every field is what it must be."""

from __future__ import annotations

import contextlib
import json
import re
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graders.sandbox.frame import ForgedError, Frames, load_fault, reply_of
from graders.sandbox.inside import syscalls


def framed(data: bytes) -> bytes:
    return struct.pack("<I", len(data)) + data


@pytest.mark.parametrize(
    "value",
    [
        None, 1, [], [1.0], {}, [1, 0.1, None, "", ""], [True, 0.1, None, "", ""],
        [float("nan"), 0.1, None, "", ""], [None, 0.1, None, "", ""], [1.0, -1.0, None, "", ""],
        [1.0, None, None, "", ""], [1.0, 0.1, {}, "", ""], [1.0, 0.1, {"kind": "runtime", "message": "x"}, "", ""],
        [None, 0.1, {"kind": "worker_start", "message": "x"}, "", ""],
        [None, 0.1, {"kind": "runtime", "message": 3}, "", ""],
        [None, 0.1, {"kind": "runtime", "message": "x", "line": -1}, "", ""],
        [None, 0.1, {"kind": ["runtime"], "message": "x"}, "", ""],
        [1.0, 0.1, None, 3, ""], [1.0, 0.1, None, "", ["x"]],
    ],
)  # fmt: skip
def test_what_is_not_a_reply_is_refused(value: Any) -> None:
    with pytest.raises(ForgedError):
        reply_of(value, 100)


def test_texts_are_cut_and_clean() -> None:
    reply = reply_of(
        [None, 0.1, {"kind": "runtime", "message": "\ud800" + "x" * 9999}, "y" * 999, ""], 10
    )
    assert reply.error is not None
    assert len(reply.error.message) == 3000
    reply.error.message.encode()
    assert reply.stdout == "y" * 10


@pytest.mark.parametrize("data", [b"[" * 100_000, b"{}", b"\xff", b"[1" + b"0" * 9999 + b"]", b""])
def test_a_frame_that_is_no_list_is_refused(data: Any) -> None:
    with pytest.raises(ForgedError):
        Frames(1 << 20).feed(framed(data))


def test_a_frame_longer_than_the_limit_is_refused_before_it_is_read() -> None:
    with pytest.raises(ForgedError, match="too long"):
        Frames(100).feed(b"\xff\xff\xff\xff")


@given(st.lists(st.lists(st.integers()), max_size=5), st.integers(1, 7))
def test_frames_come_out_however_they_are_cut(lists: Any, step: Any) -> None:
    data = b"".join(framed(json.dumps(one).encode()) for one in lists)
    frames = Frames(1 << 20)
    found = []
    for start in range(0, len(data), step):
        found += frames.feed(data[start : start + step])
    assert found == lists


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(
            st.sampled_from(
                ["kind", "message", "details", "line", "column", "found", "error", "imports", "row"]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=15,
)


@given(JSON, JSON)
def test_no_forgery_raises_anything_else(value: Any, other: Any) -> None:
    from graders.sandbox.frame import scanned

    for act in (
        lambda: reply_of(value, 10),
        lambda: reply_of([None, 0.1, value, other, ""], 10),
        lambda: load_fault([value]),
        lambda: scanned([value]),
        lambda: scanned([{"found": {"imports": [value, other], "row": other}}]),
    ):
        with contextlib.suppress(ForgedError):
            act()


@given(st.binary(max_size=200))
def test_garbage_is_refused_or_waited_for(data: Any) -> None:
    try:
        for frame in Frames(1 << 20).feed(data):
            reply_of(frame, 10)
    except ForgedError:
        pass


@pytest.mark.parametrize(
    ("column", "header"),
    [
        (1, "/usr/include/x86_64-linux-gnu/asm/unistd_64.h"),
        (2, "/usr/include/asm-generic/unistd.h"),
    ],
)
def test_system_call_numbers_are_the_kernels(column: Any, header: Any) -> None:
    if not Path(header).exists():
        pytest.skip("no kernel headers here")
    text = Path(header).read_text()
    pattern = r"^#define __NR(?:3264)?_(\w+)\s+(\d+)\s*$"
    numbers = {name: int(number) for name, number in re.findall(pattern, text, re.MULTILINE)}
    numbers.setdefault("newfstatat", numbers.get("fstatat", -1))
    rows = syscalls._PLAIN + syscalls._RULES + syscalls._METADATA
    assert len({row[0] for row in rows}) == len(rows)
    for row in rows:
        if row[column] == "-":
            assert row[0] not in numbers or row[0] == "fchmodat2", row
        elif row[0] in numbers:
            assert numbers[row[0]] == int(row[column]), row


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_filters_are_well_formed(machine: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr("platform.machine", lambda: machine)
    for program in (syscalls.keeper_program(), syscalls.grader_program(77, truncate=False)):
        assert len(program) < 4096
        assert program[-1][0] == 0x06
        for place, (code, jt, jf, _) in enumerate(program):
            if code & 7 == 5:
                assert place + 1 + max(jt, jf) < len(program)

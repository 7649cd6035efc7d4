"""The native core's door: texts of any characters count as in Python, fields of any sizes are refused.

Input: a byte for how texts are read, and texts with U+001F between them. Without the core there is
nothing to look at (make native).
"""

from __future__ import annotations

import ctypes
import os
from functools import cache
from itertools import pairwise
from typing import Any

from graders.metrics import Request, Scorer, native_core
from graders.metrics.native import core_of

TOKENS = (
    b"\x1f", b". ", b"Mr. ", b"e.g. ", b"?!", b"'", b"''", b'"', b"n't ", b"cannot", b"--", b"...", b"\xa0", b"\xe2\x80\x93",
    b"\xe6\x97\xa5", b"\xed\xa0\x80", b"\xf0\x9f\x98\x80", b"\xe2\x84\xaa", b"\xc4\xb0", b"1,000.5", b"\n", b"$", b"\xff" * 8, b"\0" * 8,
)  # fmt: skip
_METRICS = ("rouge_1", "rouge_3", "rouge_l", "bleu", "gleu", "meteor")


@cache
def _scorers() -> tuple[Scorer, Scorer]:
    """Return one that counts natively and one that counts in Python."""
    before = os.environ.get("GRADERS_NATIVE")
    found = []
    for wish in ("1", "0"):
        os.environ["GRADERS_NATIVE"] = wish
        scorer = Scorer()
        scorer.score([Request(metric, ["a"], ["b"]) for metric in _METRICS])
        found.append(scorer)
    del os.environ["GRADERS_NATIVE"]
    if before is not None:
        os.environ["GRADERS_NATIVE"] = before
    return found[0], found[1]


def target(data: bytes) -> None:
    if native_core().problem:
        return
    way, rest = (data[:1] or b"\0")[0], data[1:]
    text = (
        rest.decode("latin-1") if way % 3 == 0
        else rest.decode("utf-8", "surrogateescape") if way % 3 == 1
        else "".join(chr(int.from_bytes(rest[at : at + 3], "little") % 0x110000) for at in range(0, len(rest), 3))
    )  # fmt: skip
    texts = [*text.split("\x1f"), ""]
    columns = [one for one, _ in pairwise(texts)], [other for _, other in pairwise(texts)]
    requests = [Request(metric, *columns) for metric in _METRICS]
    ours, theirs = (scorer.score(requests) for scorer in _scorers())
    assert ours == theirs
    _knock(way, rest)


def _knock(way: int, data: bytes) -> None:
    """Call the door with sizes as they come: it counts them or refuses them."""
    core: Any = core_of(("alphanumeric", "translation", "characters")[way // 8 % 3])
    count = len(data) // 16
    lengths = (ctypes.c_uint64 * count)(*data[:count])
    if way & 16 and count:
        lengths[0] = 2**64 - 1 - data[0]
    size = sum(lengths) if way & 32 and sum(lengths) <= len(data) else len(data)
    found = (ctypes.c_uint64 * (4 * count + size + 3))()
    what, orders, longest = way % 5, 1 + way // 4 % 2, way & 1
    places = count // 2 * (2 + orders + longest) if way & 64 and what < 3 else len(found)
    asked = what | orders << 8 | longest << 16 | 1 << 24
    buffers = ctypes.addressof(lengths), count, ctypes.addressof(found), places
    given = (ctypes.c_size_t * 6)(core._handle, asked, *buffers)
    status = core._library.graders_call(given, data, size)
    assert status in {0, 3, 4}
    if status == 0 and what < 3:
        assert all(number <= size for number in found)

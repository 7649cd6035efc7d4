"""The kept inputs of each target, and which of many are worth keeping.

A target is `tests/fuzz/target_<name>.py` with `target(data: bytes) -> None` and `TOKENS`, the bytes
that are worth inserting. Its inputs stand in `tests/fuzz/corpus/<name>/`; those called `fault-…` made
it fail once. Nothing here imports graders: what imports it decides whether it is instrumented.
"""

from __future__ import annotations

import hashlib
import importlib
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from random import Random
from types import FrameType
from typing import Any, Final

HERE: Final = Path(__file__).parent
CORPUS: Final = HERE / "corpus"
FAULT: Final = "fault-"
_OWN: Final = f"{HERE.parents[1] / 'graders'}/"
_MOST_FILES: Final = 48
_MOST_BYTES: Final = 16_000

Target = Callable[[bytes], None]


def names() -> list[str]:
    """Return the names of all targets."""
    return sorted(path.stem.removeprefix("target_") for path in HERE.glob("target_*.py"))


def found(name: str) -> tuple[Target, tuple[bytes, ...]]:
    """Return a target and its tokens."""
    module = importlib.import_module(f"tests.fuzz.target_{name}")
    return module.target, module.TOKENS


def inputs(*folders: Path) -> list[bytes]:
    """Return the files of folders, shortest first."""
    every = {path.read_bytes() for one in folders if one.is_dir() for path in one.iterdir()}
    return sorted(every, key=lambda data: (len(data), data))


def named(data: bytes) -> str:
    """Return the name of an input's file."""
    return hashlib.sha256(data).hexdigest()[:12]


def run_covered(target: Target, data: bytes) -> set[tuple[str, int, int]]:
    """Run a target; return the steps from line to line taken in graders."""
    steps: set[tuple[str, int, int]] = set()

    def local(frame: FrameType, event: str, _: Any) -> Any:
        last = frame.f_lineno
        file = frame.f_code.co_filename

        def line(frame: FrameType, event: str, _: Any) -> Any:
            nonlocal last
            steps.add((file, last, frame.f_lineno))
            last = frame.f_lineno
            return line

        return line if file.startswith(_OWN) else None

    before = sys.gettrace()
    sys.settrace(local)
    try:
        target(data)
    finally:
        sys.settrace(before)
    return steps


def worth_keeping(target: Target, candidates: Iterable[bytes]) -> list[bytes]:
    """Return few small inputs that together take every step that all of them take."""
    covered = []
    for data in candidates:
        if len(data) <= _MOST_BYTES:
            try:
                covered.append((data, run_covered(target, data)))
            except Exception:  # noqa: BLE001  (a fault is kept apart)
                continue
    kept: list[bytes] = []
    missing = set().union(*(steps for _, steps in covered))
    while missing and len(kept) < _MOST_FILES:
        # Short ones first where they say as much: a step more is worth forty bytes.
        data, steps = max(
            covered, key=lambda one: (len(one[1] & missing) / (40 + len(one[0])), -len(one[0]))
        )
        kept.append(data)
        missing -= steps
    return kept


def mutated(data: bytes, random: Random, tokens: tuple[bytes, ...], other: bytes = b"") -> bytes:
    """Return an input with a few changes."""
    changed = bytearray(data)
    for _ in range(random.randint(1, 4)):
        at = random.randint(0, len(changed))
        to = min(len(changed), at + random.choice((1, 1, 2, 4, 16)))
        kind = random.randint(0, 6)
        if kind == 0:
            del changed[at:to]
        elif kind == 1:
            changed[at:at] = changed[at:to] * random.randint(1, 3)
        elif kind == 2:
            changed[at:to] = random.choice((b"\0", b"\n", b"9", b"\xed\xa0\x80", "é".encode()))
        elif kind == 3 and at < len(changed):
            changed[at] ^= 1 << random.randint(0, 7)
        elif kind == 4 and other:
            start = random.randint(0, len(other))
            changed[at:to] = other[start : start + random.randint(1, 64)]
        elif tokens:
            changed[at : at if kind == 5 else to] = random.choice(tokens)
    return bytes(changed)

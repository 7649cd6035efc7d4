"""Golden files: for each sort of input what is given and what is said.

`GRADERS_UPDATE=1` writes what is said now (`make golden`), to be read before it is committed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

HERE: Final = Path(__file__).parent


def cases(name: str) -> dict[str, list[dict[str, Any]]]:
    """Return what a golden file holds, by sort."""
    held: dict[str, list[dict[str, Any]]] = json.loads((HERE / name).read_text())
    return held


def check(name: str, sort: str, say: Callable[[Any], Any], *, writes: bool = True) -> None:
    """Compare what is said today of all that is given of a sort; write it where that is asked for."""
    held = cases(name)
    heard = [say(case["given"]) for case in held[sort]]
    if writes and "GRADERS_UPDATE" in os.environ:
        pairs = zip(held[sort], heard, strict=True)
        held[sort] = [{"given": case["given"], "says": said} for case, said in pairs]
        (HERE / name).write_text(json.dumps(held, ensure_ascii=False, indent=1) + "\n")
        return
    assert heard
    for case, said in zip(held[sort], heard, strict=True):
        assert said == case["says"], f"where that is meant, make golden. Given: {case['given']}"

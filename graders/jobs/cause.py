"""Why a job may teach nothing: what the linter says of the grader, and of the answers it saw."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, Final

from graders import jsontext
from graders.api import Grader
from graders.config import Loaded
from graders.inspection.lint import Finding, Subject, lint, measure
from graders.jobs.dataset import Dataset
from graders.rows import Block, Layout, decode_block

__all__ = ["likely_causes"]

_LOOKED_AT: Final = 200
_SECONDS: Final = 60.0
_BYTES: Final = 8 << 20
_OF_GRADERS: Final = ("G2", "G3", "G5")
_OF_TEXTS: Final = ("G613", "G614", "G615", "G616", "G617")


def likely_causes(
    loaded: Loaded,
    grader: Grader,
    data: Dataset,
    findings: Sequence[Finding],
    seconds: float,
) -> list[Finding]:
    """Return what may keep rewards from differing, what the answers show first.

    Args:
        loaded: the config and the body around it.
        grader: made of it; it asks no server.
        data: training rows, of which the recorded answers are looked at.
        findings: of the linter, without rows.
        seconds: what one grade takes; of slow graders fewer answers are looked at.
    """
    known = [one for one in findings if one.code.startswith(_OF_GRADERS) and one.line is None]
    most = min(_LOOKED_AT, int(_SECONDS / seconds)) if seconds else _LOOKED_AT
    lines: list[bytes] = []
    indexes: list[int] = []
    for index, item, sample in islice(_recorded(data), most):
        lines.append(jsontext.encode({"item": item, "sample": sample}))
        indexes.append(index)
        if sum(map(len, lines)) > _BYTES:
            break
    if not lines:
        return known
    block = Block(b"\n".join(lines), indexes=indexes)
    chunk = decode_block(block, Layout())
    measured = measure(grader.plan, [chunk], data.name, grader=grader, limit=_LOOKED_AT)
    subject = Subject(loaded=loaded, plan=grader.plan, measured=measured)
    return [one for one in lint(subject) if one.code in _OF_TEXTS] + known


def _recorded(data: Dataset) -> Iterator[tuple[int, dict[str, Any], Any]]:
    for index in range(len(data)):
        row = data.row(index)
        for sample in row.samples:
            yield index, row.item, sample

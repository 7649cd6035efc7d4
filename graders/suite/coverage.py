"""What of a grader the rows of a suite exercised.

Sub-graders, outcomes of checks, labels, sides of pass marks, and the lines and conditions of python
sources. A python source is run a second time, rewritten so that it says what it executes; the
grade is that of the plain run, so looking cannot change it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.resources import files
from itertools import accumulate
from typing import Any, Final

from graders.api import Explanation
from graders.calls import PythonCall, PythonError, PythonReply
from graders.plan import Leaf, Plan
from graders.sandbox import PythonOptions, PythonSandbox

__all__ = ["Coverage", "CoveringPython", "Part"]

_SIGN: Final = "graders-coverage "
_MOST: Final = 20_000
"""Lines, or conditions, of a source that are followed; a forged list is not worth more memory."""


@dataclass(slots=True)
class Part:
    """What there is to exercise in one sub-grader, and what of it was.

    Attributes:
        key: the sub-grader's key, "" for the grader itself.
        type: its type.
        points: each thing that can be exercised, and whether it was.
        note: why more is not known.
    """

    key: str
    type: str
    points: dict[str, bool] = field(default_factory=dict)
    note: str = ""

    @property
    def missing(self) -> list[str]:
        """What was not exercised."""
        return [point for point, hit in self.points.items() if not hit]

    @property
    def covered(self) -> int:
        """How many points were exercised."""
        return sum(self.points.values())


class Coverage:
    """Counts what the rows of a suite exercise.

    Args:
        plan: of the grader.
    """

    def __init__(self, plan: Plan) -> None:
        self._criteria = plan.kind == "criteria"
        self._leaves = plan.leaves
        self.parts = [
            Part(leaf.key, leaf.config.type, dict.fromkeys(self._points(leaf), False))
            for leaf in plan.leaves
        ]

    def note(self, explained: Explanation) -> None:
        """Count one graded row."""
        for leaf, part in zip(self._leaves, self.parts, strict=True):
            grade = explained.grade
            score = grade.sub_rewards.get(leaf.key) if leaf.key else grade.reward
            if score is not None:
                said = explained.said.get(leaf.key, ())
                for point in self._hit(leaf, score, said):
                    part.points[point] = True

    def note_source(self, traces: Mapping[str, Trace]) -> None:
        """Take what python sources executed, by source."""
        for leaf, part in zip(self._leaves, self.parts, strict=True):
            if (code := leaf.code) is not None and (trace := traces.get(code.source)):
                part.note = trace.note
                part.points.update(trace.points())

    @property
    def covered(self) -> int:
        """How many points were exercised."""
        return sum(part.covered for part in self.parts)

    @property
    def points(self) -> int:
        """How many points there are."""
        return sum(len(part.points) for part in self.parts)

    @property
    def share(self) -> float:
        """The exercised share, in [0, 1]."""
        return self.covered / self.points if self.points else 1.0

    def to_dict(self) -> dict[str, Any]:
        """Return it for machines."""
        return {
            "covered": self.covered,
            "points": self.points,
            "share": self.share,
            "sub_graders": [
                {
                    "key": part.key, "type": part.type, "covered": part.covered,
                    "points": len(part.points), "missing": part.missing, "note": part.note,
                }
                for part in self.parts
            ],
        }  # fmt: skip

    def _points(self, leaf: Leaf) -> Iterator[str]:
        if points := leaf.kind.points(leaf.config):
            yield from points
        elif self._marked(leaf):
            yield from ("passes", "does not pass")
        else:
            yield "scored"

    def _hit(self, leaf: Leaf, score: float, said: Sequence[str]) -> Iterator[str]:
        if leaf.kind.points(leaf.config):
            yield from leaf.kind.hit(leaf.config, score, said)
        elif self._marked(leaf):
            yield "passes" if score >= (leaf.passes_at or 0.0) else "does not pass"
        else:
            yield "scored"

    def _marked(self, leaf: Leaf) -> bool:
        """Whether a pass mark stands in the config, or decides over the row."""
        named = getattr(leaf.config, "pass_threshold", None) is not None
        return leaf.passes_at is not None and (self._criteria or named)


@dataclass(slots=True)
class Trace:
    """What runs of one python source executed."""

    lines: dict[int, bool] = field(default_factory=dict)
    tests: list[int] = field(default_factory=list)
    outcomes: set[tuple[int, bool]] = field(default_factory=set)
    note: str = ""

    def points(self) -> dict[str, bool]:
        """Return the points that lines and conditions are."""
        found = {f"line {line}": hit for line, hit in sorted(self.lines.items())}
        total, seen = Counter(self.tests), Counter[int]()
        for number, line in enumerate(self.tests):
            seen[line] += 1
            which = f" ({seen[line]})" if total[line] > 1 else ""
            for outcome in (True, False):
                side = "true" if outcome else "false"
                found[f"condition of line {line}{which} {side}"] = (
                    number,
                    outcome,
                ) in self.outcomes
        return found

    def add(self, reply: PythonReply) -> None:
        """Take what one run said; it comes from the sandbox and may be anything."""
        line = next((one for one in reply.stdout.splitlines() if one.startswith(_SIGN)), None)
        if line is None:
            reason = reply.error.message if reply.error else "its marks did not come through"
            self.note = f"not every run of the source could be followed: {reason}"
            return
        try:
            lines, reached, steps, no, yes = json.loads(line.removeprefix(_SIGN))
            there, hit = _members(lines), set(_members(reached))
            tests = list(accumulate(int(step) for step in steps[:_MOST]))
            found = {(number, False) for number in _members(no)}
            found |= {(number, True) for number in _members(yes)}
        except (ValueError, LookupError, TypeError, RecursionError):
            self.note = "not every run of the source could be followed: its marks are broken"
            return
        self.tests = self.tests or tests
        for number in there:
            self.lines[number] = self.lines.get(number, False) or number in hit
        self.outcomes |= found


def _members(mask: str) -> list[int]:
    """Return the numbers whose bits are set in a hexadecimal text."""
    bits = bin(int(mask, 16))[:1:-1]
    return [number for number, bit in enumerate(bits[:_MOST]) if bit == "1"]


class CoveringPython:
    """Performs python graders, and follows what they execute.

    Args:
        options: how python graders are run.
        tags: the image_tags of the grader's sources, "" for none.
    """

    def __init__(self, options: PythonOptions, tags: Collection[str]) -> None:
        self._plain: PythonSandbox = options.start(tags)
        # The runs that are only looked at may share a process: it spares their imports.
        self._marked: PythonSandbox = replace(options, isolation="module", workers=1).start(tags)
        self.traces: dict[str, Trace] = {}

    def check(self, source: str, image_tag: str | None = None) -> PythonError | None:
        """Load the source without grading."""
        return self._plain.check(source, image_tag)

    def perform(self, call: PythonCall) -> list[PythonReply]:
        """Return one reply a row, in order."""
        replies = self._plain.perform(call)
        trace = self.traces.setdefault(call.source, Trace())
        for reply in self._marked.perform(replace(call, source=_marking(call.source))):
            trace.add(reply)
        return replies

    def close(self) -> None:
        """Stop the workers."""
        self._plain.close()
        self._marked.close()


def _marking(source: str) -> str:
    """Return a source that runs `source` with marks."""
    inside = (files("graders.suite") / "inside.py").read_text(encoding="utf-8")
    call = f"traced({source!r}, sample, item)"
    return f"{inside}\n\ndef grade(sample, item):\n    {call}\n    return 0.0\n"

"""Result lines read back: the valid beginning of a file of results, and what it adds up to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from graders import jsontext
from graders.engine.tally import Tally
from graders.grade import Failure, Grade, Usage
from graders.rows import Readable, read_blocks

__all__ = ["Result", "read_results", "tally_results"]

_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class Result:
    """One line of results.

    Attributes:
        line: the line itself, with its end.
        body: what it holds.
    """

    line: bytes
    body: Mapping[str, Any]

    @property
    def index(self) -> int:
        """The row's index."""
        index: int = self.body["index"]
        return index

    @property
    def failed(self) -> bool:
        """Whether the row has no reward of its own; one may stand for it."""
        return bool(self.body["failures"])

    @property
    def failures(self) -> tuple[Failure, ...]:
        """Why the row failed."""
        return _failures(self.body["failures"])

    @property
    def usage(self) -> dict[str, Usage]:
        """Tokens by model."""
        return {model: Usage(**one) for model, one in self.body.get("usage", {}).items()}

    def grade(self, name: str, type: str) -> Grade:  # noqa: A002  (the JSON's own word)
        """Return the row's grade by a grader of this name and type."""
        return Grade(
            reward=None if self.failed else self.body["reward"],
            sub_rewards=self.body["sub_rewards"],
            failures=self.failures,
            replaced=_failures(self.body.get("replaced", [])),
            usage=self.usage,
            name=name,
            type=type,
        )


def _failures(found: Sequence[Mapping[str, Any]]) -> tuple[Failure, ...]:
    return tuple(Failure(**one) for one in found)


def read_results(stream: Readable) -> Iterator[list[Result]]:
    """Yield the results of a file, many at a time, up to the first line that is none.

    A line that was torn by an interruption, or that a power cut left half on the disk, is none.
    """
    for block in read_blocks(stream, _BLOCK):
        found: list[Result] = []
        whole = block.data.endswith(b"\n")
        lines = block.data.split(b"\n")
        for text in lines[:-1]:
            result = _result(text)
            if result is None:
                whole = False
                break
            found.append(result)
        yield found
        if not whole:
            return


def _result(text: bytes) -> Result | None:
    try:
        body = jsontext.decode(text)
    except ValueError:
        return None
    if (
        isinstance(body, dict)
        and isinstance(body.get("index"), int)
        and isinstance(body.get("sub_rewards"), dict)
        and isinstance(body.get("failures"), list)
        and (isinstance(body.get("reward"), int | float) or body["failures"])
    ):
        return Result(text + b"\n", body)
    return None


def tally_results(results: Sequence[Result], marks: Mapping[str, float | None]) -> Tally:
    """Return what results add up to: the same figures as when they were graded.

    Args:
        results: results of one grader.
        marks: the pass mark of each judge by its key.
    """
    tally = Tally()
    if not results:
        return tally
    failures = {row: one.failures for row, one in enumerate(results) if one.body["failures"]}
    keys = results[0].body["sub_rewards"]
    tally.add(
        [one.body["index"] for one in results],
        [None if row in failures else one.body["reward"] for row, one in enumerate(results)],
        {key: [one.body["sub_rewards"].get(key) for one in results] for key in keys},
        failures,
        {
            row: _failures(one.body["replaced"])
            for row, one in enumerate(results)
            if "replaced" in one.body
        },
    )
    for one in results:
        if "usage" in one.body:
            tally.add_usage(one.usage)
        for key, scores in one.body.get("repeats", {}).items():
            tally.add_repeats(key, [scores], marks.get(key))
    return tally

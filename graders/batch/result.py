"""Result lines read back: the valid beginning of a file of results, and what it adds up to."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final, cast

from graders import jsontext
from graders.batch.tally import Tally
from graders.errors import RowsError
from graders.grade import Failure, Grade, Usage
from graders.kinds import Panelled
from graders.remote import Place
from graders.rows import Readable, read_blocks

__all__ = ["Result", "read_results", "results_of", "tally_results"]

_BLOCK: Final = 1 << 20
_LARGEST: Final = 2**53
_ALWAYS: Final = {"index", "id", "reward", "sub_rewards", "failures"}
_FLOAT_OR_NULL: Final = {float, type(None)}
_INFINITE: Final = {math.inf, -math.inf}
_COUNTS: Final = {one.name for one in fields(Usage)}
_NOTHING: Final[Mapping[str, Any]] = {}


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


def read_results(stream: Readable, *, strict: bool = False) -> Iterator[list[Result]]:
    """Yield the results of a file, many at a time, up to the first line that is none.

    A line that was torn by an interruption, or that a power cut left half on the disk, is none.

    Args:
        stream: the file.
        strict: whether a line that is none is an error.

    Raises:
        RowsError: a line is none, and `strict`.
    """
    for block in read_blocks(stream, _BLOCK):
        found: list[Result] = []
        *lines, rest = block.data.split(b"\n")
        exact = jsontext.has_long_number(block.data)
        bounded = not jsontext.may_overflow(block.data)
        for text in lines:
            result = _result(text, exact=exact, bounded=bounded)
            if result is None:
                break
            found.append(result)
        if strict and (rest or len(found) < len(lines)):
            raise RowsError(f"line {block.line + len(found)} is not a result line")
        yield found
        if rest or len(found) < len(lines):
            return


def results_of(path: Place) -> Iterator[list[Result]]:
    """Yield the results of the file at a path, as `read_results` does.

    Raises:
        RowsError: it cannot be read.
    """
    try:
        with path.open("rb") as stream:
            yield from read_results(cast("Readable", stream))
    except OSError as error:
        raise RowsError(f"{path}: cannot be read: {error.strerror or error}") from None


def _result(text: bytes, *, exact: bool, bounded: bool) -> Result | None:
    try:
        body = jsontext.decode(text, exact=exact, bounded=bounded)
    except ValueError:
        return None
    return Result(text + b"\n", body) if isinstance(body, dict) and _is_result(body) else None


def _is_result(body: dict[str, Any]) -> bool:
    """Whether every part that is read later is what a run writes."""
    scores, failures = body.get("sub_rewards"), body.get("failures")
    if not (
        _is_count(body.get("index"))
        and type(scores) is dict
        and _are_scores(scores.values())
        and (failures == [] or _are_failures(failures))
        and (failures or _is_score(body.get("reward")))
    ):
        return False
    return body.keys() <= _ALWAYS or _are_extras(body)


def _are_extras(body: dict[str, Any]) -> bool:
    for key, check in _EXTRAS:  # noqa: SIM110  (a generator would take twice the time, a row)
        if key in body and not check(body[key]):
            return False
    return True


def _is_group(value: Any) -> bool:
    return value is None or type(value) is str


def _are_usages(value: Any) -> bool:
    return type(value) is dict and all(map(_is_usage, value.values()))


def _are_repeats(value: Any) -> bool:
    return type(value) is dict and all(
        type(one) is list and _are_scores(one) for one in value.values()
    )


def _are_panels(value: Any) -> bool:
    return type(value) is dict and all(map(_is_panel, value.values()))


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value <= _LARGEST


def _is_score(value: Any) -> bool:
    # No float holds an integer of more bits.
    return (type(value) is float and math.isfinite(value)) or (
        type(value) is int and value.bit_length() < 1024
    )


def _are_scores(values: Collection[Any]) -> bool:
    # Mostly floats and nulls, which are looked at all at once.
    if {*map(type, values)} <= _FLOAT_OR_NULL:
        return _INFINITE.isdisjoint(values)
    return all(one is None or _is_score(one) for one in values)


def _are_failures(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(one, dict)
        and {"code", "message", "where"} <= set(one) <= {"code", "message", "where", "details"}
        and all(isinstance(text, str) for text in one.values())
        for one in value
    )


def _is_panel(value: Any) -> bool:
    if type(value) is not dict or type(value.get("scores")) is not dict:
        return False
    return _are_scores(value["scores"].values()) and _are_scores((value.get("disagreement"),))


def _is_usage(value: Any) -> bool:
    return type(value) is dict and value.keys() <= _COUNTS and all(map(_is_count, value.values()))


_EXTRAS: Final = (
    ("by", _is_group),
    ("replaced", _are_failures),
    ("usage", _are_usages),
    ("repeats", _are_repeats),
    ("panel", _are_panels),
)


def tally_results(
    results: Sequence[Result],
    marks: Mapping[str, float | None],
    groups: Sequence[str | None] | None = None,
) -> Tally:
    """Return what results add up to: the same figures as when they were graded.

    Args:
        results: results of one grader.
        marks: the pass mark of each judge by its key.
        groups: the category of each; None for those that they name themselves.
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
    if groups is None and any("by" in one.body for one in results):
        groups = [one.body.get("by") for one in results]
    if groups is not None:
        tally.add_groups(groups, [None if one.failed else one.body["reward"] for one in results])
    tally.add_usage(_usage(results))
    repeats: defaultdict[str, list[list[float | None]]] = defaultdict(list)
    panels: defaultdict[str, list[Panelled]] = defaultdict(list)
    for one in results:
        for key, scores in one.body.get("repeats", _NOTHING).items():
            repeats[key].append(scores)
        for key, panel in one.body.get("panel", _NOTHING).items():
            panels[key].append(Panelled(panel["scores"], panel.get("disagreement")))
    for key, said in repeats.items():
        tally.add_repeats(key, said, marks.get(key))
    for key, given in panels.items():
        tally.add_panel(key, given, marks.get(key))
    return tally


def _usage(results: Sequence[Result]) -> dict[str, Usage]:
    """Return the tokens of all rows by model."""
    found: defaultdict[str, dict[str, int]] = defaultdict(lambda: dict.fromkeys(_COUNTS, 0))
    for one in results:
        for model, used in one.body.get("usage", _NOTHING).items():
            counts = found[model]
            for name, count in used.items():
                counts[name] += count
    return {model: Usage(**counts) for model, counts in found.items()}

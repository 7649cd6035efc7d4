"""Result lines read back: the valid beginning of a file of results, and what it adds up to."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import chain, takewhile
from operator import itemgetter
from typing import Any, Final, cast

from graders import jsontext
from graders.batch.tally import Tally
from graders.errors import RowsError
from graders.grade import Failure, Grade, Usage
from graders.remote import Place
from graders.rows import Readable, read_blocks

__all__ = ["Result", "read_results", "results_of", "sub_rewards_of", "tally_results"]

_BLOCK: Final = 1 << 20
_LARGEST: Final = 2**53
_INDEX, _SCORES, _FAILURES = map(itemgetter, ("index", "sub_rewards", "failures"))
_FLOAT_OR_NULL: Final = {float, type(None)}
_INFINITE: Final = {math.inf, -math.inf}
_COUNTS: Final = {one.name for one in fields(Usage)}


@dataclass(slots=True)  # Frozen, it would take three times as long to make.
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
        *lines, rest = block.data.split(b"\n")
        exact = jsontext.has_long_number(block.data)
        bounded = not jsontext.may_overflow(block.data)
        bodies = jsontext.decode_all(lines, exact=exact, bounded=bounded)
        if not _are_results(bodies):
            bodies = [*takewhile(_is_result, bodies)]
        found = [Result(text + b"\n", body) for text, body in zip(lines, bodies, strict=False)]
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


def _are_results(bodies: Sequence[Any]) -> bool:
    """Whether each is what a run writes, looked at in columns: False also where only `_is_result` can say."""
    try:
        scores = [*chain.from_iterable(map(dict.values, map(_SCORES, bodies)))]
        failures = [*map(_FAILURES, bodies)]
        own = [body["reward"] for body, found in zip(bodies, failures, strict=True) if not found]
        return (
            _are_counts([*map(_INDEX, bodies)])
            and _are_scores(scores)
            and _are_scores(own)
            and None not in own
            and {*map(type, failures)} <= {list}
            and all(map(_are_failures, filter(None, failures)))
            and all(
                _EXTRAS[key]([body[key] for body in bodies if key in body])
                for key in _EXTRAS.keys() & set().union(*bodies)
            )
        )
    except (TypeError, KeyError):
        return False


def _is_result(body: Any) -> bool:
    """Whether every part that is read later is what a run writes."""
    if type(body) is not dict:
        return False
    scores, failures = body.get("sub_rewards"), body.get("failures")
    return (
        _are_counts([body.get("index")])
        and type(scores) is dict
        and _are_scores(scores.values())
        and (failures == [] or _are_failures(failures))
        and (failures or _is_score(body.get("reward")))
        and all(check([body[key]]) for key, check in _EXTRAS.items() if key in body)
    )


def _are_groups(values: Sequence[Any]) -> bool:
    return {*map(type, values)} <= {str, type(None)}


def _inner(values: Sequence[Any], kind: type) -> list[Any] | None:
    """Return all values of these objects; None where one is no object, or holds another kind of value."""
    if not {*map(type, values)} <= {dict}:
        return None
    found = [*chain.from_iterable(map(dict.values, values))]
    return found if {*map(type, found)} <= {kind} else None


def _are_usages(values: Sequence[Any]) -> bool:
    used = _inner(values, dict)
    if used is None or not set().union(*used) <= _COUNTS:
        return False
    return _are_counts([*chain.from_iterable(map(dict.values, used))])


def _are_repeats(values: Sequence[Any]) -> bool:
    said = _inner(values, list)
    return said is not None and _are_scores([*chain.from_iterable(said)])


def _are_panels(values: Sequence[Any]) -> bool:
    panels = _inner(values, dict)
    if panels is None:
        return False
    given = [one.get("scores") for one in panels]
    if not {*map(type, given)} <= {dict}:
        return False
    scores = [*chain.from_iterable(map(dict.values, given))]
    return _are_scores(scores) and _are_scores([one.get("disagreement") for one in panels])


def _are_all_failures(values: Sequence[Any]) -> bool:
    return all(map(_are_failures, values))


def _are_counts(values: Sequence[Any]) -> bool:
    return {*map(type, values)} <= {int} and (
        not values or (min(values) >= 0 and max(values) <= _LARGEST)
    )


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


_EXTRAS: Final[Mapping[str, Callable[[Sequence[Any]], bool]]] = {
    "by": _are_groups,
    "replaced": _are_all_failures,
    "usage": _are_usages,
    "repeats": _are_repeats,
    "panel": _are_panels,
}
"""What lines have beside the parts that each has, and whether such values are what a run writes."""


def sub_rewards_of(
    results: Sequence[Result], keys: Collection[str] = ()
) -> dict[str, Sequence[float | None]]:
    """Return what each sub-grader gave, a column each, None where it gave nothing.

    Args:
        results: results of one grader.
        keys: sub-graders that have a column whether or not the first result has them.
    """
    scores = [one.body["sub_rewards"] for one in results]
    names = [*dict.fromkeys(chain(keys, *scores[:1]))]
    if scores and len(names) > 1 and names == [*scores[0]]:
        try:
            return dict(zip(names, zip(*map(itemgetter(*names), scores), strict=True), strict=True))
        except KeyError:
            pass
    return {name: [one.get(name) for one in scores] for name in names}


def tally_results(
    results: Sequence[Result],
    marks: Mapping[str, float | None],
    groups: Sequence[str | None] | None = None,
    tally: Tally | None = None,
    columns: Mapping[str, Sequence[float | None]] | None = None,
) -> Tally:
    """Return what results add up to: the same figures as when they were graded.

    Args:
        results: results of one grader.
        marks: the pass mark of each judge by its key.
        groups: the category of each; None for those that they name themselves.
        tally: what they are added to, and what is returned; None for a new one.
        columns: their `sub_rewards_of`, where the caller has them.
    """
    tally = Tally() if tally is None else tally
    if not results:
        return tally
    bodies = [one.body for one in results]
    failed = [*map(_FAILURES, bodies)]
    own = [None if found else body["reward"] for body, found in zip(bodies, failed, strict=True)]
    tally.add(
        [*map(_INDEX, bodies)],
        own,
        sub_rewards_of(results) if columns is None else columns,
        {row: _failures(found) for row, found in enumerate(failed) if found},
        {row: _failures(body["replaced"]) for row, body in enumerate(bodies) if "replaced" in body},
    )
    if groups is None and any("by" in body for body in bodies):
        groups = [body.get("by") for body in bodies]
    if groups is not None:
        tally.add_groups(groups, own)
    tally.add_usage(_usage(_named(bodies, "usage")))
    for key, said in _named(bodies, "repeats").items():
        tally.add_repeats(key, said, marks.get(key))
    for key, panels in _named(bodies, "panel").items():
        given = [(one["scores"], one.get("disagreement")) for one in panels]
        tally.add_panel(key, given, marks.get(key))
    return tally


def _named(bodies: Sequence[Mapping[str, Any]], part: str) -> dict[str, list[Any]]:
    """Return what stands under each name of a part, in the order of the rows."""
    parts = [body[part] for body in bodies if part in body]
    alike = {*map(tuple, parts)}
    if len(alike) == 1:
        return dict(zip(*alike, map(list, zip(*map(dict.values, parts), strict=True)), strict=True))
    found: dict[str, list[Any]] = {}
    for one in parts:
        for name, value in one.items():
            found.setdefault(name, []).append(value)
    return found


def _usage(used: Mapping[str, Sequence[Mapping[str, int]]]) -> dict[str, Usage]:
    """Return the tokens of all rows by model."""
    return {
        model: Usage(
            **{name: sum([one.get(name, 0) for one in rows]) for name in set().union(*rows)}
        )
        for model, rows in used.items()
    }

"""Old against new: the rows of a run graded again, and what of each criterion is equal to the last bit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any, Final

from graders.api import Grader
from graders.errors import ConfigError, GradersError
from graders.evals.match import place_of
from graders.evals.request import criteria_of
from graders.evals.reread import explained
from graders.evals.result import keys_of
from graders.evals.verdict import criteria
from graders.jobs import RunOptions

__all__ = ["Comparison", "Figures", "RowDelta", "compare"]

_CHUNK: Final = 256
_KEPT: Final = 200
_MOST_NAMES: Final = 8
_BY_SERVER: Final[Mapping[str, str]] = {
    "chat": "a judge's score is that of its model on that day: another model, or another day, another score",
    "embed": "embeddings of another model are other numbers",
    "endpoint": "a server of yours scores, and may score otherwise now",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RowDelta:
    """A row on which old and new differ.

    Attributes:
        criterion: the key of the criterion.
        place: the number of the row.
        id: the id of the output item.
        old: the exported score; None for none.
        new: the score here; None for none.
        old_passed: whether it passed.
        new_passed: whether it passes here; None without a score.
        says: why there is no score here; "" where there is one.
        fields: what was compared, by its name; {} where that is nothing to be shown in a line.
    """

    criterion: str
    place: int
    id: str
    old: float | None
    new: float | None
    old_passed: bool
    new_passed: bool | None
    says: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)

    @property
    def flipped(self) -> bool:
        """Whether the verdict is another one."""
        return self.new_passed is not None and self.old_passed != self.new_passed

    @property
    def weight(self) -> tuple[bool, float]:
        """By what the rows to read first are found: flipped verdicts, then the largest difference."""
        if self.old is None or self.new is None:
            return self.flipped, -1.0
        return self.flipped, abs(self.new - self.old)

    def to_dict(self) -> dict[str, Any]:
        """Return the row as JSON."""
        return {
            "criterion": self.criterion, "datasource_item_id": self.place, "id": self.id,
            "old": self.old, "new": self.new, "old_passed": self.old_passed,
            "new_passed": self.new_passed, "says": self.says, "fields": dict(self.fields),
        }  # fmt: skip


@dataclass(slots=True, kw_only=True)
class Figures:
    """What became of one criterion.

    Attributes:
        key: its name among the criteria.
        type: its type.
        exact: whether the same input has to give the same score: no model has a say in it.
        compared: how many items have a score on both sides.
        equal: how many of those are equal to the last bit.
        rounded: how many are equal as far as the exported number goes, which was rounded.
        differ: how many are not.
        flipped: how many verdicts are others.
        lost: how many have a score there and none here.
        zero: how many of those had the score 0 there, as the hosted service gave what it could not grade.
        gained: how many have a score here and none there.
        neither: how many have none on either side.
        largest: the largest difference.
        total: the sum of all differences.
        codes: the failures here, by code.
        why: why they differ, as far as that can be told.
        option: the option that gives exactly the old scores; "" for none.
        skipped: why it was not compared; "" where it was.
    """

    key: str
    type: str
    exact: bool = True
    compared: int = 0
    equal: int = 0
    rounded: int = 0
    differ: int = 0
    flipped: int = 0
    lost: int = 0
    zero: int = 0
    gained: int = 0
    neither: int = 0
    largest: float = 0.0
    total: float = 0.0
    codes: Counter[str] = field(default_factory=Counter)
    why: str = ""
    option: str = ""
    skipped: str = ""

    @property
    def faulty(self) -> bool:
        """Whether it differs though it must not."""
        return self.exact and bool(self.differ or self.flipped or self.lost > self.zero)

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as JSON."""
        return {
            "name": self.key, "type": self.type, "deterministic": self.exact,
            "compared": self.compared, "equal": self.equal, "equal_as_rounded": self.rounded,
            "differ": self.differ, "flipped": self.flipped, "only_there": self.lost,
            "only_there_as_zero": self.zero, "only_here": self.gained, "neither": self.neither,
            "largest_difference": self.largest if self.differ else None,
            "mean_difference": self.total / self.differ if self.differ else None,
            "failures_here": dict(self.codes), "why": self.why or None,
            "option": self.option or None, "not_compared": self.skipped or None,
        }  # fmt: skip


@dataclass(slots=True, kw_only=True)
class Comparison:
    """What became of a run's criteria.

    Attributes:
        items: how many output items there are.
        figures: of each criterion.
        first: the rows to read first.
        strangers: names of results that are of no criterion, with how many there are.
    """

    items: int = 0
    figures: list[Figures] = field(default_factory=list)
    first: list[RowDelta] = field(default_factory=list)
    strangers: Counter[str] = field(default_factory=Counter)

    @property
    def faulty(self) -> bool:
        """Whether a criterion differs that must not."""
        return any(one.faulty for one in self.figures)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON."""
        return {
            "items": self.items, "deterministic_criteria_are_equal": not self.faulty,
            "criteria": [one.to_dict() for one in self.figures],
            "first": [one.to_dict() for one in self.first],
            "results_of_no_criterion": dict(self.strangers),
        }  # fmt: skip


def compare(
    items: Iterable[Mapping[str, Any]],
    testing_criteria: Sequence[Mapping[str, Any]],
    options: RunOptions,
    *,
    rows: Sequence[Any] = (),
    asks: bool = False,
    most: int = 10,
) -> Comparison:
    """Grade the rows of output items again, and return what is equal and what is not.

    Args:
        items: output items as the API shows them.
        testing_criteria: the criteria of their eval, with their ids.
        options: how graders are run.
        rows: the rows of the run's data source, by number, for samples that items do not show.
        asks: whether servers may be asked: judges, embeddings, endpoints.
        most: how many rows to read first are kept.

    Raises:
        ConfigError: a python source cannot be loaded.
    """
    found, sides = Comparison(), list[_Side]()
    try:
        for place, key in enumerate(keys_of(testing_criteria)):
            one = testing_criteria[place]
            figures = Figures(key=key, type=str(one.get("type") or ""))
            found.figures.append(figures)
            sides.append(_Side(one, figures, options, asks=asks, most=most))
        waiting = iter(items)
        while chunk := list(islice(waiting, _CHUNK)):
            found.items += len(chunk)
            seen = [(one["datasource_item"], _sample(one, rows)) for one in chunk]
            old = [_by_criterion(one, testing_criteria, found.strangers) for one in chunk]
            for place, side in enumerate(sides):
                side.add(chunk, seen, [results.get(place) for results in old])
        for side in sides:
            side.explain()
        deltas = [(side, delta) for side in sides for delta in side.first]
        deltas.sort(key=lambda pair: pair[1][0].weight, reverse=True)
        found.first = [side.shown(*delta) for side, delta in deltas[:most]]
    finally:
        for side in sides:
            side.close()
    return found


def _by_criterion(
    item: Mapping[str, Any], testing_criteria: Sequence[Mapping[str, Any]], strangers: Counter[str]
) -> dict[int, Mapping[str, Any]]:
    """Return an item's results by the places of their criteria."""
    found: dict[int, Mapping[str, Any]] = {}
    for at, one in enumerate(item["results"]):
        place = place_of(testing_criteria, one, at)
        if place is None:
            name = str(one.get("name"))
            if name in strangers or len(strangers) < _MOST_NAMES:
                strangers[name] += 1
        else:
            found.setdefault(place, one)
    return found


def _sample(item: Mapping[str, Any], rows: Sequence[Any]) -> Any:
    """Return what the criteria of an item saw as its sample."""
    sample = item["sample"]
    held = sample if isinstance(sample, dict) else {}
    if held.get("output") or not {"output_text", "choices"}.isdisjoint(held):
        return sample
    place = item["datasource_item_id"]
    row = rows[place] if place < len(rows) else None
    if isinstance(row, dict) and row.get("sample") is not None:
        return row["sample"]
    data = item["datasource_item"]
    # As Azure writes rows of its own agents down.
    flat = data.get("sample.output_text") if isinstance(data, dict) else None
    return {"output_text": flat} if isinstance(flat, str) else sample or None


Pair = tuple[Any, Any]


class _Side:
    """One criterion, graded again."""

    def __init__(
        self, criterion: Mapping[str, Any], figures: Figures, options: RunOptions, *, asks: bool,
        most: int,
    ) -> None:  # fmt: skip
        self.figures = figures
        self.first: list[tuple[RowDelta, Pair]] = []
        self._most = most
        self._grader: Grader | None = None
        self._differing: list[tuple[Pair, float]] = []
        self._equal: list[tuple[Pair, float]] = []
        self._options = options
        self._one = {name: one for name, one in criterion.items() if name != "id"}
        try:
            loaded, config = criteria_of([self._one])
        except ConfigError as error:
            figures.skipped = error.faults[0].message.partition("\n")[0]
            return
        self._criterion = criteria(config, [criterion])[0]
        grader = Grader(
            replace(loaded, config=config), reading=options.reading, python=options.python,
            judge=options.judge,
        )  # fmt: skip
        leaf = grader.plan.leaves[0]
        figures.exact = not leaf.asks_server
        if leaf.asks_server:
            figures.why = _BY_SERVER.get(leaf.performer, "")
            if not asks:
                who = leaf.model or (
                    "the embedding model" if leaf.performer == "embed" else "its server"
                )
                figures.skipped = f"{who} is asked for its scores: --judges asks again, --base-url names a server, --offline replays kept replies"
                return
        try:
            grader.check()
        except GradersError as error:
            figures.skipped = str(error).partition("\n")[0]
            grader.close()
            return
        self._grader = grader

    def add(
        self, items: Sequence[Mapping[str, Any]], seen: Sequence[Pair],
        old: Sequence[Mapping[str, Any] | None],
    ) -> None:  # fmt: skip
        """Grade items again, and count what is equal."""
        if self._grader is None:
            return
        wanted = [at for at, one in enumerate(old) if one is not None]
        pairs = [{"item": seen[at][0], "sample": seen[at][1]} for at in wanted]
        grades = self._grader.grade_many(pairs, chunk=_CHUNK)
        for at, grade in zip(wanted, grades, strict=True):
            result = old[at]
            if result is not None:
                new = grade.sub_rewards.get(self._criterion.key)
                failure = next(iter(grade.failures), None)
                if new is None and failure is not None:
                    self.figures.codes[failure.code] += 1
                says = failure.message if new is None and failure is not None else ""
                self._count(items[at], seen[at], result, new, says)

    def _count(
        self, item: Mapping[str, Any], pair: Pair, result: Mapping[str, Any], new: float | None,
        says: str,
    ) -> None:  # fmt: skip
        figures, old = self.figures, result["score"]
        passes = None if new is None else new >= self._criterion.passes_at
        delta = RowDelta(
            criterion=figures.key, place=item["datasource_item_id"], id=item["id"], old=old,
            new=new, old_passed=bool(result["passed"]), new_passed=passes, says=says,
        )  # fmt: skip
        if old is None or new is None:
            figures.neither += old is None and new is None
            figures.gained += old is None and new is not None
            figures.lost += old is not None and new is None
            figures.zero += old == 0 and new is None
            if old is not None:
                self._look(delta, pair)
            return
        figures.compared += 1
        figures.flipped += delta.flipped
        if old == new:
            figures.equal += 1
            if len(self._equal) < _KEPT:
                self._equal.append((pair, old))
            if not delta.flipped:
                return
        elif _rounds_to(new, old):
            figures.rounded += 1
            if not delta.flipped:
                return
        else:
            figures.differ += 1
            figures.largest = max(figures.largest, abs(new - old))
            figures.total += abs(new - old)
            if len(self._differing) < _KEPT:
                self._differing.append((pair, old))
        self._look(delta, pair)

    def _look(self, delta: RowDelta, pair: Pair) -> None:
        """Keep a row while it is among those to read first."""
        self.first.append((delta, pair))
        if len(self.first) > 4 * self._most:
            self.first.sort(key=lambda one: one[0].weight, reverse=True)
            del self.first[self._most :]

    def explain(self) -> None:
        """Say why scores differ, by trying to read the criterion otherwise."""
        figures = self.figures
        if self._grader is None or not figures.exact:
            return
        notes = []
        if self._differing:
            option, says = explained(self._one, self._differing, self._equal, self._options)
            figures.option = option
            notes.append(says)
        if figures.rounded:
            notes.append(
                f"{figures.rounded:,} exported scores are rounded, and equal as far as they go"
            )
        if figures.zero:
            notes.append(
                f"{figures.zero:,} could not be graded ({', '.join(figures.codes)}): that is a score "
                "of 0 there, and none here"
            )
        if figures.lost > figures.zero:
            notes.append(
                f"{figures.lost - figures.zero:,} could be graded there and not here ({', '.join(figures.codes)})"
            )
        figures.why = "; ".join(notes)

    def shown(self, delta: RowDelta, pair: Pair) -> RowDelta:
        """Return a row with what was compared in it."""
        if self._grader is None:
            return delta
        rendered: dict[str, str] = {}
        for one in self._grader.render(*pair).values():
            rendered |= {name: one[name] for name in ("input", "reference") if name in one}
        return replace(delta, fields=rendered)

    def close(self) -> None:
        """Stop what was started."""
        if self._grader is not None:
            self._grader.close()


def _rounds_to(new: float, old: float) -> bool:
    """Whether an exported score is this one with fewer decimals, as a table would show it."""
    digits = repr(old).partition(".")[2]
    if "e" in digits or not 2 <= len(digits) <= 10:
        return False
    return round(new, len(digits)) == old

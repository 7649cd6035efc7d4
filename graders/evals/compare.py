"""Old against new: the rows of a run graded again here, and by criterion what is equal and what is not.

Nothing is written: the run keeps its own results.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from graders.api import Grader
from graders.errors import ConfigError, OptionError
from graders.evals.request import criteria_of
from graders.evals.store import EvalStore
from graders.evals.verdict import Criterion, criteria
from graders.explanation import Explanation
from graders.jobs import RunOptions
from graders.kinds import EvalCriteria, kind_of
from graders.reading import Reading

__all__ = ["Compared", "Comparison", "Difference", "compare"]

_PAGE: Final = 100
_SHOWN: Final = 20
_OTHERS: Final[Mapping[str, Mapping[str, Any]]] = {
    "--rouge-backend rouge": {"rouge_backend": "rouge"},
    "--rouge-measure recall": {"rouge_measure": "recall"},
    "--rouge-stemmer": {"rouge_stemmer": True},
    "--rendering python": {"rendering": "python"},
    "--tool-arguments text": {"tool_arguments": "text"},
    "--thinking strip": {"thinking": "strip"},
}
"""Other readings that may explain a difference, by what asks for them."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One row on which old and new are not equal.

    Attributes:
        place: the row's number.
        item_id: the output item's id.
        old: the old score, None for none.
        new: the score given here, None for none.
        flipped: whether the verdict is another.
        why: the reason where it failed here; "" else.
    """

    place: int
    item_id: str
    old: float | None
    new: float | None
    flipped: bool
    why: str = ""

    @property
    def gap(self) -> float:
        """How far the scores are apart; infinite where one of them is missing."""
        return float("inf") if self.old is None or self.new is None else abs(self.new - self.old)


@dataclass(slots=True)
class Compared:
    """One criterion, old against new.

    Attributes:
        name: what results call it.
        type: the grader's type.
        by: `rule` where equal rows have to give equal scores; `judge` or `embedding` where a model answers.
        rows: rows with an old result.
        equal: those whose score is equal to the last bit, or missing on both sides.
        flipped: those with another verdict.
        widest: the largest difference of two scores.
        reading: the option under which all scores are equal, where one was found.
        skipped: why it was not graded here; "" where it was.
        first: the rows to read first.
    """

    name: str
    type: str
    by: str
    rows: int = 0
    equal: int = 0
    flipped: int = 0
    widest: float = 0.0
    reading: str = ""
    skipped: str = ""
    first: list[Difference] = field(default_factory=list)

    @property
    def differs(self) -> bool:
        """Whether a criterion that has to give equal scores does not."""
        return self.by == "rule" and not self.skipped and self.equal < self.rows

    def add(self, one: Difference, *, equal: bool) -> None:
        """Count a row."""
        self.rows += 1
        self.equal += equal
        self.flipped += one.flipped
        if equal:
            return
        if one.gap != float("inf"):
            self.widest = max(self.widest, one.gap)
        self.first.append(one)
        self.first.sort(key=lambda each: (not each.flipped, -each.gap, each.place))
        del self.first[_SHOWN:]

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON."""
        return {
            "testing_criteria": self.name, "type": self.type, "by": self.by, "rows": self.rows,
            "equal": self.equal, "flipped": self.flipped, "widest": self.widest,
            "reading": self.reading or None, "skipped": self.skipped or None,
            "first": [
                {
                    "datasource_item_id": one.place, "id": one.item_id, "old": one.old, "new": one.new,
                    "flipped": one.flipped, "why": one.why or None,
                }
                for one in self.first
            ],
        }  # fmt: skip


@dataclass(slots=True)
class Comparison:
    """A run, old against new.

    Attributes:
        run: the run's id.
        rows: its output items.
        criteria: by criterion.
        unknown: names of results that no criterion of the eval has.
    """

    run: str
    rows: int = 0
    criteria: list[Compared] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)

    @property
    def differs(self) -> bool:
        """Whether a criterion that has to give equal scores does not."""
        return any(one.differs for one in self.criteria)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON."""
        return {
            "run_id": self.run, "rows": self.rows, "differs": self.differs,
            "criteria": [one.to_dict() for one in self.criteria], "unknown_results": self.unknown,
        }  # fmt: skip


def compare(
    evals: EvalStore,
    run: str,
    options: RunOptions | None = None,
    *,
    judges: bool = False,
    on_progress: Callable[[int, int], None] | None = None,
) -> Comparison:
    """Grade a run's rows again and compare; nothing is kept.

    Args:
        evals: where the run is.
        run: its id.
        options: how graders and judges work.
        judges: whether models are asked again; else their criteria are left out, and said to be.
        on_progress: told how many rows are done, of how many.

    Raises:
        ApiError: there is no such run (404).
        OptionError: it has no output items, or its eval no criteria that can be run here.
    """
    options, of = options or RunOptions(), evals.eval_of(run)
    shown = evals.get(of)["testing_criteria"]
    try:
        loaded, config = criteria_of(shown or None)
    except ConfigError as error:
        fault = error.faults[0]
        raise OptionError(
            f"the criteria of {of} cannot be run here: {fault.path}: {fault.message}"
        ) from None
    every = criteria(config, shown)
    found = Comparison(
        run, criteria=[Compared(one.id, one.type, _by(config, one)) for one in every]
    )
    wanted = [
        one for one, told in zip(every, found.criteria, strict=True) if judges or told.by == "rule"
    ]
    for told in found.criteria:
        if told.by != "rule" and not judges:
            told.skipped = f"a model gives its scores ({told.by}); --judges asks one"
    total = sum(evals.get_run(of, run)["result_counts"][name] for name in ("total",))
    rows = _Rows(evals, of, run)
    if wanted:
        part = EvalCriteria({one.key: config.graders[one.key] for one in wanted}, config.name)
        loaded = replace(loaded, config=part, text=None)
        with Grader(
            loaded, reading=options.reading, python=options.python, judge=options.judge
        ) as grader:
            grader.check()
            for items in rows:
                _grade(found, wanted, grader, items)
                if on_progress is not None:
                    on_progress(found.rows, total)
    if not found.rows:
        raise OptionError(f"{run} has no output items: there is nothing to compare")
    _explain(found, wanted, config, options, rows)
    return found


class _Rows:
    """The output items of a run, a page at a time, as often as they are asked for."""

    def __init__(self, evals: EvalStore, of: str, run: str) -> None:
        self._evals, self._of, self._run = evals, of, run

    def __iter__(self) -> Iterator[list[dict[str, Any]]]:
        after = None
        while True:
            items, more = self._evals.list_items(self._of, self._run, after, _PAGE)
            if items:
                yield items
                after = items[-1]["id"]
            if not more:
                return


def _by(config: EvalCriteria, one: Criterion) -> str:
    grader = config.graders[one.key]
    if one.model is not None:
        return "judge"
    if kind_of(grader).performer(grader) == "embed":
        return "embedding"
    return "rule"


def _grade(
    found: Comparison,
    wanted: Sequence[Criterion],
    grader: Grader,
    items: Sequence[Mapping[str, Any]],
) -> None:
    found.rows += len(items)
    grades = grader.grade_many([_row(one) for one in items], chunk=_PAGE)
    told_of = {told.name: told for told in found.criteria}
    names = {one.id for one in wanted} | {told.name for told in found.criteria}
    for item, grade in zip(items, grades, strict=True):
        olds = {str(one["name"]): one for one in item["results"]}
        found.unknown += [name for name in olds if name not in names and name not in found.unknown]
        explained = Explanation(grade, {}, {})
        for one in wanted:
            if one.id in olds:
                new = grade.sub_rewards.get(one.key)
                _count(told_of[one.id], one, item, olds[one.id], new, explained)


def _count(  # noqa: PLR0917
    told: Compared, one: Criterion, item: Mapping[str, Any], old: Mapping[str, Any],
    new: float | None, explained: Explanation,
) -> None:  # fmt: skip
    score = old.get("score")
    was = float(score) if isinstance(score, int | float) and not isinstance(score, bool) else None
    failed = old["status"] == "error"
    passed = new is not None and new >= one.passes_at
    # The hosted service gives 0.0 to what it could not grade: missing on both sides is equal.
    equal = (new is None and (failed or was is None)) or (new is not None and was == new)
    why = ""
    if new is None:
        why = next(
            (each.message for each in explained.grade.failures if each.where in ("", one.key)), ""
        )
    flipped = (not (new is None and failed)) and passed != bool(old["passed"])
    place = item["datasource_item_id"]
    told.add(Difference(place, item["id"], was, new, flipped, why), equal=equal)


def _row(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return an item as a row: what the model said stands in its sample."""
    sample = item.get("sample") or {}
    output = sample.get("output")
    return {"item": item["datasource_item"], "sample": {"output": output} if output else None}


def _explain(
    found: Comparison,
    wanted: Sequence[Criterion],
    config: EvalCriteria,
    options: RunOptions,
    rows: _Rows,
) -> None:
    """Look for a reading of what the hosted documents leave open under which old and new are equal."""
    for one in wanted:
        told = next(each for each in found.criteria if each.name == one.id)
        if not told.differs:
            continue
        part = EvalCriteria({one.key: config.graders[one.key]}, config.name)
        for words, changed in _OTHERS.items():
            told.reading = words if _holds(one, part, options, changed, rows) else ""
            if told.reading:
                break


def _holds(
    one: Criterion, part: EvalCriteria, options: RunOptions, changed: Mapping[str, Any], rows: _Rows
) -> bool:
    reading: Reading = replace(options.reading, **changed)
    try:
        with Grader(part, reading=reading, python=options.python) as grader:
            for items in rows:
                told = Compared(one.id, one.type, "rule")
                trial = Comparison("", criteria=[told])
                _grade(trial, [one], grader, items)
                if told.equal < told.rows:
                    return False
    except OptionError:
        return False
    else:
        return True

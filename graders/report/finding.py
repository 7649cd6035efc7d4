"""What a file of results says: its figures, exact over all rows, and where each row stands."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

from graders import jsontext
from graders.batch.cost import Cost, SlowRow
from graders.batch.manifest import manifest_for, scored_by
from graders.batch.result import Result, results_of, sub_rewards_of, tally_results
from graders.batch.tally import Tally
from graders.errors import RowsError
from graders.models import paid_text
from graders.remote import Place
from graders.report.sample import MOST_ROWS, Sampler
from graders.report.share import Moments, Shares
from graders.rows import Categories

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Table = NDArray[np.float64]

__all__ = ["MOST_COLUMNS", "Notice", "read_finding", "read_json"]

_LINE: Final = attrgetter("line")
MOST_COLUMNS: Final = 8
"""Sub-graders that have a column of their own where each row, or each category, has a line."""


@dataclass(slots=True)
class Notice:
    """What a file of results says.

    Attributes:
        path: the file.
        tally: its figures.
        shares: what each sub-grader brings to the variance; None where that cannot be said.
        manifest: what the run was made from; {} where it is not known.
        summary: the summary of the run; {} where none is given.
        judged_flips: whether the tally knows on which side of the pass mark a judge's reply stands.
        by: where in a row the categories stand; "" where nobody knows.
        notes: what a reader must know about the file.
        sampler: which rows can be looked at.
        parts_by: rows and sum of each sub-grader's rewards, by category, then by sub-grader.
    """

    path: Place
    tally: Tally = field(default_factory=Tally)
    shares: Shares | None = None
    manifest: Mapping[str, Any] = field(default_factory=dict)
    summary: Mapping[str, Any] = field(default_factory=dict)
    judged_flips: bool = False
    by: str = ""
    notes: list[str] = field(default_factory=list)
    sampler: Sampler = field(default_factory=Sampler)
    parts_by: dict[str, dict[str, list[float]]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The grader's name; the file's where nobody knows it."""
        return str(self._told("name") or self.path.name)

    @property
    def type(self) -> str:
        """The grader's type; "" where nobody knows it."""
        return str(self._told("type") or "")

    def _told(self, key: str) -> Any:
        grader = self.manifest.get("grader")
        told = grader.get(key) if isinstance(grader, Mapping) else None
        return told or self.summary.get(key)

    @property
    def signatures(self) -> dict[str, str]:
        """How each metric is made."""
        found = self.manifest.get("metrics") or self.summary.get("signatures")
        return {str(k): str(v) for k, v in found.items()} if isinstance(found, Mapping) else {}

    @property
    def cost(self) -> Cost:
        """What the run took, as far as its summary tells."""
        shares, slowest = self.summary.get("time_shares"), self.summary.get("slowest")
        return Cost(
            {str(key): float(share) for key, share in shares.items() if _is_number(share)}
            if isinstance(shares, Mapping)
            else {},
            [one for one in map(_slow_row, slowest) if one] if isinstance(slowest, list) else [],
        )

    @property
    def paid(self) -> str:
        """What was paid for models, in words; "" where nobody knows."""
        try:
            return paid_text(self.manifest["cost"])
        except (KeyError, TypeError, ValueError, OverflowError):
            return ""

    def to_dict(self) -> dict[str, Any]:
        """Return the finding as JSON."""
        figures = self.tally.to_dict()
        if not self.judged_flips:
            for one in figures["repeats"].values():
                one["flipped"] = one["flip_rate"] = None
            for one in figures.get("panel", {}).values():
                one["split"] = None
        if self.paid:
            figures["cost"] = self.manifest["cost"]
        shares = None if self.shares is None else self.shares.to_dict()
        return {
            "name": self.name, "type": self.type, **figures, "variance_shares": shares,
            "notes": self.notes,
        }  # fmt: skip


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _slow_row(body: Any) -> SlowRow | None:
    if not isinstance(body, Mapping) or not _is_number(body.get("seconds")):
        return None
    if not isinstance(body.get("index"), int):
        return None
    return SlowRow(float(body["seconds"]), body["index"], str(body.get("sub_grader") or ""))


def read_finding(
    path: Place,
    *,
    marks: Mapping[str, float | None] | None = None,
    summary: Mapping[str, Any] | None = None,
    categories: Categories | None = None,
    by: str | None = None,
    named: Iterable[int] = (),
    most: int = MOST_ROWS,
    watch: Callable[[Sequence[Result]], None] | None = None,
) -> Notice:
    """Return what a file of results says.

    Args:
        path: the file, as `graders score` wrote it; an interrupted run's `.partial` will do.
        marks: the pass mark of each judge by its key, where the grader is known.
        summary: what `graders score --summary` wrote.
        categories: those of the rows; None for what the results name.
        by: where in a row these stand.
        named: indexes of rows that are to be looked at.
        most: how many rows can be looked at; 0 where nobody looks.
        watch: is told the results, too, many at a time.

    Raises:
        RowsError: it cannot be read, or holds no results.
    """
    found = Notice(path, summary=summary or {}, judged_flips=marks is not None)
    found.manifest = manifest_for(path) or {}
    found.by = by or scored_by(found.manifest) or ""
    slowest = [one.index for one in found.cost.slowest]
    found.sampler = Sampler(frozenset([*named, *slowest]), most)
    moments: Moments | None = None
    read = 0
    for results in results_of(path):
        read += sum(map(len, map(_LINE, results)))
        groups = None
        if categories is not None:
            groups = [categories.of(one.index, one.body.get("id")) for one in results]
        try:
            if results and moments is None:
                moments = Moments(list(results[0].body["sub_rewards"]))
            if most:
                found.sampler.add(results)
            if watch is not None:
                watch(results)
            if moments is not None and results:
                columns = sub_rewards_of(results, moments.keys)
                tally_results(results, marks or {}, groups, found.tally, columns)
                _add_parts(found, moments, results, columns, groups)
        except (TypeError, KeyError, ValueError, AttributeError, OverflowError) as error:
            after = found.tally.rows
            raise RowsError(
                f"{path}: after line {after:,} stands what `graders score` never writes: {error}"
            ) from None
    found.tally.crowded = found.tally.crowded or (categories is not None and categories.crowded)
    found.parts_by = {} if found.tally.crowded else found.parts_by
    _check(found, path, read)
    found.shares = None if moments is None else moments.shares()
    return found


def _check(found: Notice, path: Place, read: int) -> None:
    """Say where a file breaks off: its figures are of the rows before that."""
    size = path.stat().st_size
    rows = found.tally.rows
    if not rows and size:
        raise RowsError(f"{path}: the first line is not a result line")
    if not size:
        found.notes.append(
            f"{path.name} is empty: no row was scored, and there is nothing to show."
        )
    if read < size:
        found.notes.append(
            f"{path.name} breaks off: line {rows + 1:,} is no whole result line. "
            f"Everything here is of the {rows:,} rows before it."
        )
    elif path.name.endswith(".partial"):
        found.notes.append(f"{path.name} is what a run had finished when it was interrupted.")


def _table(results: Sequence[Result], columns: Sequence[Sequence[float | None]]) -> Table:
    """Return sub-rewards of the rows, and at the end the reward; NaN where there is none of their own."""
    import numpy as np  # noqa: PLC0415

    own = [
        None if body["failures"] or "replaced" in body else body["reward"]
        for body in [one.body for one in results]
    ]
    return np.array([*columns, own], dtype=float).T


def _add_parts(
    found: Notice,
    moments: Moments,
    results: Sequence[Result],
    columns: Mapping[str, Sequence[float | None]],
    groups: Sequence[str | None] | None,
) -> None:
    """Add the sub-rewards of rows to those of all, and to those of their categories."""
    import numpy as np  # noqa: PLC0415

    table = _table(results, [columns[key] for key in moments.keys])
    moments.add(table)
    if not found.tally.groups:
        return
    theirs = groups or [one.body.get("by") for one in results]
    names = {name: place for place, name in enumerate(dict.fromkeys(theirs))}
    places = np.array([names[name] for name in theirs])
    for at, key in enumerate(moments.keys[:MOST_COLUMNS]):
        known = ~np.isnan(table[:, at])
        counts = np.bincount(places[known], minlength=len(names))
        totals = np.bincount(places[known], table[known, at], minlength=len(names))
        for name, place in names.items():
            sums = found.parts_by.setdefault(name or "", {}).setdefault(key, [0, 0.0])
            sums[0] += int(counts[place])
            sums[1] += float(totals[place])


def read_json(path: Place, option: str) -> Mapping[str, Any]:
    """Return the JSON object of a file.

    Raises:
        RowsError: it cannot be read, or holds no JSON object.
    """
    try:
        with path.open("rb") as stream:
            value = jsontext.decode(jsontext.read_whole(stream))
    except OSError as error:
        raise RowsError(f"{option} {path}: {error.strerror or error}") from None
    except ValueError as error:
        raise RowsError(f"{option} {path} is not JSON: {error}") from None
    if not isinstance(value, Mapping):
        raise RowsError(f"{option} {path} holds no JSON object")
    return value

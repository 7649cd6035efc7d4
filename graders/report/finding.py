"""What a file of results says: its figures, exact over all rows, and where each row stands."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from graders import jsontext
from graders.batch.cost import Cost, SlowRow
from graders.batch.manifest import manifest_for, scored_by
from graders.batch.result import Result, results_of, tally_results
from graders.batch.tally import Tally
from graders.errors import RowsError
from graders.models import paid_text
from graders.remote import Place
from graders.report.sample import MOST_ROWS, Sampler
from graders.report.share import Moments, Shares
from graders.rows import Categories

__all__ = ["Notice", "read_finding", "read_json", "results_of"]


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
) -> Notice:
    """Return what a file of results says.

    Args:
        path: the file, as `graders score` wrote it; an interrupted run's `.partial` will do.
        marks: the pass mark of each judge by its key, where the grader is known.
        summary: what `graders score --summary` wrote.
        categories: those of the rows; None for what the results name.
        by: where in a row these stand.
        named: indexes of rows that are to be looked at.
        most: how many rows can be looked at.

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
        read += sum(len(one.line) for one in results)
        groups = None
        if categories is not None:
            groups = [categories.of(one.index, one.body.get("id")) for one in results]
        try:
            if results and moments is None:
                moments = Moments(list(results[0].body["sub_rewards"]))
            if moments is not None:
                moments.add(_columns(results, moments.keys))
            found.sampler.add(results)
            found.tally.merge(tally_results(results, marks or {}, groups))
        except (TypeError, KeyError, ValueError, AttributeError, OverflowError) as error:
            after = found.tally.rows
            raise RowsError(
                f"{path}: after line {after:,} stands what `graders score` never writes: {error}"
            ) from None
    found.tally.crowded = found.tally.crowded or (categories is not None and categories.crowded)
    _check(found, path, read)
    found.shares = None if moments is None else moments.shares()
    return found


def _check(found: Notice, path: Place, read: int) -> None:
    """Say where a file breaks off: its figures are of the rows before that."""
    size = path.stat().st_size
    rows = found.tally.rows
    if not rows and size:
        raise RowsError(f"{path}: the first line is not a result line")
    if read < size:
        found.notes.append(
            f"{path.name} breaks off: line {rows + 1:,} is no whole result line. "
            f"Everything here is of the {rows:,} rows before it."
        )
    elif path.name.endswith(".partial"):
        found.notes.append(f"{path.name} is what a run had finished when it was interrupted.")


def _columns(results: Sequence[Result], keys: Sequence[str]) -> list[list[float]]:
    """Return sub-rewards and reward of the rows in which each part has its own."""
    rows = []
    for one in results:
        body = one.body
        if body["failures"] or "replaced" in body:
            continue
        row = [*map(body["sub_rewards"].get, keys), body["reward"]]
        if None not in row:
            rows.append(row)
    return rows


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

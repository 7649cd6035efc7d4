"""Two files of results beside each other: what they differ in, and the rows to look at."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from graders import jsontext
from graders.errors import RowsError
from graders.inspection.diff import DiffReport, Matched, Side, compare, match
from graders.remote import Place
from graders.report.finding import Notice
from graders.rows import Layout, Source

__all__ = ["Beside", "pair", "pick_pairs", "results_at"]

_INDEX: Final = re.compile(rb'\{"index": ?(\d+)[,}]')
"""How the lines of `graders score` begin."""


@dataclass(frozen=True, slots=True)
class Beside:
    """Another run of the same rows, to stand beside a first.

    Attributes:
        finding: what its results say.
        report: what the two differ in, over the rows of both.
        picked: indexes of the rows of both that are shown, those to read first at the beginning.
        said: which these are, in one sentence.
        source: the rows of the other run, where its answers are others; None for those of the first.
        layout: where in them item and sample stand.
    """

    finding: Notice
    report: DiffReport
    picked: list[int]
    said: str
    source: Source | None = None
    layout: Layout | None = None


def pair(
    sides: tuple[Side, Side],
    other: Notice,
    *,
    by: str,
    most: int,
    named: frozenset[int] = frozenset(),
    source: Source | None = None,
    layout: Layout | None = None,
) -> Beside:
    """Return the other of two runs with what they differ in.

    Args:
        sides: the rewards of both.
        other: what the results of the second say.
        by: where in a row the categories stand.
        most: how many rows are shown at the most.
        named: indexes of rows that are to be shown whatever else is.
        source: the rows of the second, where its answers are others.
        layout: where in them item and sample stand.

    Raises:
        RowsError: they share no row, or a row has two ids.
    """
    matched = match(*sides)
    report = compare(matched, by=by)
    picked, said = pick_pairs(matched, most, named)
    return Beside(other, report, picked, said, source, layout)


def pick_pairs(matched: Matched, most: int, named: frozenset[int]) -> tuple[list[int], str]:
    """Return the indexes of the rows to show, those to read first at the beginning, and which they are."""
    import numpy as np  # noqa: PLC0415  (a report of one run may need none)

    indexes = matched.a.indexes
    count = len(indexes)
    first = [row.index for row in matched.first(most if count <= most else most // 2)]
    chosen = dict.fromkeys(index for index in indexes if index in named) if named else {}
    chosen |= dict.fromkeys(first)
    rest = most - len(chosen)
    if count <= most:
        chosen |= dict.fromkeys(indexes)
        return [
            *chosen
        ], f"All {count:,} rows that both runs have are here, those to read first at the top."
    others = np.flatnonzero(
        ~np.isin(np.asarray(indexes), np.fromiter(chosen, np.int64, len(chosen)))
    )
    ranked = others[np.argsort(np.nan_to_num(matched.deltas[others]), kind="stable")]
    steps = [ranked[at * len(ranked) // rest] for at in range(min(rest, len(ranked)))]
    chosen |= dict.fromkeys(indexes[int(place)] for place in steps)
    return [*chosen], (
        f"This is a sample of {len(chosen):,} of the {count:,} rows that both runs have: {len(first):,} to read "
        f"first, at the top (changed verdicts, then the largest differences), and {len(steps):,} evenly over the "
        "ranks of the difference. The figures above are exact over all rows."
    )


def results_at(path: Place, wanted: frozenset[int]) -> dict[int, Mapping[str, Any]]:
    """Return the result lines of these rows, by index.

    Raises:
        RowsError: the file cannot be read, or has changed meanwhile.
    """
    found: dict[int, Mapping[str, Any]] = {}
    try:
        with path.open("rb") as stream:
            for index, line in _indexed(stream):
                if index in wanted:
                    found[index] = jsontext.decode(line)
                    if len(found) == len(wanted):
                        break
    except OSError as error:
        raise RowsError(f"{path}: {error.strerror or error}") from None
    except (ValueError, KeyError, TypeError):
        raise RowsError(f"{path} changed while it was read; try again") from None
    return found


def _indexed(lines: Iterator[bytes] | Any) -> Iterator[tuple[int, bytes]]:
    for line in lines:
        begun = _INDEX.match(line)
        yield int(begun[1]) if begun else jsontext.decode(line)["index"], line

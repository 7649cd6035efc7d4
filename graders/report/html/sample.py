"""Which rows a page shows when it cannot show all: the failed, the ends, and some of every rank."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice, zip_longest
from typing import Final

from graders.report.finding import Notice

__all__ = ["MOST_ROWS", "Pick", "pick"]

MOST_ROWS: Final = 2000


@dataclass(frozen=True, slots=True)
class Pick:
    """The rows that are shown.

    Attributes:
        places: their places in the file, in order.
        said: which they are, in one sentence.
    """

    places: list[int]
    said: str


def pick(finding: Notice, named: Iterable[int] = (), most: int = MOST_ROWS) -> Pick:
    """Return the rows to show: the same for the same results.

    Args:
        finding: the results.
        named: indexes of rows that other parts of the page name.
        most: how many rows are shown at the most.
    """
    count = len(finding.indexes)
    if count <= most:
        return Pick(list(range(count)), f"All {count:,} rows are here.")
    import numpy as np  # noqa: PLC0415  (a report of few rows needs none)

    rewards = np.frombuffer(finding.rewards, dtype=float)
    scored = count - int(np.isnan(rewards).sum())
    ranked = np.argsort(rewards, kind="stable")[:scored].tolist()  # NaN comes last.
    chosen: dict[int, None] = {}

    def take(places: Iterable[int], share: float) -> int:
        before = len(chosen)
        room = min(round(share * most), most - before)
        chosen.update(dict.fromkeys(islice((p for p in places if p not in chosen), room)))
        return len(chosen) - before

    wanted = set(named)
    take((p for p, index in enumerate(finding.indexes) if index in wanted), 0.1)
    failing = _failed(finding, most)
    take(failing, 0.3)
    lowest, highest = take(ranked, 0.1), take(reversed(ranked), 0.1)
    spread = take(_evenly(ranked, most - len(chosen)), 1)
    take(failing, 1)  # Where few rows have a reward, there is room for more.
    failed = sum(code >= 0 for code in finding.codes)
    of_failed = sum(finding.codes[place] >= 0 for place in chosen)
    parts = [
        f"{of_failed:,} of the {failed:,} rows with failures" if of_failed < failed else
        f"all {failed:,} rows with failures" if failed else "",
        f"the {lowest:,} lowest and {highest:,} highest rewards" if lowest else "",
        f"{spread:,} evenly over the ranks of the reward" if spread else "",
    ]  # fmt: skip
    said = "; ".join(part for part in parts if part)
    return Pick(
        sorted(chosen),
        f"This is a sample of {len(chosen):,} of the {count:,} rows: {said}. "
        "The figures above are exact over all rows.",
    )


def _failed(finding: Notice, most: int) -> list[int]:
    """Return the places of rows with failures, the first of each code first."""
    by_code: defaultdict[int, list[int]] = defaultdict(list)
    for place, code in enumerate(finding.codes):
        if code >= 0 and len(by_code[code]) < most:
            by_code[code].append(place)
    turns = zip_longest(*by_code.values())
    return [place for turn in turns for place in turn if place is not None]


def _evenly(ranked: list[int], wanted: int) -> list[int]:
    """Return places at even distances of rank; more than wanted, for some are taken already."""
    if not ranked or wanted < 1:
        return []
    if len(ranked) <= wanted:
        return ranked
    steps = [ranked[i * len(ranked) // wanted] for i in range(wanted)]
    between = [ranked[(2 * i + 1) * len(ranked) // (2 * wanted)] for i in range(wanted)]
    return [*steps, *between]

"""Two runs of an eval side by side: rows with equal items are pairs, in the order they stand. Pure."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from graders.evals.overview import status_in

__all__ = ["Line", "Paired", "line_of", "pair", "pick_pairs", "pick_places"]

_RANK: Final[Mapping[str, int]] = {"error": 0, "fail": 1, "pass": 2}


class Line(NamedTuple):
    """What is needed of an output item to pair it.

    Attributes:
        place: its number in the run.
        key: what equal items have in common.
        status: its status.
        passed: the ids of the criteria it passed.
    """

    place: int
    key: bytes
    status: str
    passed: frozenset[str]


@dataclass(frozen=True, slots=True)
class Paired:
    """Which rows of two runs belong together.

    Attributes:
        pairs: rows of both.
        here: rows that the first has alone.
        there: rows that the second has alone.
    """

    pairs: Sequence[tuple[Line, Line]]
    here: Sequence[Line]
    there: Sequence[Line]

    def to_dict(self, criteria: Iterable[str]) -> dict[str, Any]:
        """Return how many rows are pairs, and how many of these pass in one run alone, as JSON."""
        pairs = self.pairs
        return {
            "paired": len(pairs), "here": len(self.here), "there": len(self.there),
            "whole": _alone((a.status == "pass", b.status == "pass") for a, b in pairs),
            "criteria": {
                name: _alone((name in a.passed, name in b.passed) for a, b in pairs)
                for name in criteria
            },
        }  # fmt: skip


def _alone(passes: Iterable[tuple[bool, bool]]) -> list[int]:
    here = there = 0
    for one, other in passes:
        here += one and not other
        there += other and not one
    return [here, there]


def line_of(
    place: int, item: Any, status: str, results: Iterable[Mapping[str, Any]],
    known: dict[frozenset[str], frozenset[str]],
) -> Line:  # fmt: skip
    """Return what is needed of an output item; `known` keeps equal sets of criteria as one."""
    passed = frozenset(str(one.get("name")) for one in results if status_in(one) == "pass")
    return Line(place, _key(item), status, known.setdefault(passed, passed))


def _key(item: Any) -> bytes:
    """Return a digest that items have in common where they are equal, whatever their keys' order."""
    text = json.dumps(item, sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=16).digest()


def pair(here: Iterable[Line], there: Iterable[Line]) -> Paired:
    """Return which rows belong together: the first of an item here to its first there, and so on."""
    waiting: defaultdict[bytes, list[Line]] = defaultdict(list)
    for one in there:
        waiting[one.key].append(one)
    for lines in waiting.values():
        lines.reverse()
    pairs, alone = [], []
    for one in here:
        found = waiting.get(one.key)
        if found:
            pairs.append((one, found.pop()))
        else:
            alone.append(one)
    rest = sorted(one for lines in waiting.values() for one in lines)
    return Paired(pairs, alone, rest)


def pick_pairs(
    paired: Paired, most: int
) -> tuple[list[tuple[int | None, int | None]], dict[str, int]]:
    """Return the places of the rows to look at, and how many there are of each sort in all.

    Rows whose status differs come first, then those where a criterion differs, then rows of one run
    alone, then rows that agree: what fails in both before what passes.
    """
    flipped, moved, same = (
        list[tuple[Line, Line]](),
        list[tuple[Line, Line]](),
        list[tuple[Line, Line]](),
    )
    for one, other in paired.pairs:
        differs = one.passed != other.passed
        (flipped if one.status != other.status else moved if differs else same).append((one, other))
    same.sort(key=lambda two: _RANK.get(two[0].status, 0))
    chosen: list[tuple[int | None, int | None]] = []
    for group in (flipped, moved):
        chosen += [(one.place, other.place) for one, other in group[: most - len(chosen)]]
    room = max(most - len(chosen), 0)
    chosen += [(one.place, None) for one in paired.here[: room // 4]]
    chosen += [(None, one.place) for one in paired.there[: room // 4]]
    chosen += [(one.place, other.place) for one, other in same[: most - len(chosen)]]
    counts = {"flipped": len(flipped), "moved": len(moved), "same": len(same)}
    return chosen, counts


def pick_places(statuses: Sequence[str], most: int) -> list[int]:
    """Return the places of the rows to look at where not all can be: errors, failures, some passes.

    Args:
        statuses: each row's status.
        most: how many at most.
    """
    if len(statuses) <= most:
        return list(range(len(statuses)))
    places: dict[str, list[int]] = {name: [] for name in _RANK}
    for place, status in enumerate(statuses):
        places[status if status in _RANK else "error"].append(place)
    chosen: list[int] = []
    for name, share in (("error", 0.3), ("fail", 0.75), ("pass", 1.0)):
        room = round(most * share) - len(chosen)
        chosen += _evenly(places[name], max(room, 0))
    if len(chosen) < most:  # Few pass, and there is room for more of the others.
        taken = set(chosen)
        rest = [place for name in ("error", "fail") for place in places[name] if place not in taken]
        chosen += rest[: most - len(chosen)]
    return sorted(chosen)


def _evenly(places: Sequence[int], wanted: int) -> list[int]:
    if len(places) <= wanted:
        return list(places)
    return [places[at * len(places) // wanted] for at in range(wanted)]

"""The data of a run's report page, and of two runs side by side: what its script shows. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, Protocol

from graders.evals.overview import Overview, record, shown_source
from graders.evals.pair import Line, line_of, pair, pick_pairs

__all__ = ["RunItems", "light_run", "records", "said_of", "sheet", "two_sheets"]

MOST_PAIRS: Final = 500
_BLOCK: Final = 32
Shown = Mapping[str, Any]
Whole = Callable[[Mapping[str, Any]], Any]


class RunItems(Protocol):
    """The output items of a run as the API shows them, as often as they are wanted."""

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Return all, in the order of their rows."""
        ...

    def at(self, places: Iterable[int]) -> Mapping[int, dict[str, Any]]:
        """Return those at some places."""
        ...


def sheet(eval_: Shown, run: Shown, items: RunItems) -> dict[str, Any]:
    """Return what a run's page shows above its rows.

    Args:
        eval_: the eval as the API shows it.
        run: the run, too.
        items: its output items.
    """
    overview = Overview(eval_["testing_criteria"])
    for one in items:
        overview.add(one["status"], one["results"])
    return _sheet(eval_, run, overview)


def _sheet(eval_: Shown, run: Shown, overview: Overview) -> dict[str, Any]:
    named = {name: eval_.get(name) for name in ("id", "name", "created_at")}
    return {"eval": named, "run": light_run(run), **overview.to_dict()}


def light_run(run: Shown) -> dict[str, Any]:
    """Return a run without the rows that its body held, which may be very many."""
    kept = {name: value for name, value in run.items() if name != "data_source"}
    return {**kept, "source": shown_source(run["data_source"])}


def two_sheets(
    eval_: Shown, here: tuple[Shown, RunItems], there: tuple[Shown, RunItems], *,
    most: int = MOST_PAIRS, whole: Whole | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Return what the page of two runs shows: the figures of both, and pairs of rows to look at.

    Args:
        eval_: the eval as the API shows it.
        here: a run and its output items.
        there: the other run of the eval, and its output items.
        most: how many pairs of rows are picked.
        whole: returns what the page keeps of a whole output item; None for nothing of it.
    """
    first, lines = _surveyed(eval_, here[1])
    second, others = _surveyed(eval_, there[1])
    paired = pair(lines, others)
    chosen, counts = pick_pairs(paired, most)
    names = dict.fromkeys((*first.figures, *second.figures))
    found = [
        records(side[1], [place for two in chosen if (place := two[at]) is not None], whole)
        for at, side in enumerate((here, there))
    ]
    pairs = {**paired.to_dict(names), **counts}
    every = pairs["paired"] + pairs["here"] + pairs["there"]
    return {
        "here": _sheet(eval_, here[0], first),
        "there": _sheet(eval_, there[0], second),
        "pairs": pairs,
        "said": said_of(every, len(chosen), pairs=True),
        "rows": [
            [None if place is None else found[at].get(place) for at, place in enumerate(two)]
            for two in chosen
        ],
    }  # fmt: skip


def said_of(every: int, shown: int, *, pairs: bool) -> str:
    """Return which rows a page has to look at, in one sentence or two."""
    what = "pairs and rows" if pairs else "rows"
    if shown >= every:
        return f"All {every:,} {what} are here."
    kind = "those that differ first" if pairs else "errors and failures first"
    return f"{shown:,} of the {every:,} {what} are here, {kind}. The figures are of all rows."


def _surveyed(eval_: Shown, items: RunItems) -> tuple[Overview, list[Line]]:
    overview, lines = Overview(eval_["testing_criteria"]), list[Line]()
    known: dict[frozenset[str], frozenset[str]] = {}
    for one in items:
        status, results = one["status"], one["results"]
        overview.add(status, results)
        place = one["datasource_item_id"]
        lines.append(line_of(place, one["datasource_item"], status, results, known))
    return overview, lines


def records(
    items: RunItems, places: Iterable[int], whole: Whole | None = None
) -> dict[int, dict[str, Any]]:
    """Return lines of a table by their places, read a few at a time: items may be large.

    Args:
        items: the output items.
        places: which are wanted.
        whole: returns what a page keeps of a whole output item; None for nothing of it.
    """
    wanted, found = list(places), dict[int, dict[str, Any]]()
    for start in range(0, len(wanted), _BLOCK):
        for place, one in items.at(wanted[start : start + _BLOCK]).items():
            found[place] = record(one) if whole is None else {**record(one), "whole": whole(one)}
    return found

"""What judges used, how steady each is, and where those of a panel disagree."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from graders.batch.tally import PanelFigures
from graders.htmltext import Html, element, shortened
from graders.report.finding import Notice
from graders.report.html.chart import histogram, tint
from graders.report.html.row import ReportRow
from graders.report.html.table import Column, row_link, section, table
from graders.report.terminal import number, percent

__all__ = ["judges"]

_NAME: Final = 80
_FIRST: Final = 10
_MOST_PANELS: Final = 8
_MOST_JUDGES: Final = 12


def judges(
    finding: Notice,
    rows: Sequence[ReportRow] = (),
    shown: frozenset[int] = frozenset(),
    side: str = "",
) -> Html | None:
    """Return what judges used and how much they agree; None where there are none.

    Args:
        finding: what the results say.
        rows: those that can be looked at.
        shown: indexes of rows that can be opened.
        side: which of two runs it is; "" for the only one.
    """
    tally = finding.tally
    if not (tally.usage or tally.repeats or tally.panels or finding.paid):
        return None
    pieces = [
        piece
        for key in list(tally.panels)[:_MOST_PANELS]
        for piece in _panel(finding, key, rows, shown, side)
    ]
    return section(
        f"judges{side.lower()}",
        f"Judges of {side}" if side else "Judges",
        *pieces,
        *_steadiness(finding, side),
        *_tokens(finding, side),
        element("p", f"Cost: {finding.paid}") if finding.paid else None,
    )


def _of(side: str) -> str:
    return f" in {side}" if side else ""


def _tokens(finding: Notice, side: str) -> list[Html]:
    rows = [
        (
            shortened(model, _NAME), f"{one.prompt_tokens:,}", f"{one.completion_tokens:,}",
            f"{one.cached_tokens:,}", f"{one.total_tokens:,}",
        )
        for model, one in sorted(finding.tally.usage.items())
    ]  # fmt: skip
    named = _numbers("Model", "Prompt", "Completion", "Cached", "Total")
    return (
        [element("h3", "Tokens"), table(f"Tokens by model{_of(side)}", named, rows)] if rows else []
    )


def _steadiness(finding: Notice, side: str) -> list[Html]:
    rows = [
        (
            shortened(key, _NAME) or "the grader", f"{one.asked:,}", f"{one.failed:,}",
            number(one.spread), *([f"{one.flipped:,} of {one.rows:,}"] if finding.judged_flips else []),
        )
        for key, one in finding.tally.repeats.items()
    ]  # fmt: skip
    flips = ["Rows whose verdict flips"] if finding.judged_flips else []
    named = _numbers("Judge", "Asked", "Failed", "Spread within a row", *flips)
    return (
        [
            element("h3", "Asked several times"),
            table(f"How steady judges are{_of(side)}", named, rows),
        ]
        if rows
        else []
    )


def _numbers(first: str, *others: str) -> list[Column]:
    return [Column(first), *(Column(name, is_number=True) for name in others)]


def _panel(
    finding: Notice, key: str, rows: Sequence[ReportRow], shown: frozenset[int], side: str
) -> list[Html | None]:
    """Return how far a panel's judges are apart, each two of them, and the rows to read first."""
    panel = finding.tally.panels[key]
    name = (shortened(key, _NAME) or "the grader") + _of(side)
    seats = [
        (shortened(judge, _NAME), f"{seat.scored:,}", f"{seat.failed:,}", number(seat.mean))
        for judge, seat in panel.seats.items()
    ]
    return [
        element("h3", f"Where the judges of {name} disagree"),
        element("p", _said(finding, panel)),
        element("div", _distances(panel, name), _pairs(panel, name), class_="sides"),
        _split_rows(key, name, rows, shown, [*panel.seats]),
        table(
            f"Verdicts of the judges of {name}",
            _numbers("Judge", "Verdicts", "Failed", "Mean"),
            seats,
        ),
    ]


def _said(finding: Notice, panel: PanelFigures) -> str:
    if not panel.compared:
        return "No row has the verdicts of two judges."
    split = (
        f", on both sides of the pass mark in {panel.split:,}" if finding.judged_flips else
        ". Give --grader to count those on both sides of the pass mark"
    )  # fmt: skip
    return (
        f"Two judges are {number(panel.disagreement)} apart on average. They are unanimous in {panel.unanimous:,} of "
        f"{panel.compared:,} rows ({percent(panel.unanimous / panel.compared)}){split}."
    )


def _distances(panel: PanelFigures, name: str) -> Html | None:
    if not panel.apart.count:
        return None
    return histogram(panel.apart, f"Rows by how far the judges of {name} are apart", "Apart")


def _pairs(panel: PanelFigures, name: str) -> Html | None:
    """Return how far each two judges are apart, as a table with a judge a row and a column."""
    names = [*dict.fromkeys(one for pair in panel.pairs for one in pair)]
    if len(names) < 2:
        return None
    far = max((pair.mean or 0.0 for pair in panel.pairs.values()), default=0.0) or 1.0
    rows = []
    for one in names:
        cells: list[str] = [element("bdi", shortened(one, 40))]
        for other in names:
            pair = panel.pairs.get((one, other)) or panel.pairs.get((other, one))
            if pair is None or pair.mean is None:
                cells.append("–")
                continue
            same = f"the same in {percent(pair.same / pair.rows)}"
            cells.append(
                element("span", tint(number(pair.mean), pair.mean / far), element("small", same))
            )
        rows.append(cells)
    named = [
        Column("Mean distance"),
        *(Column(shortened(one, 40), is_number=True) for one in names),
    ]
    return table(f"How far two judges of {name} are apart on average", named, rows)


def _split_rows(
    key: str, name: str, rows: Sequence[ReportRow], shown: frozenset[int], names: Sequence[str]
) -> Html | None:
    """Return the rows on which a panel's judges are furthest apart, with what each of them gave."""
    found = [(row, row.body.get("panel", {}).get(key)) for row in rows]
    apart = [(row, panel) for row, panel in found if panel and panel.get("disagreement")]
    apart.sort(key=lambda each: (-each[1]["disagreement"], each[0].index))
    if not apart:
        return None
    names = names[:_MOST_JUDGES]
    lines = [
        (
            row_link(row.index, shown),
            number(panel["disagreement"]),
            *(_score(panel["scores"].get(judge)) for judge in names),
            element("span", row.answer, class_="clamp"),
        )
        for row, panel in apart[:_FIRST]
    ]
    named = [
        *_numbers("Row", "Apart", *(shortened(judge, 40) for judge in names)), Column("Answer"),
    ]  # fmt: skip
    if not any(row.answer for row, _ in apart[:_FIRST]):
        named, lines = named[:-1], [line[:-1] for line in lines]
    return element(
        "div",
        element("h4", "Read first"),
        table(f"Rows on which the judges of {name} are furthest apart", named, lines),
    )


def _score(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"

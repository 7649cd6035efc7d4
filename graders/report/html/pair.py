"""The parts of the page that say what two runs of the same rows differ in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Final

from graders.batch.tally import Figures, no_figures
from graders.htmltext import Html, columns, element, shortened
from graders.inspection.diff import DiffReport, GroupDelta, Moved, SideFigures
from graders.report.finding import Notice
from graders.report.html.chart import histogram, spark
from graders.report.html.part import first_rows
from graders.report.html.row import MOST_PARTS
from graders.report.html.table import Column, facts, group_link, section, table, unshown
from graders.report.pair import Beside
from graders.report.terminal import between, number, spanned

__all__ = ["pair_sections"]

_NAME: Final = 80
_MOST_CODES: Final = 20
_CHANGES: Final[Mapping[str, str]] = {
    "up": "now pass", "down": "no longer pass", "lost": "lost their reward", "gained": "have one now",
}  # fmt: skip


def pair_sections(first: Notice, beside: Beside, shown: frozenset[int]) -> list[Html | None]:
    """Return the sections in which both runs stand side by side.

    Args:
        first: what the results of A say.
        beside: B, and what it differs in.
        shown: indexes of rows that can be opened.
    """
    report = beside.report
    sides = (first, beside.finding)
    return [
        _headline(report, [one.tally.rewards for one in sides]),
        _rewards(report, [one.tally.rewards for one in sides]),
        _parts(report, sides),
        _categories(report),
        _failures(report, sides, shown),
    ]


def _headline(report: DiffReport, rewards: Sequence[Figures]) -> Html:
    tiles = [
        _tile(f"Mean reward in {letter}", number(side.mean_of_scored), _of(side, figures))
        for letter, side, figures in zip("AB", (report.a, report.b), rewards, strict=True)
    ]
    tiles.append(_tile("Mean of B − A", _signed(report.mean_delta), _chance(report)))
    said = [f"{count:,} {_CHANGES[kind]}" for kind, count in report.flips.items() if count]
    if report.flip_p is not None:
        said.append(f"p {_p(report.flip_p)} (McNemar, exact)")
    tiles.append(
        _tile(
            "Verdicts that differ", f"{report.flipped:,}",
            f"{'; '.join(said) or 'none'}. A row passes from {_marks(report)}.",
        )
    )  # fmt: skip
    rows = f"{report.compared:,} of the {report.a.rows:,} rows of both runs have a reward in both."
    if report.only_a or report.only_b:
        rows += f" Rows of one run only: {report.only_a:,} of A, {report.only_b:,} of B."
    return section("headline", "A beside B", element("div", *tiles, class_="tiles"), lead=rows)


def _marks(report: DiffReport) -> str:
    one, other = report.a.threshold, report.b.threshold
    return f"{one:g}" if one == other else f"{one:g} in A, {other:g} in B"


def _tile(name: str, value: str, note: str) -> Html:
    return element(
        "div",
        element("div", name, class_="name"),
        element("div", value, class_="value"),
        element("div", note, class_="note"),
        class_="tile",
    )


def _of(side: SideFigures, figures: Figures) -> str:
    """Say of how many rows a mean is, with its interval where these are all rows of the run."""
    said = f"{side.passed:,} of {side.rows:,} rows pass"
    if side.failed:
        said += f", {side.failed:,} failed; with these as 0 {number(side.mean_of_all)}"
    interval = figures.interval() if figures.count == side.rows - side.failed else None
    return said if interval is None else f"{said}; {spanned(interval)}"


def _chance(report: DiffReport) -> str:
    lowered = report.changed - report.raised
    said = [f"{report.changed:,} rewards differ: {report.raised:,} raised, {lowered:,} lowered"]
    if report.interval is not None:
        said.append(spanned(report.interval))
    if report.chance is not None:
        said.append(f"p {_p(report.chance[0])} ({report.chance[1]})")
    return "; ".join(said)


def _p(value: float) -> str:
    return "< 0.0001" if value < 0.0001 else f"= {value:.4f}"


def _signed(value: float | None) -> str:
    shown = number(value).replace("-", "−") if value is not None and value < 0 else number(value)
    return f"+{shown}" if value is not None and value > 0 else shown


def _rewards(report: DiffReport, rewards: Sequence[Figures]) -> Html:
    charts = [
        element(
            "div", element("h3", f"In {letter}"), histogram(figures, f"Rows by reward in {letter}")
        )
        for letter, figures in zip("AB", rewards, strict=True)
        if figures.count
    ]
    told = [
        ("Largest difference", _signed(report.largest)),
        ("Spearman's rho", number(report.spearman)),
        ("Kendall's tau-b", number(report.kendall)),
    ]
    return section(
        "rewards",
        "Rewards",
        element("div", *charts, class_="sides"),
        _deltas(report),
        facts(told) if report.compared else None,
        lead="Rho and tau say whether both runs put the rows into the same order: 1 is the same.",
    )


def _deltas(report: DiffReport) -> Html | None:
    """Return the distribution of the differences."""
    if not report.histogram:
        return None
    bars = [(f"{low:.3g} – {high:.3g}", count) for low, high, count in report.histogram]
    spelled = "; ".join(f"{name}: {count:,}" for name, count in bars if count)
    low, high = report.histogram[0][0], report.histogram[-1][1]
    ticks = [f"{low + (high - low) * part / 4:.3g}" for part in range(5)]
    picture = columns(bars, label=f"Rows by B − A. {spelled}.", marks=[0.5], counts=True)
    return element(
        "figure",
        element("h3", "B − A"),
        element("div", picture, class_="plot"),
        element(
            "div", *(element("span", tick) for tick in ticks), class_="ticks", aria_hidden="true"
        ),
        element(
            "figcaption", "Rows by the difference of their rewards; the line is no difference."
        ),
        class_="histogram",
    )


def _parts(report: DiffReport, sides: Sequence[Notice]) -> Html | None:
    """Return how far each sub-grader moved, the farthest first."""
    if not (report.moved or report.added or report.removed):
        return None
    named = [
        Column("Sub-grader"),
        *(Column(name, is_number=True) for name in (
            "Mean in A", "Mean in B", "B − A", "Rows that differ", "Failed in A", "Failed in B")),
        Column("In A"), Column("In B"),
    ]  # fmt: skip
    rows = [_moved(one, sides) for one in report.moved[:MOST_PARTS]]
    more = len(report.moved) - MOST_PARTS
    alone = [
        element(
            "p",
            f"Only in {letter}: ",
            ", ".join(shortened(key, _NAME) for key in keys[:MOST_PARTS]),
        )
        for letter, keys in (("A", report.removed), ("B", report.added))
        if keys
    ]
    return section(
        "parts",
        "Sub-graders",
        table("Sub-graders in both runs, the one that moved farthest first", named, rows),
        unshown(more, "sub-graders"),
        *alone,
        lead="Over the rows that both runs score, the one that moved farthest first.",
    )


def _moved(one: Moved, sides: Sequence[Notice]) -> list[str]:
    name = shortened(one.key, _NAME)
    figures = [side.tally.sub_rewards.get(one.key) for side in sides]
    return [
        name,
        number(one.mean_a), number(one.mean_b), _change(one.mean_delta),
        f"{one.changed:,} of {one.rows:,}", _bad(one.failed_a), _bad(one.failed_b),
        *("–" if each is None else spark(each, f"{name} in {letter}")
          for letter, each in zip("AB", figures, strict=True)),
    ]  # fmt: skip


def _bad(count: int) -> Html:
    return element("span", f"{count:,}", class_="bad" if count else None)


def _change(value: float | None) -> Html:
    """Return a difference with its direction as a sign and a colour."""
    if not value:
        return element("span", "–" if value is None else "0", class_="same")
    way, sign = ("up", " ▲") if value > 0 else ("down", " ▼")
    return element(
        "span", _signed(value), element("span", sign, aria_hidden="true"), class_=f"moved {way}"
    )


def _categories(report: DiffReport) -> Html | None:
    title = "Categories"
    if said := no_figures(report.by, report.groups, crowded=report.crowded):
        return section("categories", title, element("p", said, class_="notice"))
    if not report.groups:
        return None
    heads = (
        "Rows",
        "Mean in A",
        "Mean in B",
        "B − A",
        "95% interval",
        "Now pass",
        "No longer pass",
        "Failed in A",
        "Failed in B",
    )
    named = [Column(report.by or "Category"), *(Column(one, is_number=True) for one in heads)]
    rows = [_group(name, one) for name, one in islice(report.groups.items(), MOST_PARTS)]
    more = len(report.groups) - MOST_PARTS
    return section(
        "categories",
        title,
        table("Both runs by category", named, rows),
        unshown(more, "categories"),
        lead=f"Both runs by what stands in the rows at {report.by or 'the path of --by'}.",
    )


def _group(name: str, one: GroupDelta) -> list[str]:
    return [
        group_link(name), f"{one.rows:,}", number(one.mean_a), number(one.mean_b), _change(one.mean_delta),
        "–" if one.interval is None else between(one.interval),
        f"{one.flips.get('up', 0):,}", f"{one.flips.get('down', 0):,}", _bad(one.failed_a), _bad(one.failed_b),
    ]  # fmt: skip


def _failures(report: DiffReport, sides: Sequence[Notice], shown: frozenset[int]) -> Html:
    codes = [side.tally.codes for side in sides]
    every = sorted(
        {*codes[0], *codes[1]}, key=lambda code: (-codes[0][code] - codes[1][code], code)
    )
    if not every:
        return section(
            "failures", "Failures", element("p", "No row failed in either run.", class_="good")
        )
    named = [
        Column("Code"),
        *(Column(name, is_number=True) for name in ("Rows in A", "Rows in B", "In B alone", "In A alone")),
    ]  # fmt: skip
    rows = [
        [
            element("code", shortened(code, _NAME)), f"{codes[0][code]:,}", f"{codes[1][code]:,}",
            f"{report.appeared.get(code, 0):,}", f"{report.gone.get(code, 0):,}",
        ]
        for code in every[:_MOST_CODES]
    ]  # fmt: skip
    more = len(every) - _MOST_CODES
    return section(
        "failures",
        "Failures",
        table("Failures by code in both runs", named, rows),
        unshown(more, "codes"),
        first_rows(every[:_MOST_CODES], [("A, ", sides[0]), ("B, ", sides[1])], shown),
    )

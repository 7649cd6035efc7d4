"""A comparison as terminal text: figures, what moved, and the rows to read first."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from graders.batch.tally import no_figures
from graders.inspection.diff import DiffReport, RowDelta, SideFigures
from graders.report.terminal import MOST_GROUPS, between, more_of, number
from graders.report.text import clean, columns, shortened

__all__ = ["diff_view"]

_READ = 5
_SAID = {
    "up": "fails → passes",
    "down": "passes → fails",
    "lost": "reward → failure",
    "gained": "failure → reward",
}


def diff_view(report: DiffReport) -> RenderableType:
    """Show what two sides differ in."""
    parts: list[RenderableType] = [_sides(report), *_counts(report)]
    if report.compared or report.flipped:
        parts += ["", _figures(report)]
    if report.formulas is not None:
        parts += ["", Text("the formula differs", "bold")]
        parts += [
            shortened(f"  {side}: {text}", 200)
            for side, text in zip("AB", report.formulas, strict=True)
        ]
    if report.moved or report.added or report.removed:
        parts += ["", _moved(report)]
    if report.groups or report.crowded:
        parts += ["", *_groups(report)]
    if report.appeared or report.gone:
        parts += ["", _failures(report)]
    if report.read_first:
        parts += ["", Text("read first", "bold")]
        parts += [_row(one) for one in report.read_first[:_READ]]
    elif report.compared:
        parts += ["", Text("no row differs", "green")]
    return Group(*parts)


def _sides(report: DiffReport) -> Table:
    headings = ("mean reward", "failed as 0", "passed", "at", "failed")
    table = columns("", "", figures=headings)
    sides: tuple[tuple[str, SideFigures], ...] = (("A", report.a), ("B", report.b))
    for letter, side in sides:
        table.add_row(
            Text(letter, "bold"), clean(side.name), number(side.mean_of_scored),
            number(side.mean_of_all), f"{side.passed:,}", f"≥ {side.threshold:g}",
            f"{side.failed:,}",
        )  # fmt: skip
    return table


def _counts(report: DiffReport) -> list[Text]:
    lines = [f"{report.compared:,} of {report.a.rows:,} rows have a reward on both sides"]
    if report.only_a or report.only_b:
        lines.append(f"rows of one side only: {report.only_a:,} of A, {report.only_b:,} of B")
    if report.unreadable:
        lines.append(f"{report.unreadable:,} rows cannot be read")
    return [Text(line, "dim" if at == 0 else "yellow") for at, line in enumerate(lines)]


def _figures(report: DiffReport) -> Table:
    table = Table(box=None, show_header=False, padding=(0, 3, 0, 0))
    table.add_column()
    table.add_column(justify="right", style="bold")
    table.add_column(style="dim")
    chance = "" if report.chance is None else f"p {_p(report.chance[0])} ({report.chance[1]})"
    table.add_row("mean of B − A", number(report.mean_delta), chance)
    if report.interval is not None:
        table.add_row("95% interval", between(report.interval), report.interval.method)
    table.add_row("largest", number(report.largest), "")
    changed = f"{report.raised:,} raised, {report.changed - report.raised:,} lowered"
    if report.raised_p is not None:
        changed += f"; p {_p(report.raised_p)} (sign test)"
    table.add_row("rewards that differ", f"{report.changed:,}", changed)
    table.add_row("Spearman's rho", number(report.spearman), "of the rows' order; 1 is the same")
    table.add_row("Kendall's tau-b", number(report.kendall), "")
    said = ", ".join(f"{count:,} {_SAID[kind]}" for kind, count in report.flips.items() if count)
    if report.flip_p is not None:
        said += f"; p {_p(report.flip_p)} (McNemar, exact)"
    table.add_row("verdicts that differ", f"{report.flipped:,}", said)
    return table


def _p(value: float) -> str:
    return "< 0.0001" if value < 0.0001 else f"= {value:.4f}"


def _moved(report: DiffReport) -> Table:
    headings = ("A", "B", "B − A", "size", "largest", "differs", "fails A", "fails B")
    table = columns("sub-grader", figures=headings)
    for one in report.moved:
        table.add_row(
            shortened(one.key, 40), number(one.mean_a), number(one.mean_b),
            number(one.mean_delta), number(one.mean_distance), number(one.largest),
            f"{one.changed:,}", f"{one.failed_a:,}", f"{one.failed_b:,}",
        )  # fmt: skip
    for key in report.removed:
        table.add_row(shortened(key, 40), Text("in A only", "yellow"))
    for key in report.added:
        table.add_row(shortened(key, 40), "", Text("in B only", "yellow"))
    return table


def _groups(report: DiffReport) -> list[RenderableType]:
    """Show what the sides differ in by category."""
    if said := no_figures(report.by, report.groups, crowded=report.crowded):
        return [Text(clean(said), "yellow")]
    headings = ("rows", "A", "B", "B − A", "95% interval", "up", "down", "failed")
    table = columns(clean(report.by or "category"), figures=headings, whole=True)
    for name, one in islice(report.groups.items(), MOST_GROUPS):
        table.add_row(
            shortened(name, 30) if name else Text("(none)", "dim"), f"{one.rows:,}",
            number(one.mean_a), number(one.mean_b), number(one.mean_delta),
            "–" if one.interval is None else between(one.interval),
            f"{one.flips.get('up', 0):,}", f"{one.flips.get('down', 0):,}",
            f"{one.failed_a:,} → {one.failed_b:,}" if one.failed_a or one.failed_b else "0",
        )  # fmt: skip
    return [table, *more_of(report.groups)]


def _failures(report: DiffReport) -> Table:
    table = columns("failures", figures=("appeared", "went away"))
    for code in sorted({*report.appeared, *report.gone}):
        table.add_row(
            clean(code), f"{report.appeared.get(code, 0):,}", f"{report.gone.get(code, 0):,}"
        )
    return table


def _row(row: RowDelta) -> RenderableType:
    name = f"row {row.index}" + ("" if row.identity is None else f" ({row.identity})")
    head = Text.assemble(shortened(name, 60), f": {number(row.a)} → {number(row.b)}")
    if row.flip is not None:
        head.append(f"  {_SAID[row.flip]}", "bold")
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 2))
    table.add_column(style="dim", overflow="fold", max_width=40)
    table.add_column()
    for key, (one, other) in row.subs.items():
        if one != other:
            table.add_row(shortened(key, 40), f"{number(one)} → {number(other)}")
    for side, codes in (("A", row.codes_a), ("B", row.codes_b)):
        if codes:
            table.add_row(f"failed in {side}", clean(", ".join(codes)))
    for text, places in _texts(row).items():
        table.add_row(shortened(", ".join(places), 120), shortened(text, 200))
    return Group(head, table)


def _texts(row: RowDelta) -> dict[str, list[str]]:
    """Return every text of a row once, with the places it stands at."""
    found: dict[str, list[str]] = {row.answer: ["answer"]} if row.answer else {}
    before, after = _placed(row.rendered_a), _placed(row.rendered_b)
    for place in dict.fromkeys([*before, *after]):
        if before.get(place) == after.get(place):
            found.setdefault(before[place], []).append(place)
            continue
        for side, texts in (("A", before), ("B", after)):
            if place in texts:
                found.setdefault(texts[place], []).append(f"{side} {place}")
    return found


def _placed(rendered: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    return {
        f"{key}.{field}" if key else field: text
        for key, texts in rendered.items()
        for field, text in texts.items()
    }

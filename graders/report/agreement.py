"""Agreement with people as terminal text: verdicts, best thresholds, calibration, repeats."""

from __future__ import annotations

from itertools import islice

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from graders.batch.tally import no_figures
from graders.inspection.agreement import Agreement, AgreementReport, Rate, Variance
from graders.report.terminal import MOST_GROUPS, more_of, number
from graders.report.text import clean, columns, shortened
from graders.statistic import Interval

__all__ = ["agreement_view"]

_WIDTH = 30
_METHODS = "intervals: of kappa by the normal distribution, of TPR and TNR Wilson's"


def agreement_view(report: AgreementReport) -> RenderableType:
    """Show how well a grader agrees with people, and with itself."""
    parts: list[RenderableType] = [_head(report)]
    if report.scores:
        reward = report.scores[0]
        parts += ["", _confusion(reward)]
        if any(one.table.rows for one in report.scores):
            parts += ["", *_scores(report), "", _cuts(report), "", _calibration(reward)]
    if report.groups or report.crowded:
        parts += ["", *_groups(report)]
    for key, one in report.variances.items():
        parts += ["", _variance(key, one)]
    return Group(*parts)


def _head(report: AgreementReport) -> Text:
    text = Text.assemble((clean(report.name), "bold"), f": {report.rows:,} rows")
    if report.scores:
        text.append(f", {report.labelled:,} with a label, {report.passing:,} of them passing")
        counts = ", ".join(f"{clean(name)} {count:,}" for name, count in report.labels.items())
        text.append(f"\nlabels: {counts}", "dim")
    return text


def _confusion(one: Agreement) -> Table:
    table = columns(f"reward ≥ {one.threshold:g}", figures=("people pass", "people fail"))
    found = one.table
    table.add_row("grader passes", f"{found.both:,}", f"{found.grader_only:,}")
    table.add_row("grader fails", f"{found.people_only:,}", f"{found.neither:,}")
    if one.failed:
        table.add_row(Text(f"{one.failed:,} labelled rows have no reward", "yellow"))
    return table


def _scores(report: AgreementReport) -> list[RenderableType]:
    verdicts = columns(
        "score", figures=("passes at", "kappa (95%)", "TPR (95%)", "TNR (95%)"), whole=True
    )
    order = columns("score", figures=("ROC area", "rho", "tau-b", "ECE"), whole=True)
    for one in report.scores:
        name = shortened(one.key or "reward", 30)
        verdicts.add_row(
            name, f"{one.threshold:g}", _ranged(one.table.kappa, one.table.kappa_interval),
            _rate(one.table.tpr), _rate(one.table.tnr),
        )  # fmt: skip
        order.add_row(
            name, number(one.area), number(one.spearman), number(one.kendall),
            number(one.calibration.error),
        )  # fmt: skip
    return [verdicts, Text(_METHODS, "dim"), "", order]


def _rate(rate: Rate) -> str:
    return _ranged(rate.value, rate.interval)


def _ranged(value: float | None, interval: Interval | None) -> str:
    if value is None or interval is None:
        return "–"
    return f"{value:.2f} ({interval.low:.2f}…{interval.high:.2f})"


def _cuts(report: AgreementReport) -> RenderableType:
    if not any(one.cuts for one in report.scores):
        return Text("every label is the same: no threshold can be told from another", "yellow")
    table = columns("best threshold", "by", figures=("cut", "95% of draws", "value there"))
    for one in report.scores:
        for cut in one.cuts:
            table.add_row(
                shortened(one.key or "reward", 30),
                "Youden's J" if cut.by == "youden_j" else "kappa", number(cut.cut),
                " … ".join(map(number, cut.interval)), number(cut.value),
            )  # fmt: skip
    return table


def _calibration(one: Agreement) -> Table:
    table = columns("reward", figures=("rows", "mean", "people pass (95%)"))
    table.add_column("")
    for part in one.calibration.bins:
        table.add_row(
            f"{part.low:.3g} – {part.high:.3g}", f"{part.passing.rows:,}", number(part.mean),
            _rate(part.passing), Text("█" * round((part.passing.value or 0) * _WIDTH), "cyan"),
        )  # fmt: skip
    return table


def _groups(report: AgreementReport) -> list[RenderableType]:
    """Show how the reward agrees with people in each category."""
    if said := no_figures(report.by, report.groups, crowded=report.crowded):
        return [Text(clean(said), "yellow")]
    headings = ("rows", "failed", "kappa (95%)", "TPR (95%)", "TNR (95%)")
    table = columns(clean(report.by or "category"), figures=headings, whole=True)
    for name, one in islice(report.groups.items(), MOST_GROUPS):
        table.add_row(
            shortened(name, 40) if name else Text("(none)", "dim"), f"{one.rows:,}",
            Text(f"{one.failed:,}", "red" if one.failed else ""),
            _ranged(one.table.kappa, one.table.kappa_interval), _rate(one.table.tpr), _rate(one.table.tnr),
        )  # fmt: skip
    return [table, *more_of(report.groups)]


def _variance(key: str, one: Variance) -> RenderableType:
    share = "–" if one.share is None else f"{one.share:.1%}"
    head = Text.assemble(
        (f"repeats of {clean(key) or 'the judge'}", "bold"),
        f": {one.verdicts:,} verdicts on {one.rows:,} rows; {share} of a verdict's variance is "
        "between rows, the rest within a row",
    )
    table = columns("asked", figures=("spread within a row", "variance between rows"))
    for ahead in one.forecast:
        between = "–" if ahead.share is None else f"{ahead.share:.1%}"
        times = "once" if ahead.times == 1 else f"{ahead.times} times"
        table.add_row(times, number(ahead.noise), between)
    return Group(head, table)

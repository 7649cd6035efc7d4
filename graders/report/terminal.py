"""Grades and run summaries as terminal text. Colours go away where they are not wanted."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import IO, Any

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from graders.api import Explanation, Run
from graders.batch.cost import Cost, SlowRow
from graders.batch.tally import Figures, Tally, no_figures
from graders.extension import Extension
from graders.grade import Failure
from graders.inspection.variable import VariableReport
from graders.metrics import NativeCore
from graders.report.finding import Notice
from graders.report.text import clean, columns, fitted, hint, shortened
from graders.sandbox import LEVELS, MachineReport, promises
from graders.statistic import Interval

__all__ = [
    "console", "finding_view", "grade_view", "machine_view", "number", "run_view", "variable_view", "write_view",
]  # fmt: skip

BAR_WIDTH = 40
MOST_GROUPS = 50
_NARROW = 12
_STEPS = 12
_EIGHTHS = " ▏▎▍▌▋▊▉"


def console(stream: IO[str]) -> Console:
    """Return a console on a stream; NO_COLOR and a dumb terminal are honoured.

    What the stream's encoding cannot write is shown as `?`, never an error.
    """
    reconfigure = getattr(stream, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="replace")
    said = os.environ.get("COLUMNS", "")
    # Where nobody looks, what is written is as wide as most terminals.
    width = int(said) if said.isdecimal() and int(said) else None if stream.isatty() else 80
    return Console(file=stream, width=width, highlight=False, emoji=False, markup=False)


def write_view(view: RenderableType, stream: IO[str]) -> None:
    """Write a view to a stream, no wider than its terminal; what is longer than a line stays whole."""
    console(stream).print(fitted(view), crop=False)


def number(value: float | None) -> str:
    """Return a number as people read it: four decimals, more digits only where needed."""
    if value is None:
        return "–"
    if value and abs(value) < 0.001:
        return f"{value:.2e}"
    return f"{value:.4f}" if abs(value) < 1000 else f"{value:,.6g}"


def grade_view(
    explained: Explanation, types: Mapping[str, str], signatures: Mapping[str, str]
) -> RenderableType:
    """Show one grade: the reward, how it came about, and what failed.

    Args:
        explained: the grade and how it came about.
        types: each sub-grader's type by key.
        signatures: how each metric is made, by key.
    """
    grade = explained.grade
    head = Text.assemble((clean(grade.name), "bold"), f" ({grade.type})\n\n")
    if grade.reward is None:
        head.append("reward  none: the row failed", "bold red")
    else:
        head.append(f"reward  {grade.reward!r}", "bold green")
    parts: list[RenderableType] = [head]
    if grade.sub_rewards:
        table = columns("sub-grader", "type", "reward")
        for key, value in grade.sub_rewards.items():
            shown = Text("failed", "red") if value is None else Text(repr(value))
            table.add_row(clean(key), types.get(key, ""), shown)
        parts += ["", table]
    parts += [line for failure in grade.failures for line in ("", _failure(failure))]
    for failure in grade.replaced:
        parts += ["", Text.assemble("invalid_grade stands for ", _failure(failure))]
    if failures := (*grade.failures, *grade.replaced):
        parts.append(hint(failures[0].code))
    fields = [
        (f"{clean(key)}.{name}" if key else name, text)
        for key, texts in explained.rendered.items()
        for name, text in texts.items()
    ]
    if explained.shape not in {"none", "text", "sample", "unread"}:
        parts += ["", Text(f"sample read as: {explained.shape}", "dim")]
    if fields:
        table = columns("rendered input", "text")
        for name, text in fields:
            table.add_row(name, _shortened(text))
        parts += ["", table]
    parts += _heard(explained)
    if signatures:
        parts += ["", *_signatures(signatures)]
    return Group(*parts)


def _heard(explained: Explanation) -> list[RenderableType]:
    """Show what python graders printed and what judges answered."""
    parts: list[RenderableType] = []
    for key, text in explained.printed.items():
        parts += ["", Text(f"printed by {clean(key or explained.grade.name)}:", "dim")]
        parts += [Text(clean(text.rstrip()))]
    for key, said in explained.judgements.items():
        for asked, one in enumerate(said, 1):
            which = f", asking {asked} of {len(said)}" if len(said) > 1 else ""
            which = f", judge {clean(one['judge'])}" if "judge" in one else which
            parts += ["", Text(f"said by {clean(key or explained.grade.name)}{which}:", "dim")]
            parts += [_said(one)]
    parts += [""] if explained.panels else []
    for key, panel in explained.panels.items():
        given = ", ".join(f"{clean(one)} {number(value)}" for one, value in panel["scores"].items())
        where = f" of {clean(key)}" if key else ""
        apart = number(panel["disagreement"])
        parts += [
            "",
            Text(f"panel{where}: {given}; two judges are {apart} apart on average", "dim"),
        ]
    return parts


def _said(one: Mapping[str, Any]) -> RenderableType:
    """Show a judgement: its steps and its result, or the reply as it is where it has none."""
    steps, result = one["steps"], one["result"]
    if result is None:
        return _shortened(one["reply"])
    table = Table(box=None, show_header=False, padding=(0, 3, 0, 0))
    for number_, step in enumerate(steps[:_STEPS], 1):
        table.add_row(f"step {number_}", _shortened(step["description"]))
        table.add_row("", Text.assemble("→ ", _shortened(step["conclusion"])))
    if len(steps) > _STEPS:
        table.add_row("", Text(f"{len(steps) - _STEPS:,} more steps", "dim"))
    table.add_row("result", _shortened(str(result)))
    return table


def _signatures(signatures: Mapping[str, str]) -> list[Text]:
    return [Text(f"{clean(key)}: {text}", "dim") for key, text in signatures.items()]


def _failure(failure: Failure) -> Text:
    place = f" in {failure.where}" if failure.where else ""
    text = Text.assemble((clean(f"{failure.code}{place}: "), "bold red"), clean(failure.message))
    if failure.details and failure.details != failure.message:
        text.append("\n" + clean(failure.details.rstrip()), "dim")
    return text


def _shortened(text: str, limit: int = 400) -> Text:
    shown = clean(text[:limit])
    more = len(text) - limit
    if not text:
        return Text("(empty)", "dim")
    return (
        Text.assemble(shown, (f" … {more:,} more characters", "dim")) if more > 0 else Text(shown)
    )


def run_view(
    run: Run,
    *,
    name: str,
    type: str,  # noqa: A002  (the JSON's own word)
    output: str,
    signatures: Mapping[str, str],
    seconds: float,
    notes: Sequence[str] = (),
    by: str | None = None,
) -> RenderableType:
    """Show what a run gave: mean over both denominators, spread, histogram, parts, failures."""
    tally, scored_now = run.tally, run.tally.rows - run.resumed
    pace = f" in {seconds:.2f} s, {scored_now / seconds:,.0f} rows/s" if seconds > 0 else ""
    parts: list[RenderableType] = [
        Text.assemble((clean(name), "bold"), f" ({type}): {_rows(tally.rows)}{pace}")
    ]
    if run.resumed:
        now = f", {_rows(scored_now)} now" if scored_now else "; nothing was left to do"
        parts += [Text(f"{_rows(run.resumed)} finished by an earlier run{now}", "dim")]
    parts += ["", *_tally(tally, run.cost, by=by or "")]
    parts += ["", *_signatures(signatures)] if signatures else []
    parts += [Text(note, "dim") for note in notes]
    if run.peak is not None:
        workers = len(run.peaks)
        of = f", {workers} worker process{'es' if workers > 1 else ''} included" if workers else ""
        parts += [Text(f"memory: {run.peak / 1e6:,.0f} MB at the most{of}", "dim")]
    parts += ["", Text(f"results: {clean(output)}")]
    return Group(*parts)


def _tally(
    tally: Tally, cost: Cost, variance: Mapping[str, float] | None = None, by: str = ""
) -> list[RenderableType]:
    """Show what rows add up to: means, distribution, sub-graders, failures, slowest calls.

    Args:
        tally: their figures.
        cost: what they took.
        variance: each sub-grader's share of the variance of the rewards, where that is known.
        by: where in a row the categories stand.
    """
    parts: list[RenderableType] = [_means(tally)]
    if tally.rewards.count:
        parts += ["", _histogram(tally.rewards)]
    if tally.sub_rewards:
        parts += ["", _sub_rewards(tally, cost.shares, variance or {})]
    if tally.groups or tally.crowded:
        parts += ["", *_groups(tally, by)]
    parts += ["", _failures(tally)]
    if cost.slowest:
        parts += ["", _slowest(cost.slowest[:3])]
    return parts


def finding_view(finding: Notice, notes: Sequence[str] = ()) -> RenderableType:
    """Show what a file of results says, and notes beneath it."""
    kind = f" ({clean(finding.type)})" if finding.type else ""
    rows, shares = _rows(finding.tally.rows), finding.shares
    parts: list[RenderableType] = [Text.assemble((clean(finding.name), "bold"), f"{kind}: {rows}")]
    parts += [Text(clean(note), "yellow") for note in finding.notes]
    variance = None if shares is None else shares.parts
    parts += ["", *_tally(finding.tally, finding.cost, variance, finding.by)]
    if shares is not None and shares.rest:
        parts += ["", Text(f"{shares.rest:.1%} of the variance is no weighted sum of the parts")]
    parts += ["", *_signatures(finding.signatures)] if finding.signatures else []
    parts += ["", *(Text(clean(note), "dim") for note in notes)] if notes else []
    return Group(*parts)


def _slowest(calls: Sequence[SlowRow]) -> Text:
    listed = ", ".join(
        f"row {one.index} {f'in {clean(one.where)} ' if one.where else ''}({one.seconds:.3g} s)"
        for one in calls
    )
    return Text(f"slowest calls: {listed}")


def _rows(count: int) -> str:
    return f"{count:,} row{'' if count == 1 else 's'}"


def _means(tally: Tally) -> Table:
    figures = tally.rewards
    table = Table(box=None, show_header=False, padding=(0, 3, 0, 0))
    table.add_column(justify="left")
    table.add_column(justify="right", style="bold")
    table.add_column(style="dim")
    table.add_row("mean reward", number(figures.mean), f"over the {_rows(tally.scored)} scored")
    interval = figures.interval()
    if interval is not None:
        table.add_row("95% interval", between(interval), interval.method)
    if tally.failed:
        table.add_row(
            "failed as 0",
            number(tally.mean_of_all),
            f"the mean over all {_rows(tally.rows)}, a failed one as 0",
        )
    table.add_row("spread", number(figures.spread), "standard deviation")
    if figures.count:
        low, high = number(figures.lowest), number(figures.highest)
        table.add_row("range", f"{low} … {high}", _saturation(figures))
    if figures.count > 1:
        least, low, middle, high, most = map(number, figures.quantiles() or ())
        around = f"half in {low} … {high}, nine tenths in {least} … {most}{_within(figures)}"
        table.add_row("median", middle, around)
    table.add_row("failed", f"{tally.failed:,}", f"of {_rows(tally.rows)}: no reward, null")
    if tally.replaced:
        table.add_row("invalid", f"{tally.replaced:,}", "scored by the config's invalid_grade")
    return table


def between(interval: Interval) -> str:
    """Return the ends of an interval."""
    return f"{number(interval.low)} … {number(interval.high)}"


def spanned(interval: Interval) -> str:
    """Return an interval in words, with the method it comes from."""
    return f"95% interval {between(interval)} ({interval.method})"


def _within(figures: Figures) -> str:
    """Say how exact quantiles are, where they are not exact."""
    return f", each to within {figures.error:.1g}" if figures.error else ""


def percent(share: float) -> str:
    """Return a share as people read it; neither none nor all is said of what is only nearly so."""
    if 0 < abs(share) < 0.001:
        return "under 0.1%"
    return f"{min(share, 0.999):.1%}" if share < 1 else f"{share:.0%}"


def _saturation(figures: Figures) -> str:
    """Say how many rows stand at the ends: there, the reward no longer tells rows apart."""
    if figures.lowest == figures.highest:
        return "every row has this reward"
    low, high = figures.at_lowest / figures.count, figures.at_highest / figures.count
    return f"lowest and highest reward, of {percent(low)} and {percent(high)} of the rows"


def _histogram(figures: Figures) -> Table:
    bars = figures.bars(10)
    most = max(count for _, count in bars)
    table = columns("reward", figures=("rows",))
    table.add_column("")
    for label, count in bars:
        table.add_row(label, f"{count:,}", Text(_bar(count / most), "cyan"))
    return table


def _bar(share: float, width: int = BAR_WIDTH) -> str:
    eighths = round(share * width * 8)
    if share > 0:
        eighths = max(eighths, 1)
    whole, rest = divmod(eighths, 8)
    return "█" * whole + (_EIGHTHS[rest] if rest else "")


def _sub_rewards(tally: Tally, shares: Mapping[str, float], variance: Mapping[str, float]) -> Table:
    headings = ("mean", "spread", "lowest", "highest", "failed", "time")
    table = columns("sub-grader", figures=(*headings, "variance") if variance else headings)
    for key, figures in tally.sub_rewards.items():
        failed = tally.sub_failures[key]
        table.add_row(
            clean(key),
            number(figures.mean),
            number(figures.spread),
            number(figures.lowest if figures.count else None),
            number(figures.highest if figures.count else None),
            Text(f"{failed:,}", "red" if failed else ""),
            f"{shares[key]:.0%}" if key in shares else "–",
            *([f"{variance.get(key, 0.0):.1%}"] if variance else []),
        )
    return table


def _groups(tally: Tally, by: str) -> list[RenderableType]:
    """Show the mean reward of each category, the largest first, with a bar between the ends of all means."""
    groups = tally.categories
    if said := no_figures(by, groups, crowded=tally.crowded):
        return [Text(clean(said), "yellow")]
    table = columns(
        clean(by or "category"),
        figures=("rows", "failed", "mean", "95% interval", "spread"),
        whole=True,
    )
    table.add_column("")
    means = [one.mean for one in groups.values() if one.mean is not None]
    low, high = min([0.0, *means]), max([1.0, *means])
    methods: dict[str, None] = {}
    for key, one in islice(groups.items(), MOST_GROUPS):
        interval = one.interval()
        methods |= {} if interval is None else {interval.method: None}
        bar = "" if one.mean is None else _bar((one.mean - low) / (high - low), _NARROW)
        table.add_row(
            shortened(key, 40) if key else Text("(none)", "dim"), f"{one.rows:,}",
            Text(f"{one.failed:,}", "red" if one.failed else ""), number(one.mean),
            "–" if interval is None else between(interval), number(one.spread), Text(bar, "cyan"),
        )  # fmt: skip
    named = f"intervals: {', '.join(methods)}" if methods else ""
    return [table, *more_of(groups), *([Text(named, "dim")] if named else [])]


def more_of(groups: Mapping[str, object]) -> list[Text]:
    """Say how many categories are not shown."""
    more = len(groups) - MOST_GROUPS
    return [Text(f"and {more:,} more", "dim")] if more > 0 else []


def _failures(tally: Tally) -> RenderableType:
    if not tally.codes:
        return Text("no failures", "green")
    table = columns("failures", figures=("rows",))
    table.add_column("first")
    for code, count in tally.codes.most_common():
        first = _first(tally.first[code][:3])
        table.add_row(Text(clean(code), "red"), f"{count:,}", _shortened(first, 1200))
    return Group(table, hint(clean(tally.codes.most_common(1)[0][0])))


def _first(found: Sequence[tuple[int, str]]) -> str:
    """Say which rows said what, each thing once."""
    rows: dict[str, list[int]] = {}
    for index, message in found:
        rows.setdefault(message, []).append(index)
    return "\n".join(
        f"row{'s' if len(at) > 1 else ''} {', '.join(map(str, at))}: {message}"
        for message, at in rows.items()
    )


def variable_view(report: VariableReport) -> RenderableType:
    """Show which variables are missing from the rows, and where first."""
    parts: list[RenderableType] = []
    if report.variables:
        table = columns("variable", figures=("missing",))
        table.add_column("first")
        for one in report.variables:
            first = _first(one.first)
            missing = Text(f"{one.missing:,}", "red" if one.missing else "green")
            table.add_row(
                _shortened(one.name, 60), missing, _shortened(first, 2000) if first else ""
            )
        parts.append(table)
    if report.shapes.keys() - {"none", "text", "sample"}:
        counts = ", ".join(f"{name} ({count:,})" for name, count in report.shapes.most_common())
        parts.append(Text(f"samples read as: {counts}"))
    if report.unreadable_count:
        first = _first(report.unreadable)
        text = f"{_rows(report.unreadable_count)} cannot be read\n{clean(first)}"
        parts.append(Text(text, "red"))
    if report.complete:
        said = "every variable is there" if report.variables else "the templates name no variable"
        parts.append(Text(f"{_rows(report.rows)} read, {said}", "green"))
    return Group(*parts)


def _extensions(found: Sequence[tuple[Extension, str]]) -> list[RenderableType]:
    table = columns("extension", "of", "adds to", "here")
    for one, problem in found:
        here = Text("no", "red") if problem else Text("yes", "green")
        table.add_row(clean(one.name), clean(str(one)), one.group, here)
    problems = dict.fromkeys(problem for _, problem in found if problem)
    return [table, *(Text(problem, "red") for problem in problems)]


def machine_view(
    report: MachineReport,
    models: Mapping[str, str],
    core: NativeCore,
    extensions: Sequence[tuple[Extension, str]] = (),
    lacks: Sequence[str] = (),
) -> RenderableType:
    """Show what a machine gives to the sandbox and what its default level promises.

    Args:
        report: what was found.
        models: what each model of ours needs to run here, by what it is for; "" where it is there.
        core: whether text metrics are counted by the native core.
        extensions: what other packages add, each with why it cannot be used, "" where it can.
        lacks: what python graders lack here, a sentence each.
    """
    facts = Table(box=None, show_header=False, padding=(0, 3, 0, 0))
    facts.add_row("system", report.system)
    landlock = f"version {report.landlock}" if report.landlock else "none"
    facts.add_row("Landlock", landlock)
    facts.add_row("seccomp", "yes" if report.seccomp else "no")
    facts.add_row("namespaces", report.namespaces or "yes")
    facts.add_row("bubblewrap", report.bubblewrap or "none")
    own = (
        "on the disk, looked at 4 times a second"
        if report.filesystem
        else "a file system of its own"
    )
    facts.add_row("scratch", own)
    facts.add_row("native core", core.problem or f"in use, version {core.version}")
    parts: list[RenderableType] = [facts, ""]
    table = columns("level", "here", "needs")
    for level in LEVELS:
        here = "default" if level == report.default else "by name"
        table.add_row(
            Text(level, "bold"),
            Text(here, "green") if level in report.available else Text("no", "red"),
            promises(level).needs,
        )
    parts.append(table)
    shown = report.default or (report.available[0] if report.available else None)
    if report.default is None:
        parts += [
            "",
            Text("python graders refuse to run until a level is asked for by name", "red"),
        ]
    if shown is not None:
        parts += ["", Text(f"{shown} promises", "bold")]
        parts += [Text(f"  + {sentence}") for sentence in promises(shown).gives]
        parts += [Text("and does not promise", "bold")]
        parts += [Text(f"  - {sentence}") for sentence in promises(shown).lacks]
    parts += [line for note in report.notes for line in ("", Text(note, "dim"))]
    parts += [line for one in lacks for line in ("", Text(f"lacks: {clean(one)}", "yellow"))]
    table = columns("model", "here")
    for name, missing in models.items():
        table.add_row(name, Text(f"no: {missing}", "red") if missing else Text("yes", "green"))
    parts += ["", table]
    if extensions:
        parts += ["", *_extensions(extensions)]
    return Group(*parts)

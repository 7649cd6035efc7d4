"""A probe as terminal text: evidence in a table, then the answers to read."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from graders.inspection.probe import AttackResult, ProbeReport, Rewards
from graders.report.terminal import number, spanned
from graders.report.text import clean, columns, hint, shortened

__all__ = ["probe_view"]

_READ = 5
_GIVEN = {
    "wrong": "answers that are not right",
    "honest": "the honest answer, altered",
    "reference": "the reference copied: what a right answer can get",
}


def probe_view(report: ProbeReport, above: Sequence[AttackResult] = ()) -> RenderableType:
    """Show what attacks got, beside the honest answers, and what to read first.

    Args:
        report: what was found.
        above: the attacks that got more than is allowed.
    """
    head = Text.assemble((clean(report.name), "bold"), f" ({report.type}): ")
    head.append(f"{report.probed:,} of {report.rows:,} rows probed")
    if report.unreadable:
        head.append(f"; {report.unreadable:,} cannot be read")
    parts: list[RenderableType] = [head, _honest(report.honest)]
    parts += [_held(key, score) for key, score in report.not_probed.items()]
    if report.unreached:
        parts.append(
            Text(
                f"{report.unreached:,} answers of attacks have no reward because what grades them "
                "could not be asked: the figures may be too low",
                "yellow",
            )
        )
    for given, title in _GIVEN.items():
        found = [one for one in report.attacks if one.given == given and one.rewards is not None]
        if found:
            parts += ["", Text(title, "bold"), _table(found, {one.name for one in above})]
    skipped = [one for one in report.attacks if one.skipped]
    if skipped:
        parts += ["", Text("does not apply", "bold")]
        parts += [Text(f"  {one.name}: {one.skipped}", "dim") for one in skipped]
    parts += ["", _legend()]
    if first := _to_read(report, above):
        parts.append(hint(first[0].name))
    for one in _to_read(report, above):
        parts += ["", _answers(one)]
    return Group(*parts)


def _honest(rewards: Rewards) -> Text:
    if not rewards.rows:
        return Text("the rows have no answers of their own to compare with", "yellow")
    text = f"honest answers: expected reward {number(rewards.expected)}"
    text += f", highest {number(rewards.highest)}"
    sure = "" if rewards.interval is None else f"\n{spanned(rewards.interval)}"
    if not rewards.failed:
        return Text(text + sure)
    text += f", {rewards.failed:,} of {rewards.rows:,} failed{sure}"
    return Text.assemble(
        text, "\n", (shortened(f"first failure: {rewards.why}", 300).plain, "yellow")
    )


def _held(key: str, score: float | None) -> Text:
    where = "left out" if score is None else f"held at {score:g}"
    return Text(f"not probed: {clean(key)}, {where}; its model was not asked", "yellow")


def _table(found: Sequence[AttackResult], above: set[str]) -> Table:
    some_failed = any(one.rewards is not None and one.rewards.failed for one in found)
    headings = ["expected", "highest", "≥ honest", "> honest", *(["failed"] if some_failed else [])]
    table = columns("attack", figures=headings)
    table.columns[0].no_wrap = True  # --attack takes the name.
    table.add_column("paid most by", overflow="fold")
    table.add_column("as", overflow="fold")
    for one in sorted(found, key=lambda one: -(one.expected or 0.0)):
        rewards, payer = one.rewards, one.payer
        if rewards is None:
            continue
        paid = "–"
        if payer is not None:
            paid = f"{clean(payer.key) or 'the grader'} {number(payer.paid)}"
        table.add_row(
            Text(one.name, "bold red" if one.name in above else ""),
            number(rewards.expected),
            number(rewards.highest),
            _share(one.reached),
            _share(one.beaten),
            *([f"{rewards.failed:,}" if rewards.failed else ""] if some_failed else []),
            paid,
            shortened(one.variant, 40) if one.variant else "",
        )
    return table


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.0%}"


def _legend() -> Text:
    return Text(
        "expected: mean over the rows, a failed one as 0. ≥ and > honest: share of the rows where "
        "the answer gets as much as, or more than, the row's own; two zeros do not count.",
        "dim",
    )


def _to_read(report: ProbeReport, above: Sequence[AttackResult]) -> list[AttackResult]:
    """Return the attacks whose answers are shown: those above the bar, or the wrong ones paid most."""
    if above:
        return list(above[:_READ])
    wrong = [one for one in report.attacks if one.given == "wrong" and (one.expected or 0.0) > 0]
    return sorted(wrong, key=lambda one: -(one.expected or 0.0))[:2]


def _answers(one: AttackResult) -> RenderableType:
    title = Text(f"{one.name}: {one.title}", "bold")
    table = columns("row", "reward", "honest", "answer")
    for paid in one.worst:
        name = str(paid.index) if paid.identity is None else f"{paid.index} ({paid.identity})"
        table.add_row(
            shortened(name, 40), number(paid.reward), number(paid.honest),
            shortened(paid.answer, 160),
        )  # fmt: skip
        payer = one.payer.key if one.payer is not None else ""
        for field, text in paid.rendered.get(payer, {}).items():
            place = f"{clean(payer)}.{field}" if payer else field
            table.add_row("", "", "", Text.assemble((f"{place}: ", "dim"), shortened(text, 120)))
    return Group(title, table)

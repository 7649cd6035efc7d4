"""Evals, runs and comparisons as terminal text."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from graders.errors import shown
from graders.evals.result import bare_name
from graders.report.terminal import number
from graders.report.text import clean, shortened

if TYPE_CHECKING:
    from graders.evals.compare import Comparison

__all__ = ["comparison_view", "eval_view", "evals_view", "run_view"]

_STYLES: Final = {
    "completed": "green", "failed": "red", "canceled": "yellow", "queued": "dim", "in_progress": "cyan",
}  # fmt: skip
_LISTED: Final = 10


def evals_view(evals: Sequence[Mapping[str, Any]], *, more: bool) -> RenderableType:
    """Show a page of evals."""
    if not evals:
        return Text("There are no evals here.")
    table = _table("id", "made", "criteria", "name")
    for one in evals:
        table.add_row(
            one["id"], _day(one), str(len(one["testing_criteria"])), shortened(one["name"], 50)
        )
    return Group(table, Text("more follow: --after, --limit", "dim")) if more else table


def eval_view(one: Mapping[str, Any], runs: Sequence[Mapping[str, Any]]) -> RenderableType:
    """Show an eval: its criteria and its runs."""
    criteria = _table("criterion", "type")
    for each in one["testing_criteria"]:
        criteria.add_row(shortened(str(each.get("name") or ""), 50), clean(str(each.get("type"))))
    listed = _table("run", "made", "status", "passed", "failed", "errored")
    for run in runs:
        counts = run["result_counts"]
        listed.add_row(
            run["id"], _day(run), Text(run["status"], _STYLES.get(run["status"], "")),
            *(f"{counts[name]:,}" for name in ("passed", "failed", "errored")),
        )  # fmt: skip
        listed.add_row(Text(f"  {shown(clean(run['name'] or run['model']), 38)}", "dim"))
    head = Text.assemble((one["id"], "bold"), f"  {clean(one['name'])}  {_day(one)}")
    return Group(head, "", criteria, "", listed if runs else Text("It has no runs."))


def run_view(run: Mapping[str, Any], items: Sequence[Mapping[str, Any]] = ()) -> RenderableType:
    """Show a run: its figures by criterion, and the rows to read first."""
    counts = run["result_counts"]
    head = Text.assemble(
        (run["id"], "bold"), "  ", (run["status"], _STYLES.get(run["status"], "")),
        f"  {clean(run['model'] or run['name'])}",
    )  # fmt: skip
    share = f" ({100 * counts['passed'] / counts['total']:.1f} %)" if counts["total"] else ""
    parts: list[RenderableType] = [
        head,
        Text(f"{counts['total']:,} rows: {counts['passed']:,} passed{share}, {counts['failed']:,} failed, "
             f"{counts['errored']:,} without a verdict"),
    ]  # fmt: skip
    if run["error"]:
        parts += [
            Text(f"{clean(run['error'].get('code'))}: {clean(run['error'].get('message'))}", "red")
        ]
    table = _table("criterion", "passed", "failed", "errored")
    for one in run["per_testing_criteria_results"]:
        figures = (f"{one[name]:,}" for name in ("passed", "failed", "errored"))
        table.add_row(Text(shown(clean(bare_name(one["testing_criteria"])), 50)), *figures)
    if run["per_testing_criteria_results"]:
        parts += ["", table]
    if items:
        parts += ["", Text("rows to read first", "bold")]
    for item in items[:_LISTED]:
        parts.append(Text(f"{item['datasource_item_id']:>6}  {item['status']:<5}  {_why(item)}"))
    return Group(*parts)


def _why(item: Mapping[str, Any]) -> str:
    """Return what is wrong with a row: its error, or the criteria it failed."""
    error = (item.get("sample") or {}).get("error")
    if error:
        return shown(clean(str(error.get("message"))), 100)
    failed = [one for one in item["results"] if one["status"] != "pass"]
    said = [
        f"{bare_name(one['name'])}: {one['error']['message']}" if one.get("error")
        else f"{bare_name(one['name'])} {number(one['score']) if one['score'] is not None else 'none'}"
        for one in failed
    ]  # fmt: skip
    return shown(clean("; ".join(said)), 100)


def comparison_view(found: Comparison) -> RenderableType:
    """Show a run, old against new."""
    table = _table("criterion", "rows", "equal", "flipped", "widest")
    said: list[Text] = []
    for one in found.criteria:
        name = shown(clean(bare_name(one.name)), 40)
        if one.skipped:
            table.add_row(Text(name), "–", "–", "–", "–")
            said.append(Text(f"{name}: {one.skipped}", "dim"))
            continue
        figures = (f"{one.rows:,}", f"{one.equal:,}", f"{one.flipped:,}", number(one.widest))
        table.add_row(Text(name), *figures)
        if one.differs and one.reading:
            said.append(Text(f"{name}: every score is equal under {one.reading}", "yellow"))
        elif one.differs:
            said.append(Text(f"{name}: has to be equal to the last bit, and is not", "red"))
        elif one.equal < one.rows:
            said.append(Text(f"{name}: a model gives its scores ({one.by})", "dim"))
    parts: list[RenderableType] = [
        Text.assemble((found.run, "bold"), f"  {found.rows:,} rows graded again"), "", table, *said,
    ]  # fmt: skip
    parts += [
        Text(f"results of {shown(clean(name), 60)} are of no criterion of the eval", "yellow")
        for name in found.unknown[:_LISTED]
    ]
    for one in found.criteria:
        if one.first:
            parts += ["", Text(f"{bare_name(one.name)}: rows to read first", "bold")]
        for each in one.first[:_LISTED]:
            old, new = ("none" if score is None else repr(score) for score in (each.old, each.new))
            flip = "  another verdict" if each.flipped else ""
            why = f"  {shown(clean(each.why), 70)}" if each.why else ""
            parts.append(Text(f"{each.place:>6}  {old} -> {new}{flip}{why}"))
    return Group(*parts)


def _table(*heads: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for head in heads:
        right = head in {
            "criteria",
            "passed",
            "failed",
            "errored",
            "rows",
            "equal",
            "verdicts changed",
            "widest",
        }
        table.add_column(head, justify="right" if right else "left", no_wrap=True)
    return table


def _day(one: Mapping[str, Any]) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(one["created_at"])) if one["created_at"] else "–"

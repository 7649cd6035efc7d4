"""Evals as terminal text: what an import did, lists, a run's figures, old against new."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.text import Text

from graders.evals.brought import Brought, Tally
from graders.evals.compare import Comparison, Figures, RowDelta
from graders.evals.match import bare_name
from graders.report.terminal import number
from graders.report.text import clean, columns, shortened

__all__ = [
    "comparison_view",
    "eval_view",
    "evals_view",
    "import_view",
    "items_view",
    "run_view",
    "runs_view",
]

_STYLES: Final = {
    "completed": "green", "failed": "red", "canceled": "yellow", "pass": "green", "fail": "red",
    "error": "yellow",
}  # fmt: skip
_LISTED: Final = 12
_NOTED: Final = 40
_SHOWN: Final = 160


def import_view(done: Brought) -> RenderableType:
    """Show what an import has done."""
    table = columns("", figures=("new", "unchanged", "replaced", "left as they were"))
    rows: Sequence[tuple[str, Tally]] = (
        ("evals", done.evals), ("runs", done.runs), ("output items", done.items),
        ("files of rows", done.files),
    )  # fmt: skip
    for name, one in rows:
        table.add_row(name, *(f"{count:,}" for count in (one.new, one.same, one.changed, one.kept)))
    parts: list[RenderableType] = [table]
    for of, runs in list(done.runs_of.items())[:_LISTED]:
        parts.append(Text(f"{of}: {', '.join(runs[:_LISTED]) or 'no run'}"))
    parts += [Text(f"note: {clean(one)}", "dim") for one in done.notes[:_NOTED]]
    if len(done.notes) > _NOTED:
        parts.append(Text(f"{len(done.notes) - _NOTED:,} notes more: --json", "dim"))
    parts += [Text(f"not imported: {clean(one)}", "red") for one in done.problems[:_NOTED]]
    runs = [one for found in done.runs_of.values() for one in found]
    if done.items.new and runs:
        parts.append(Text(f"next: graders evals compare {runs[0]}"))
    if done.nothing_new and not done.problems:
        parts.append(Text("nothing is new: all of it is in the store already"))
    return Group(*parts)


def evals_view(evals: Sequence[Mapping[str, Any]], *, more: bool) -> RenderableType:
    """Show a list of evals, one a line; ids are never cut, for they are there to be copied."""
    rows = [("eval", "created", "criteria", "name")]
    rows += [
        (one["id"], _moment(one["created_at"]), str(len(one["testing_criteria"])),
         shortened(one["name"] or "–", 60).plain)
        for one in evals
    ]  # fmt: skip
    return Group(*_lines(rows, "There are no evals here."), *_more(evals, more=more))


def runs_view(runs: Sequence[Mapping[str, Any]], *, more: bool) -> RenderableType:
    """Show a list of runs, one a line."""
    rows = [("run", "created", "status", "passed", "failed", "errored", "name")]
    rows += [
        (one["id"], _moment(one["created_at"]), one["status"],
         *(f"{one['result_counts'][name]:,}" for name in ("passed", "failed", "errored")),
         shortened(one["name"] or one["model"] or "–", 60).plain)
        for one in runs
    ]  # fmt: skip
    return Group(*_lines(rows, "It has no runs."), *_more(runs, more=more))


def eval_view(one: Mapping[str, Any], runs: Sequence[Mapping[str, Any]]) -> RenderableType:
    """Show an eval: its criteria and its runs."""
    head = Text.assemble(
        (one["id"], "bold"), f"  {clean(one['name'] or '–')}  {_moment(one['created_at'])}"
    )
    rows = [("criterion", "type", "passes at")]
    for criterion in one["testing_criteria"]:
        mark = criterion.get("pass_threshold")
        rows.append((
            shortened(str(criterion.get("name") or criterion.get("id") or "–"), 60).plain,
            shortened(str(criterion.get("type") or "–"), 30).plain, "–" if mark is None else str(mark),
        ))  # fmt: skip
    return Group(head, "", *_lines(rows, "no criteria"), "", runs_view(runs, more=False))


def run_view(run: Mapping[str, Any], first: Sequence[Mapping[str, Any]] = ()) -> RenderableType:
    """Show a run: where it stands, the figures of each criterion, and the rows to read first."""
    counts = run["result_counts"]
    share = f" ({100 * counts['passed'] / counts['total']:.1f} %)" if counts["total"] else ""
    parts: list[RenderableType] = [
        Text.assemble(
            (run["id"], "bold"), "  ", (run["status"], _STYLES.get(run["status"], "")),
            f"  {clean(run['model'] or run['name'] or '')}",
        ),
        Text(
            f"{_many(counts['total'], 'row')}: {counts['passed']:,} passed{share}, "
            f"{counts['failed']:,} failed, {counts['errored']:,} without a verdict"
        ),
    ]  # fmt: skip
    if run["error"]:
        error = run["error"]
        says = f"{clean(str(error.get('code')))}: {clean(str(error.get('message')))}"
        parts.append(Text(says, "red"))
    table = columns("criterion", figures=("passed", "failed", "errored"))
    for one in run["per_testing_criteria_results"]:
        name = shortened(bare_name(one["testing_criteria"]), 50).plain
        table.add_row(name, *(f"{one[key]:,}" for key in ("passed", "failed", "errored")))
    if table.row_count:
        parts += ["", table]
    for one in run["per_model_usage"]:
        calls, tokens = one["invocation_count"], one["total_tokens"]
        parts.append(Text(f"{clean(one['model_name'])}: {calls:,} calls, {tokens:,} tokens", "dim"))
    if first:
        parts += ["", Text("rows to read first", "bold")]
    for item in first:
        line = f"{item['datasource_item_id']:>6}  {item['status']:<5}  "
        parts.append(Text(line + shortened(_reason(item), 100).plain))
    return Group(*parts)


def _reason(item: Mapping[str, Any]) -> str:
    """Return what is wrong with a row: its error, or the criteria that it has not passed."""
    sample = item["sample"]
    error = sample.get("error") if isinstance(sample, dict) else None
    if isinstance(error, dict):
        return str(error.get("message"))
    said = []
    for one in item["results"]:
        name, why = bare_name(str(one["name"])), one.get("error")
        if isinstance(why, dict):
            said.append(f"{name}: {why.get('message')}")
        elif one["status"] != "pass":
            said.append(f"{name} {number(one['score'])}")
    return "; ".join(said) or ("no results" if not item["results"] else "")


def items_view(items: Sequence[Mapping[str, Any]], *, more: bool) -> RenderableType:
    """Show output items, one a line: what was graded, and each result."""
    parts: list[RenderableType] = []
    for one in items:
        line = Text.assemble(
            f"{one['datasource_item_id']:>6}  ", (one["status"].ljust(5), _STYLES.get(one["status"], "")),
            f"  {one['id']}",
        )  # fmt: skip
        parts.append(line)
        for result in one["results"]:
            said = Text(
                f"        {shortened(str(result['name']), 60).plain}: {_score(result['score'])}  "
            )
            said.append(str(result.get("status")), _STYLES.get(str(result.get("status")), ""))
            if result.get("error"):
                error = result["error"]
                message = error.get("message") if isinstance(error, dict) else error
                said.append(f"  {shortened(str(message), _SHOWN).plain}", "dim")
            parts.append(said)
    return Group(*(parts or [Text("no output items")]), *_more(items, more=more))


def comparison_view(found: Comparison, title: str) -> RenderableType:
    """Show old against new: figures of each criterion, why, and the rows to read first."""
    headings = ("compared", "equal", "differ", "largest", "flipped", "one side")
    table = columns("criterion", "type", figures=headings)
    table.columns[1].no_wrap = True
    notes: list[RenderableType] = []
    for one in found.figures:
        label = shortened(one.key, 50)
        if one.skipped:
            table.add_row(label, clean(one.type), "–")
            notes.append(_said(one, f"not compared: {one.skipped}"))
            continue
        style = "red" if one.faulty else ""
        table.add_row(
            label, clean(one.type), f"{one.compared:,}", f"{one.equal + one.rounded:,}",
            Text(f"{one.differ:,}", style), _largest(one),
            Text(f"{one.flipped:,}", "red" if one.flipped else ""), f"{one.lost + one.gained:,}",
        )  # fmt: skip
        if one.why and (one.exact or one.differ):
            notes.append(_said(one, one.why))
        if one.gained:
            notes.append(_said(one, f"{one.gained:,} have a score here and none there"))
    for name, count in found.strangers.items():
        notes.append(
            Text(f"{clean(name)}: {count:,} results that are of no criterion of the eval", "yellow")
        )
    parts: list[RenderableType] = [
        Text.assemble((title, "bold"), f"  {_many(found.items, 'output item')}, graded again"), "", table,
    ]  # fmt: skip
    parts += ["", *notes] if notes else []
    if found.first:
        parts += ["", Text("rows to read first", "bold")]
        for delta in found.first:
            parts += _delta(delta)
    return Group(*parts, "", _verdict(found))


def _said(one: Figures, says: str) -> Text:
    return Text.assemble((f"{clean(one.key)}: ", "bold"), clean(says))


def _largest(one: Figures) -> str:
    return number(one.largest) if one.differ else "–"


def _delta(one: RowDelta) -> Iterator[RenderableType]:
    words = {True: "pass", False: "fail", None: "no verdict"}
    line = Text.assemble(
        f"  row {one.place:,}  {clean(one.id)}  ", (clean(one.criterion), "bold"),
        f"  {_score(one.old)} → {_score(one.new)}",
    )  # fmt: skip
    if one.old_passed != one.new_passed:
        line.append(f"  {words[one.old_passed]} → {words[one.new_passed]}", "red")
    yield line
    if one.says:
        yield Text(f"      {shortened(one.says, _SHOWN).plain}", "yellow")
    for name, text in one.fields.items():
        yield Text(f"      {name:<9}  {shortened(text, _SHOWN).plain}", "dim")


def _verdict(found: Comparison) -> Text:
    faulty = [clean(one.key) for one in found.figures if one.faulty]
    if faulty:
        return Text(f"differ though no model has a say in them: {', '.join(faulty)}", "bold red")
    equal = [one for one in found.figures if one.exact and one.compared and not one.skipped]
    if not equal:
        return Text("no criterion was compared that must be equal", "bold yellow")
    what = "the one criterion" if len(equal) == 1 else f"all {len(equal):,} criteria"
    short = any(one.rounded for one in equal)
    how = "equal as far as the exported scores go" if short else "equal to the last bit"
    return Text(f"{what} without a model: {how}", "bold green")


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}" + ("" if count == 1 else "s")


def _score(value: float | None) -> str:
    return "none" if value is None else repr(value)


def _lines(rows: Sequence[tuple[str, ...]], otherwise: str) -> Iterator[RenderableType]:
    if len(rows) == 1:
        yield Text(otherwise)
        return
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for place, row in enumerate(rows):
        line = Text(style="" if place else "bold")
        for text, width in zip(row[:-1], widths, strict=False):
            line.append(text.ljust(width + 2), _STYLES.get(text, ""))
        line.append(row[-1])
        yield line


def _more(entries: Sequence[Mapping[str, Any]], *, more: bool) -> Iterator[RenderableType]:
    if more and entries:
        yield Text(f"there are more: --after {entries[-1]['id']}", "dim")


def _moment(seconds: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))

"""What `graders watch` shows after each save, as terminal text and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from graders.errors import ConfigError, shown
from graders.inspection.moved import Graded, Moved, Seen, compared
from graders.report.suite import SuiteRun, suite_view
from graders.report.terminal import number

__all__ = ["one_sentence", "round_json", "round_view", "tested_view"]

_ANSWER: Final = 40


def one_sentence(error: Exception) -> str:
    """Return an error as one line: of a config its first fault, and how many more there are."""
    if isinstance(error, ConfigError) and error.faults:
        first = str(error.faults[0]).partition("\n")[0]
        more = len(error.faults) - 1
        also = f"; {more} more fault{'' if more == 1 else 's'}" if more else ""
        return f"{error.source}: {first}{also}"
    return " ".join(str(error).split())


def tested_view(run: SuiteRun, before: SuiteRun | None) -> RenderableType:
    """Show a run of a suite; of one whose tests end as before, a line."""
    if run.error:
        lines = [line.strip() for line in run.error.splitlines()]
        return Text(f"{run.path}: not run: {lines[min(1, len(lines) - 1)]}", "red")
    if before is None or before.error:
        return suite_view(run)
    failed, was = ([one.test.name for one in each.failed] for each in (run, before))
    if failed and failed == was:
        return Text(
            f"{run.path}  {len(run.outcomes):,} tests, {len(failed):,} failed as before", "red"
        )
    mended = [name for name in was if name not in failed]
    passing = [Text(f"passes again: {', '.join(map(shown, mended))}", "green")] if mended else []
    return Group(suite_view(run), *passing)


def round_view(
    name: str, kind: str, after: Graded, before: Graded | None, *, most: int
) -> RenderableType:
    """Show a grading: its figures, and beside an earlier one which rows moved.

    Args:
        name: the grader's name.
        kind: its type.
        after: the rows as they are graded now.
        before: as they were; None for the first time.
        most: how many rows are listed at the most.
    """
    count = f"{len(after.rows):,} row{'' if len(after.rows) == 1 else 's'}"
    count += ", of more" if after.more else ""
    if before is None:
        figures = f"{count}, mean reward {_number(after.mean)}, {after.failed:,} failed"
        return Text.assemble((shown(name), "bold"), f" ({kind}): {figures}")
    moved = compared(before, after)
    if not moved:
        return Text(f"no reward moved: {count}, mean reward {_number(after.mean)}", "dim")
    line = Text.assemble(
        (f"{len(moved):,} of {count} moved", "bold"),
        f": mean reward {_change(before.mean, after.mean)}",
        f", failed {before.failed:,} → {after.failed:,}" if before.failed != after.failed else "",
    )
    more = len(moved) - most
    rest = [Text(f"  and {more:,} more", "dim")] if more > 0 else []
    return Group(line, _table(moved[:most]), *rest)


def _table(moved: Sequence[Moved]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(style="dim")
    for one in moved:
        seen = one.after or one.before
        answer = "" if seen is None else shown(seen.answer, _ANSWER)
        table.add_row("  " + shown(one.label, 24), _both(one), answer)
    return table


def _both(moved: Moved) -> Text:
    better = moved.size < float("inf") and _reward(moved.after) > _reward(moved.before)
    lost = moved.after is None or moved.after.reward is None
    style = (
        "red"
        if lost or not (better or moved.before is None or moved.before.reward is None)
        else "green"
    )
    return Text(f"{_said(moved.before)} → {_said(moved.after)}", style)


def _reward(seen: Seen | None) -> float:
    return 0.0 if seen is None or seen.reward is None else seen.reward


def _said(seen: Seen | None) -> str:
    if seen is None:
        return "not there"
    return ", ".join(dict.fromkeys(seen.codes)) if seen.reward is None else number(seen.reward)


def _number(value: float | None) -> str:
    return "none" if value is None else number(value)


def _change(before: float | None, after: float | None) -> str:
    text = f"{_number(before)} → {_number(after)}"
    return text if before is None or after is None else f"{text} ({after - before:+.4f})"


def round_json(changed: Sequence[str], after: Graded, before: Graded | None) -> dict[str, Any]:
    """Return a grading as a line of JSON; `moved` is null for the first time."""
    moved = None if before is None else [one.to_dict() for one in compared(before, after)]
    return {
        "event": "graded", "changed": list(changed), "rows": len(after.rows), "more": after.more,
        "failed": after.failed, "mean_of_scored": after.mean, "moved": moved,
    }  # fmt: skip

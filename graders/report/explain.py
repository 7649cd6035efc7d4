"""What a code means, as terminal text; JSON that is short enough stands on a line."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.text import Text

from graders.inspection.meaning import Meaning
from graders.report.text import clean, columns

__all__ = ["compact", "meaning_view", "meanings_view"]

_WIDTH: Final = 76
_MOST_ROWS: Final = 4


def meaning_view(one: Meaning) -> RenderableType:
    """Show what a code means, why, what to do, and an example."""
    named = f" {one.name}" if one.name else ""
    parts: list[RenderableType] = [Text.assemble((one.code, "bold"), f"{named}: {one.sort}"), ""]
    table = columns("", "")
    table.show_header = False
    for word, said in (("what", one.what), ("why", one.why), ("cure", one.cure)):
        if said:
            table.add_row(Text(word, "bold"), said)
    parts += [table, "", *_example(one)]
    return Group(*parts, "", Text(f"more: {one.page}", "dim"))


def _example(one: Meaning) -> Iterator[RenderableType]:
    case = one.case
    yield Text("example", "bold")
    if case.grader is not None:
        source = case.grader.get("source") if isinstance(case.grader, dict) else None
        if isinstance(source, str):
            yield from _block("the source of a python grader:", source.rstrip("\n"))
        else:
            yield from _block("grader.json:", compact(case.grader, width=_WIDTH - 4))
    if case.body:
        yield from _block("and in the body of the job:", compact(case.body, width=_WIDTH - 4))
    if case.row:
        yield from _block("rows.jsonl:", _told(case.row))
    for what, rows in (("rows:", case.rows), ("validation rows:", case.validation)):
        if rows is not None:
            yield from _block(what, _lines(rows))
    if case.reply:
        yield from _block("the answer:", case.reply)
    if case.words:
        yield from _block("command:", case.words)
    if case.note:
        yield Text(f"  {case.note}")


def _block(what: str, text: str) -> Iterator[Text]:
    yield Text(f"  {what}", "dim")
    yield from (Text(f"    {clean(line)}") for line in text.split("\n"))


def _told(line: str) -> str:
    """Return a line as it is, or over several where it is JSON and wider than the page."""
    try:
        return line if len(line) <= _WIDTH else compact(json.loads(line), width=_WIDTH - 4)
    except ValueError:
        return line


def _lines(rows: Any) -> str:
    shown = [compact(row, width=_WIDTH - 4) for row in rows[:_MOST_ROWS]]
    shown = [text if len(text) <= 600 else f"{text[:599]}…" for text in shown]
    more = len(rows) - len(shown)
    return "\n".join([*shown, *([f"… and {more:,} more"] if more else [])]) or "(none)"


def meanings_view(every: Iterable[Meaning]) -> RenderableType:
    """List codes by their sorts, a line each."""
    parts: list[RenderableType] = []
    for sort, ones in groupby(every, lambda one: one.sort):
        table = columns("code", "what")
        table.show_header = False
        for one in ones:
            table.add_row(one.code, one.name or one.what)
        parts += [Text(sort, "bold"), table, ""]
    return Group(*parts, "graders explain CODE says why, with an example and the cure.")


def compact(value: Any, indent: int = 0, *, width: int) -> str:
    """Return JSON with whatever is short on one line."""
    line = json.dumps(value, ensure_ascii=False)
    if len(line) + indent <= width or not isinstance(value, dict | list) or not value:
        return line
    pad = " " * (indent + 2)
    if isinstance(value, dict):
        inner = [
            f"{pad}{json.dumps(key, ensure_ascii=False)}: {compact(child, indent + 2, width=width)}"
            for key, child in value.items()
        ]
        opened, closed = "{", "}"
    else:
        inner = [f"{pad}{compact(child, indent + 2, width=width)}" for child in value]
        opened, closed = "[", "]"
    return f"{opened}\n" + ",\n".join(inner) + f"\n{' ' * indent}{closed}"

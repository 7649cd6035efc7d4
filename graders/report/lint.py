"""Findings of the linter as terminal text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rich.console import Group, RenderableType
from rich.text import Text

from graders.errors import shown
from graders.inspection.lint import Finding
from graders.report.text import hint

__all__ = ["findings_view"]

_STYLES: Final = {"error": "bold red", "warning": "bold yellow", "info": "dim"}
_LONGEST: Final = 1000


def findings_view(findings: Sequence[Finding]) -> RenderableType:
    """Show findings, three lines each: place and sentence, path, fix. An info has one line."""
    parts: list[RenderableType] = []
    for one in findings:
        where = shown(one.file, 200)
        where += "".join(f":{part}" for part in (one.line, one.column) if part is not None)
        line = Text(f"{where}: ")
        line.append(f"{one.severity} {one.code}", _STYLES[one.severity])
        line.append(f" {shown(one.message, _LONGEST)}")
        parts.append(line)
        if one.severity != "info":
            parts.append(Text(f"    {shown(one.path, 200)}", "dim"))
            parts.append(Text(f"    fix: {shown(one.fix, _LONGEST)}"))
    count = _count(findings)
    if findings:
        worst = min(findings, key=lambda one: list(_STYLES).index(one.severity))
        count = Text.assemble(count, "; ", hint(worst.code))
    return Group(*parts, count)


def _count(findings: Sequence[Finding]) -> Text:
    counts = {name: sum(one.severity == name for one in findings) for name in _STYLES}
    said = [
        f"{count:,} {name}{'s' if count != 1 and name != 'info' else ''}"
        for name, count in counts.items()
        if count
    ]
    return Text(", ".join(said), "bold") if said else Text("no findings", "green")

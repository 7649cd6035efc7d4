"""Help that one can read: options by their subject, those that matter most first, no line too wide."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import click

from graders.option import GROUPS

__all__ = ["Command", "Flag"]

_FIRST: Final = "Used most"


class Flag(click.Option):
    """An option of a command, with the subject that help shows it under.

    Args:
        group: one of `graders.option.GROUPS`.
        more: what a `click.Option` takes.
    """

    def __init__(self, *args: Any, group: str, **more: Any) -> None:
        super().__init__(*args, **more)
        self.group = group


class Command(click.Command):
    """A command with so many options that its help shows them by subject.

    Args:
        first: the options that matter most, by their names without hyphens; help begins with them.
        more: what a `click.Command` takes.
    """

    def __init__(self, *args: Any, first: Sequence[str], **more: Any) -> None:
        super().__init__(*args, **more)
        self.first = tuple(first)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options: those that matter most, then the others, each under its subject."""
        parts: dict[str, list[tuple[str, str]]] = {_FIRST: [], **{one: [] for one in GROUPS}}
        others: list[tuple[str, str]] = []
        flags = {one.name: one for one in self.get_params(ctx) if isinstance(one, click.Option)}
        for name in (*self.first, *(one for one in flags if one not in self.first)):
            group = _FIRST if name in self.first else getattr(flags[name], "group", "")
            if (record := flags[name].get_help_record(ctx)) is not None:
                parts.get(group, others).append(record)
        for title, records in {**parts, "Others": others}.items():
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)

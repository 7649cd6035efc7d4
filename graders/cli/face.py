"""How a command shows what it found: as text, as JSON, as Markdown; and in GitHub's step summary."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final, Literal, TypeVar

import click
from rich.console import Group, RenderableType

from graders.cli.help import Flag
from graders.cli.option import json_option
from graders.cli.output import say, write_json
from graders.report.markdown import markdown, within
from graders.report.terminal import write_view

__all__ = ["Face", "face_options"]

Function = TypeVar("Function", bound=Callable[..., Any])
Form = Literal["text", "json", "markdown"]

_ROOM: Final = 1_000_000
"""Bytes of a step's summary: of more than 1 MiB GitHub shows nothing at all."""
_NAMED: Final = "GITHUB_STEP_SUMMARY"


@dataclass(frozen=True, slots=True)
class Face:
    """What a command line says of how results are shown.

    Attributes:
        form: what is printed.
        step_summary: whether Markdown is added to GitHub's step summary, too.
    """

    form: Form
    step_summary: bool = False

    def write(
        self, view: RenderableType, body: Any, title: str, stream: IO[str],
        said: Sequence[str] = (),
    ) -> None:  # fmt: skip
        """Show what was found.

        Args:
            view: for people.
            body: for machines.
            title: of it, where it stands among others.
            stream: where it is printed.
            said: sentences that standard error has besides, which a page would lack.
        """
        page = Group(view, "", *said)
        if self.form == "json":
            write_json(body, stream)
        elif self.form == "markdown":
            stream.write(markdown(page, title))
        else:
            write_view(view, stream)
        if self.step_summary:
            _add(markdown(page, title))


def _add(text: str) -> None:
    named = os.environ.get(_NAMED, "")
    if not named:
        say(f"note: --step-summary: {_NAMED} is not set, as it is in a step of GitHub Actions")
        return
    try:
        with Path(named).open("ab") as file:
            file.write(within(text, _ROOM - file.tell()).encode())
    except (OSError, ValueError) as error:
        # What was found is said already, and counts.
        say(f"note: --step-summary: {named} cannot be written: {getattr(error, 'strerror', None) or error}")  # fmt: skip


def face_options(function: Function) -> Function:
    """Add how results are shown, as one `face` argument."""

    @functools.wraps(function)
    def wrapped(*args: Any, form: Form, as_json: bool, step_summary: bool, **kwargs: Any) -> Any:
        if as_json and form == "markdown":
            raise click.UsageError("--json and --format markdown exclude each other.")
        return function(*args, face=Face("json" if as_json else form, step_summary), **kwargs)

    wrapped = click.option(
        "--step-summary", is_flag=True, cls=Flag, group="Results",
        help=f"Add it to GitHub's step summary too, which ${_NAMED} names.",
    )(wrapped)  # fmt: skip
    wrapped = json_option(wrapped)
    return click.option(
        "--format", "form", type=click.Choice(["text", "json", "markdown"]), default="text",
        show_default=True, cls=Flag, group="Results", help="How what was found is printed.",
    )(wrapped)  # type: ignore[return-value]  # fmt: skip

"""`graders explain`: what a code means, with an example and the cure."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from graders.cli.option import completed, json_option
from graders.cli.output import write_json

__all__ = ["explain"]

_EPILOG = """\b
Examples:
  graders explain
  graders explain invalid_variable_error
  graders explain G205
  graders explain exit 2

A code is that of a failure, a lint rule, a job, the server, an exit code, or the name of an attack of graders probe."""


def _codes() -> list[str]:
    from graders.inspection.meaning import every  # noqa: PLC0415  (numpy)

    return list(every())


@click.command(epilog=_EPILOG, short_help="Say what a code means, why, and what to do.")
@click.argument("code", nargs=-1, shell_complete=completed(_codes))
@json_option
def explain(code: Sequence[str], *, as_json: bool) -> int:
    """Say what CODE means, with an example and the cure; list all of them without CODE.

    Everything is known here: nothing is looked up elsewhere.
    """
    # These load numpy, which no other command should have to wait for.
    from graders.inspection.meaning import beginning_with, every, meaning_of  # noqa: PLC0415
    from graders.report.explain import meaning_view, meanings_view  # noqa: PLC0415
    from graders.report.terminal import write_view  # noqa: PLC0415

    several = beginning_with(" ".join(code)) if code else every().values()
    if several:
        if as_json:
            write_json([one.to_dict() for one in several])
        else:
            write_view(meanings_view(several), sys.stdout)
        return 0
    found = meaning_of(" ".join(code))
    if as_json:
        write_json(found.to_dict())
    else:
        write_view(meaning_view(found), sys.stdout)
    return 0

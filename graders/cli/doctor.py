"""`graders doctor`: what this machine gives to the sandbox, and which models of ours are here."""

from __future__ import annotations

import sys
from dataclasses import asdict

import click

from graders.cli.option import json_option
from graders.cli.output import write_json
from graders.models import missing_models
from graders.report.terminal import console, machine_view
from graders.sandbox import LEVELS, probe, promises

__all__ = ["doctor"]

_EPILOG = """\b
Examples:
  graders doctor
  graders doctor --json"""


@click.command(epilog=_EPILOG, short_help="Say how safely python graders run on this machine.")
@json_option
def doctor(*, as_json: bool) -> int:
    """Show what this machine gives to the sandbox of python graders, and what that promises.

    Also says whether the two models of the extra `models` are installed: the small judge and the
    embeddings of `local`.

    Exits with 1 when no level at or above standard is available: python graders then refuse to run
    unless a lower level is asked for by name.
    """
    report = probe()
    if as_json:
        body = {
            **asdict(report),
            "levels": {level: asdict(promises(level)) for level in LEVELS},
            "models": missing_models(),
        }
        write_json(body)
    else:
        console(sys.stdout).print(machine_view(report, missing_models()), crop=False)
    return 0 if report.default is not None else 1

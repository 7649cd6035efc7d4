"""`graders doctor`: what this machine gives to the sandbox, which models and which core are here, what others add."""

from __future__ import annotations

import sys
from dataclasses import asdict

import click

from graders.cli.option import json_option
from graders.cli.output import write_json
from graders.extension import Extension, installed
from graders.metrics import native_core
from graders.models import missing_models
from graders.report.terminal import machine_view, write_view
from graders.sandbox import LEVELS, PythonOptions, lacks, probe, promises

__all__ = ["doctor"]

_EPILOG = """\b
Examples:
  graders doctor
  graders doctor --json"""


@click.command(epilog=_EPILOG, short_help="Say how safely python graders run on this machine.")
@json_option
def doctor(*, as_json: bool) -> int:
    """Show what this machine gives to the sandbox of python graders, and what that promises.

    Says what is missing with the default limits, and which option of a container gives it. Also says whether the two models of the extra `models` are installed, the small judge and the
    embeddings of `local`, whether the native core counts the text metrics, and what other packages
    add: each is loaded, and what is wrong with one is said.

    Exits with 1 when no level at or above standard is available: python graders then refuse to run
    unless a lower level is asked for by name.
    """
    report = probe()
    if as_json:
        body = {
            **asdict(report),
            "lacks": lacks(PythonOptions()),
            "levels": {level: asdict(promises(level)) for level in LEVELS},
            "models": missing_models(),
            "native": native_core().to_dict(),
            "extensions": [{**asdict(one), "problem": problem} for one, problem in _extensions()],
        }
        write_json(body)
    else:
        view = machine_view(
            report, missing_models(), native_core(), _extensions(), lacks(PythonOptions())
        )
        write_view(view, sys.stdout)
    return 0 if report.default is not None else 1


def _extensions() -> list[tuple[Extension, str]]:
    """Return what other packages add, each with why it cannot be used, "" where it can."""
    if not installed():
        return []
    from graders.cli.extended import extensions  # noqa: PLC0415  (it loads numpy)

    return extensions()

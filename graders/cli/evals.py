"""`graders evals`: evals of the hosted API on this machine, on the same store that a server uses."""

from __future__ import annotations

import click

from graders.cli.evals_look import cancel, delete, items, list_evals, show_one
from graders.cli.evals_move import compare, export, import_, report
from graders.cli.evals_run import resume, run

__all__ = ["evals"]

_EPILOG = """\b
Examples:
  graders evals import export/
  graders evals compare evalrun_…
  graders evals run eval.json run.json -o results.jsonl
  graders evals report evalrun_… -o report.html
  graders evals list
  graders evals export eval_… -o folder --as folder

EVAL and RUN are ids in the store, or bodies as evals.create and
evals.runs.create take them, as JSON or YAML.

Exit codes: 0 done, 1 something was not imported, a criterion without a model
differs, or a run failed or has items without a verdict, 2 bad usage or a
refused body, 130 interrupted."""


class _Group(click.Group):
    """Keeps the order of its commands."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(self.commands)


@click.group(cls=_Group, epilog=_EPILOG, short_help="Move evals in, run them, and look at them.")
def evals() -> None:
    """Evals of the hosted Evals API: brought along, compared, run and written out again.

    Everything is kept in one folder, which `graders serve` shares.
    """


for _command in (
    import_, compare, report, run, list_evals, show_one, items, export, resume, cancel, delete,
):  # fmt: skip
    evals.add_command(_command)

"""`graders evals list`, `show`, `items`, `cancel` and `delete`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from graders.cli.evals_store import found, opened, run_named, show
from graders.cli.option import data_dir_option, json_option
from graders.cli.output import write_json

__all__ = ["cancel", "delete", "items", "list_evals", "show_one"]

_MOST: Final = 100

Function = TypeVar("Function", bound=Callable[..., Any])


def _id_argument(function: Function) -> Function:
    return click.argument("name", metavar="ID")(function)


@click.command(name="list", short_help="List evals, or the runs of one, the newest first.")
@click.argument("name", metavar="[EVAL]", required=False)
@click.option("--limit", type=click.IntRange(1, _MOST), default=20, show_default=True, metavar="N",
              help="List so many at most.")  # fmt: skip
@click.option("--after", metavar="ID", help="Go on after this one.")
@data_dir_option
@json_option
def list_evals(
    name: str | None, *, limit: int, after: str | None, data_dir: Path, as_json: bool
) -> int:
    """List evals, the newest first; with EVAL, its runs."""
    from graders.report.evals import evals_view, runs_view  # noqa: PLC0415

    with opened(data_dir) as kept:
        if name is None:
            entries, more = kept.list(after, limit, "desc")
        else:
            entries, more = kept.list_runs(found(kept, name)[0], after, limit, "desc")
    if as_json:
        write_json({"object": "list", "data": entries, "has_more": more})
    else:
        show((evals_view if name is None else runs_view)(entries, more=more))
    return 0


@click.command(name="show", short_help="Show an eval with its runs, or a run's figures.")
@_id_argument
@data_dir_option
@json_option
def show_one(name: str, *, data_dir: Path, as_json: bool) -> int:
    """Show the eval ID with its runs, or the run ID with the rows to read first."""
    from graders.evals.look import every_run, to_read  # noqa: PLC0415
    from graders.report.evals import eval_view, run_view  # noqa: PLC0415

    with opened(data_dir) as kept:
        of, run = found(kept, name)
        one = kept.get(of) if run is None else kept.get_run(of, run)
        runs = every_run(kept, of) if run is None else []
        first = [] if run is None else to_read(kept, one)
    if as_json:
        write_json(one)
    else:
        show(eval_view(one, runs[::-1]) if run is None else run_view(one, first))
    return 0


@click.command(name="items", short_help="List the output items of a run.")
@click.argument("name", metavar="RUN")
@click.option("--status", type=click.Choice(("pass", "fail", "error")), help="Only such items.")
@click.option("--limit", type=click.IntRange(1, _MOST), default=20, show_default=True, metavar="N",
              help="List so many at most.")  # fmt: skip
@click.option("--after", metavar="ID", help="Go on after this one.")
@data_dir_option
@json_option
def items(
    name: str, *, status: str | None, limit: int, after: str | None, data_dir: Path, as_json: bool
) -> int:
    """List the output items of RUN in the order of its rows."""
    from graders.report.evals import items_view  # noqa: PLC0415

    with opened(data_dir) as kept:
        entries, more = kept.list_items(*run_named(kept, name), after, limit, "asc", status)
    if as_json:
        write_json({"object": "list", "data": entries, "has_more": more})
    else:
        show(items_view(entries, more=more))
    return 0


@click.command(name="cancel", short_help="Cancel a run.")
@click.argument("name", metavar="RUN")
@data_dir_option
@json_option
def cancel(name: str, *, data_dir: Path, as_json: bool) -> int:
    """Cancel RUN; whoever runs it stops soon, and what was graded is kept."""
    from graders.report.evals import run_view  # noqa: PLC0415

    with opened(data_dir) as kept:
        run = kept.cancel_run(*run_named(kept, name))
    if as_json:
        write_json(run)
    else:
        show(run_view(run))
    return 0


@click.command(name="delete", short_help="Delete an eval with its runs, or one run.")
@click.argument("names", metavar="ID...", nargs=-1, required=True)
@click.option("--yes", is_flag=True, help="Do not ask.")
@data_dir_option
@json_option
def delete(names: Sequence[str], *, yes: bool, data_dir: Path, as_json: bool) -> int:
    """Delete evals with their runs, or single runs with their output items."""
    with opened(data_dir) as kept:
        every = [(name, *found(kept, name)) for name in names]
        if not yes and not click.confirm(f"delete {', '.join(names)}?", err=True):
            return 1
        for name, of, run in every:
            gone = kept.delete(of) if run is None else kept.delete_run(of, run)
            if as_json:
                write_json(gone)
            else:
                click.echo(f"deleted {name}")
    return 0

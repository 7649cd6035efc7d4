"""`graders merge`: parts of results made one file, or results a Parquet file."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import click

from graders import api
from graders.cli.face import Face, face_options
from graders.cli.help import Command, Flag
from graders.cli.option import file_name
from graders.cli.output import write_file
from graders.cli.usage import Somewhere
from graders.errors import OptionError
from graders.remote import Place, named
from graders.report.terminal import run_view

__all__ = ["merge"]

_EPILOG = """\b
Examples:
  graders merge results -o results.jsonl
  graders merge s3://bucket/results -o s3://bucket/results.parquet
  graders merge results.jsonl -o results.parquet

SHARDS is the folder that graders score --shards or --shard wrote, or one file of results. The
file is the bytes that one run gives."""


@click.command(
    cls=Command, first=("output", "summary_file", "as_json"), epilog=_EPILOG,
    short_help="Make one file of the parts of a run, or Parquet.",
)  # fmt: skip
@click.argument("shards", metavar="SHARDS", type=file_name)
@click.option(
    "-o", "--output", required=True, metavar="FILE", cls=Flag, group="Results",
    help="Where it goes: result lines, or Parquet where the name ends in .parquet.",
)  # fmt: skip
@click.option(
    "--summary", "summary_file", metavar="FILE", type=Somewhere(dir_okay=False), cls=Flag,
    group="Results", help="Write the summary there, as JSON.",
)  # fmt: skip
@face_options
def merge(shards: str, *, output: str, summary_file: Place | None, face: Face) -> int:
    """Make one file of SHARDS, in the order of the rows.

    Nothing is written where a part is missing, is of another run, or is not what its manifest says.
    """
    if output == "-":
        raise OptionError("merge writes a file; give -o a name")
    began = time.perf_counter()
    target = named(output)
    if isinstance(target, Path) and target.is_dir():
        raise OptionError(f"{target} is a folder; give -o the name of a file")
    run, manifest = api.merge_shards(named(shards), target)
    known = manifest["grader"]
    body = {
        **run.to_dict(),
        "name": known["name"],
        "type": known["type"],
        "signatures": manifest["metrics"],
    }
    if summary_file is not None:
        write_file(summary_file, body)
    view = run_view(
        run, name=known["name"], type=known["type"], output=str(target),
        signatures=manifest["metrics"], seconds=time.perf_counter() - began, notes=[],
    )  # fmt: skip
    face.write(view, body, f"graders merge: {known['name']}", sys.stdout)
    return 0

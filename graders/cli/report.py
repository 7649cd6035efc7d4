"""`graders report`: what a file of results says, on the terminal or as one HTML file."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

import click

from graders.api import Grader
from graders.batch.manifest import manifest_of, read_manifest
from graders.cli.option import json_option
from graders.cli.output import say, write_json
from graders.config import load_source
from graders.errors import OptionError
from graders.reading import Reading
from graders.report.finding import Notice, read_finding, read_json
from graders.report.html import build
from graders.report.terminal import finding_view, write_view
from graders.rows import Layout, find_source

__all__ = ["report"]

_EPILOG = """\b
Examples:
  graders report results.jsonl
  graders report results.jsonl -o report.html
  graders report results.jsonl -o report.html --rows rows.jsonl
  graders report results.jsonl -o report.html --probe probe.json

The file is one page that loads nothing: it can be mailed, kept, or opened offline."""

_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command(epilog=_EPILOG, short_help="Show what results say, as text or one HTML file.")
@click.argument("results", metavar="RESULTS", type=_FILE)
@click.option(
    "-o", "--output", metavar="FILE", help="Write one HTML file there.  [default: show text]"
)
@click.option(
    "--rows",
    multiple=True,
    metavar="ROWS",
    help="The rows that were scored, to show items and samples; may be given several times.",
)
@click.option("--grader", metavar="GRADER", help="The grader, to show rendered inputs.")
@click.option(
    "--item-path", metavar="PATH", help="Where in a row the item stands.  [default: as scored]"
)
@click.option(
    "--sample-path", metavar="PATH", help="Where in a row the sample stands.  [default: as scored]"
)
@click.option("--summary", metavar="FILE", type=_FILE, help="What score --summary wrote.")
@click.option("--diff", metavar="FILE", type=_FILE, help="What diff --json printed.")
@click.option("--probe", metavar="FILE", type=_FILE, help="What probe --json printed.")
@click.option("--title", metavar="TEXT", help="The page's heading.  [default: the grader's name]")
@json_option
def report(
    results: Path,
    *,
    output: str | None,
    rows: Sequence[str],
    grader: str | None,
    item_path: str | None,
    sample_path: str | None,
    summary: Path | None,
    diff: Path | None,
    probe: Path | None,
    title: str | None,
    as_json: bool,
) -> int:
    """Show what RESULTS, a file of `graders score`, says.

    Without -o it is text for the terminal. Figures are exact over all rows; of more than 2,000 rows,
    a sample can be looked at: failed, lowest, highest, and some of every rank.
    """
    if output is None and (rows or diff or probe or title):
        raise click.UsageError("--rows, --diff, --probe and --title are for a page: give -o too.")
    if grader is not None and output is not None and not rows:
        raise click.UsageError("--grader renders the inputs of rows: give --rows too.")
    known = None if summary is None else read_json(summary, "--summary")
    appendices = [
        (name, heading, read_json(path, f"--{name}"))
        for name, heading, path in (("diff", "Differences", diff), ("probe", "Probes", probe))
        if path is not None
    ]
    ready = None if grader is None else _grader(grader, results)
    marks = None if ready is None else {leaf.key: leaf.passes_at for leaf in ready.plan.leaves}
    finding = read_finding(results, marks=marks, summary=known)
    if output is None:
        if as_json:
            write_json(finding.to_dict())
        else:
            write_view(finding_view(finding), sys.stdout)
        return 0
    source = find_source(rows) if rows else None
    inputs = [results, summary, diff, probe, *(source.paths if source else ())]
    _check_apart(output, [path for path in inputs if path is not None])
    layout = _layout(finding, item_path, sample_path)
    made, notes = build(
        finding, source=source, layout=layout, grader=ready, appendices=appendices, title=title
    )
    _write(output, made)
    for note in notes:
        say(f"note: {note}")
    if as_json and output != "-":
        write_json(finding.to_dict())
    return 0


def _grader(source: str, results: Path) -> Grader:
    """Return the grader, with the reading that the results were made with."""
    options = (read_manifest(manifest_of(results.resolve())) or {}).get("options", {})
    known = {one.name: options[one.name] for one in fields(Reading) if one.name in options}
    reading = Reading(**known)
    return Grader(load_source(source, dialect=reading.dialect), reading=reading)


def _layout(finding: Notice, item_path: str | None, sample_path: str | None) -> Layout:
    """Return where item and sample stand: as is said, else as they were scored."""
    options = finding.manifest.get("options", {})
    said = Layout.parse(item_path or "item", sample_path or "sample")
    return Layout(
        said.item if item_path else tuple(options.get("item_path", said.item)),
        said.sample if sample_path else tuple(options.get("sample_path", said.sample)),
        options.get("cells") == "typed",
    )


def _check_apart(output: str, inputs: Sequence[Path]) -> None:
    """Refuse to write over what is read."""
    target = Path(output)
    if target.exists() and any(path.exists() and target.samefile(path) for path in inputs):
        raise OptionError(f"{output} is what is read; the page would replace it")


def _write(output: str, made: bytes) -> None:
    """Write the page whole or not at all, to a file or to standard output."""
    if output == "-":
        sys.stdout.flush()
        sys.stdout.buffer.write(made)
        return
    target = Path(output)
    try:
        if target.exists() and not target.is_file():
            target.write_bytes(made)  # A pipe or a device, where nothing can stand beside it.
            return
        beside = target.with_name(target.name + ".new")
        beside.write_bytes(made)
        beside.replace(target)
    except OSError as error:
        raise OptionError(f"{output}: {error.strerror or error}") from None

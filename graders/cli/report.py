"""`graders report`: what a file of results says, on the terminal or as one HTML file."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, Final

import click

from graders.api import Grader
from graders.batch.manifest import manifest_for, scored_by
from graders.cli.option import json_option
from graders.cli.output import say, write_json
from graders.cli.usage import Somewhere
from graders.config import load_source
from graders.errors import OptionError
from graders.reading import Reading
from graders.remote import Place, Remote, named
from graders.report.finding import read_finding, read_json
from graders.report.html import build
from graders.report.panel import finding_notes
from graders.report.terminal import finding_view, write_view
from graders.rows import Categories, Layout, Source, find_source, read_categories, written

__all__ = ["report"]

_EPILOG = """\b
Examples:
  graders report results.jsonl
  graders report results.jsonl -o report.html
  graders report results.jsonl -o report.html --rows rows.jsonl
  graders report results.jsonl -o report.html --probe probe.json

The file is one page that loads nothing: it can be mailed, kept, or opened offline."""

_APPENDICES: Final = {"diff": "Differences", "probe": "Probes", "agree": "Agreement with people"}
"""What other commands print as JSON, and the heading under which the page shows it."""

_FILE = Somewhere(dir_okay=False)


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
@click.option(
    "--by",
    metavar="PATH",
    help="Give figures by what stands there in a row, such as item.topic.  [default: as scored]",
)
@click.option("--summary", metavar="FILE", type=_FILE, help="What score --summary wrote.")
@click.option("--diff", metavar="FILE", type=_FILE, help="What diff --json printed.")
@click.option("--probe", metavar="FILE", type=_FILE, help="What probe --json printed.")
@click.option("--agree", metavar="FILE", type=_FILE, help="What agree --json printed.")
@click.option("--title", metavar="TEXT", help="The page's heading.  [default: the grader's name]")
@json_option
def report(
    results: Place,
    *,
    output: str | None,
    rows: Sequence[str],
    grader: str | None,
    item_path: str | None,
    sample_path: str | None,
    by: str | None,
    summary: Place | None,
    diff: Place | None,
    probe: Place | None,
    agree: Place | None,
    title: str | None,
    as_json: bool,
) -> int:
    """Show what RESULTS, a file of `graders score`, says.

    Without -o it is text for the terminal. Figures are exact over all rows; of more than 2,000 rows,
    a sample can be looked at: failed, lowest, highest, and some of every rank.
    """
    if output is None and ((rows and by is None) or diff or probe or agree or title):
        raise click.UsageError(
            "--rows, --diff, --probe, --agree and --title are for a page: give -o too."
        )
    if grader is not None and output is not None and not rows:
        raise click.UsageError("--grader renders the inputs of rows: give --rows too.")
    known = None if summary is None else read_json(summary, "--summary")
    appendices = [
        (name, heading, read_json(path, f"--{name}"))
        for (name, heading), path in zip(_APPENDICES.items(), (diff, probe, agree), strict=True)
        if path is not None
    ]
    ready = None if grader is None else _grader(grader, results)
    marks = None if ready is None else {leaf.key: leaf.passes_at for leaf in ready.plan.leaves}
    source = find_source(rows) if rows else None
    manifest = manifest_for(results) or {}
    layout = _layout(manifest, item_path, sample_path, by)
    categories = (
        None if by is None else _categories(source, manifest, layout, twice=output is not None)
    )
    finding = read_finding(results, marks=marks, summary=known, categories=categories, by=by)
    if output is None:
        if as_json:
            write_json(finding.to_dict())
        else:
            write_view(finding_view(finding, finding_notes(finding)), sys.stdout)
        return 0
    inputs = [results, summary, diff, probe, agree, *(source.paths if source else ())]
    _check_apart(output, [path for path in inputs if path is not None])
    made, notes = build(
        finding, source=source, layout=layout, grader=ready, appendices=appendices, title=title
    )
    _write(output, made)
    for note in notes:
        say(f"note: {note}")
    if as_json and output != "-":
        write_json(finding.to_dict())
    return 0


def _categories(
    source: Source | None, manifest: Mapping[str, Any], layout: Layout, *, twice: bool
) -> Categories | None:
    """Return the categories of the rows; None where the results name them themselves."""
    if source is None:
        if scored_by(manifest) == written(layout.by or ()):
            return None
        raise click.UsageError("--by reads the rows that were scored: give --rows too.")
    if source.is_stream and twice:
        raise click.UsageError("With --by a page reads --rows twice: save them to a file first.")
    return read_categories(source.blocks(1 << 18), layout)


def _grader(source: str, results: Place) -> Grader:
    """Return the grader, with the reading that the results were made with."""
    options = (manifest_for(results) or {}).get("options", {})
    known = {one.name: options[one.name] for one in fields(Reading) if one.name in options}
    reading = Reading(**known)
    return Grader(load_source(source, dialect=reading.dialect), reading=reading)


def _layout(
    manifest: Mapping[str, Any], item_path: str | None, sample_path: str | None, by: str | None
) -> Layout:
    """Return where item, sample and category stand: as is said, else as they were scored."""
    options = manifest.get("options", {})
    said = Layout.parse(item_path or "item", sample_path or "sample", by=by)
    return Layout(
        said.item if item_path else tuple(options.get("item_path", said.item)),
        said.sample if sample_path else tuple(options.get("sample_path", said.sample)),
        options.get("cells") == "typed",
        said.by,
    )


def _check_apart(output: str, inputs: Sequence[Place]) -> None:
    """Refuse to write over what is read."""
    target = named(output)
    if isinstance(target, Remote):
        same = target in inputs
    else:
        here = [one for one in inputs if isinstance(one, Path) and one.exists()]
        same = target.exists() and any(target.samefile(one) for one in here)
    if same:
        raise OptionError(f"{target} is what is read; the page would replace it")


def _write(output: str, made: bytes) -> None:
    """Write the page whole or not at all, to a file, elsewhere or to standard output."""
    if output == "-":
        sys.stdout.flush()
        sys.stdout.buffer.write(made)
        return
    target = named(output)
    try:
        if isinstance(target, Remote):
            target.put_bytes(made)
            return
        if target.exists() and not target.is_file():
            target.write_bytes(made)  # A pipe or a device, where nothing can stand beside it.
            return
        beside = target.with_name(target.name + ".new")
        beside.write_bytes(made)
        beside.replace(target)
    except OSError as error:
        raise OptionError(f"{target}: {error.strerror or error}") from None

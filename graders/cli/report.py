"""`graders report`: what a file of results says, on the terminal or as one HTML file."""

from __future__ import annotations

import functools
import gc
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

import click

from graders.api import Grader
from graders.batch.manifest import manifest_for, scored_by
from graders.cli.help import Command, Flag
from graders.cli.option import json_option
from graders.cli.output import say, write_json
from graders.cli.usage import Somewhere
from graders.config import load_source
from graders.errors import OptionError
from graders.reading import Reading
from graders.remote import Place, named, same, whole
from graders.report.finding import Notice, read_finding, read_json
from graders.report.html import build
from graders.report.html.appendix import named_rows
from graders.report.panel import finding_notes
from graders.report.sample import MOST_ROWS
from graders.report.terminal import finding_view, write_view
from graders.rows import Categories, Layout, Source, find_source, read_categories, written

if TYPE_CHECKING:
    from graders.inspection.diff import Side
    from graders.report.pair import Beside

__all__ = ["report"]

_EPILOG = """\b
Examples:
  graders report results.jsonl
  graders report results.jsonl -o report.html
  graders report results.jsonl -o report.html --rows rows.jsonl
  graders report results.jsonl -o report.html --with other.jsonl

The file is one page that loads nothing: it can be mailed, kept, or opened offline."""

_APPENDICES: Final = {"diff": "Differences", "probe": "Probes", "agree": "Agreement with people"}
"""What other commands print as JSON, and the heading under which the page shows it."""

_NO_PAGE: Final = (
    "--rows, --row, --with, --diff, --probe, --agree and --title are for a page: give -o too."
)

_FILE = Somewhere(dir_okay=False)


Function = TypeVar("Function", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class PageOptions:
    """What a command line says of the page alone.

    Attributes:
        files: what other commands printed as JSON, by command; None where it is not given.
        title: the heading; None for the grader's name.
        row: indexes of rows that the page must have.
        max_size: how large the page may be, in MB.
        other: results of another run of the same rows, to stand beside the first.
        other_rows: its rows, where its answers are others.
    """

    files: Mapping[str, Place | None]
    title: str | None
    row: Sequence[int]
    max_size: float
    other: Place | None = None
    other_rows: Sequence[str] = ()

    @property
    def are_given(self) -> bool:
        """Whether any of them is given that means nothing without a page."""
        alone = (self.title, self.row, self.other, self.other_rows)
        return any(alone) or any(self.files.values())

    @property
    def inputs(self) -> list[Place | None]:
        """What it reads, which it must not write over."""
        return [self.other, *map(named, self.other_rows), *self.files.values()]

    @property
    def most_rows(self) -> int:
        """How many rows it may show."""
        return round(MOST_ROWS * self.max_size / 2)

    def appendices(self) -> list[tuple[str, str, Mapping[str, Any]]]:
        """Return id, heading and object of each file.

        Raises:
            RowsError: one cannot be read, or holds no JSON object.
        """
        return [
            (name, _APPENDICES[name], read_json(path, f"--{name}"))
            for name, path in self.files.items()
            if path is not None
        ]


def _page_options(function: Function) -> Function:
    """Give a command the options of the page, and its function one object of them: `page`."""

    @functools.wraps(function)
    def taken(
        *args: Any,
        title: str | None,
        row: Sequence[int],
        max_size: float,
        other: Place | None,
        other_rows: Sequence[str],
        **more: Any,
    ) -> Any:
        files = {name: more.pop(name) for name in _APPENDICES}
        page = PageOptions(files, title, row, max_size, other, other_rows)
        return function(*args, page=page, **more)

    options = [
        click.option(
            "--with", "other", metavar="OTHER", type=_FILE, cls=Flag, group="Rows and samples",
            help="Results of another run of the same rows, to stand beside these on the page.",
        ),
        click.option(
            "--with-rows", "other_rows", metavar="ROWS", multiple=True, cls=Flag,
            help="The rows that OTHER was scored from, where its answers are others.",
            group="Rows and samples",
        ),
        *(
            click.option(
                f"--{name}", metavar="FILE", type=_FILE, cls=Flag, group="Results",
                help=f"What {name} --json printed.",
            )
            for name in _APPENDICES
        ),
        click.option(
            "--row", metavar="INDEX", type=click.IntRange(min=0), multiple=True, cls=Flag,
            help="A row that the page must have, by its index; may be given several times.",
            group="Results",
        ),
        click.option(
            "--max-size", metavar="MB", type=click.FloatRange(min=0.5, max=200), default=2.0,
            show_default=True, help="How large the page may be; a larger one has more of the rows.",
            cls=Flag, group="Results",
        ),
        click.option(
            "--title", metavar="TEXT", help="The page's heading.  [default: the grader's name]",
            cls=Flag, group="Results",
        ),
    ]  # fmt: skip
    for option in reversed(options):
        taken = option(taken)
    return cast("Function", taken)


@click.command(
    cls=Command,
    first=("output", "rows", "grader", "by", "other", "row", "max_size", "as_json"),
    epilog=_EPILOG, short_help="Show what results say, as text or one HTML file.",
)  # fmt: skip
@click.argument("results", metavar="RESULTS", type=_FILE)
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    help="Write one HTML file there.  [default: show text]",
    cls=Flag,
    group="Results",
)
@click.option(
    "--rows",
    multiple=True,
    metavar="ROWS",
    help="The rows that were scored, to show items and samples; may be given several times.",
    cls=Flag,
    group="Rows and samples",
)
@click.option(
    "--grader",
    metavar="GRADER",
    help="The grader, to show rendered inputs.",
    cls=Flag,
    group="Rows and samples",
)
@click.option(
    "--item-path",
    metavar="PATH",
    help="Where in a row the item stands.  [default: as scored]",
    cls=Flag,
    group="Rows and samples",
)
@click.option(
    "--sample-path",
    metavar="PATH",
    help="Where in a row the sample stands.  [default: as scored]",
    cls=Flag,
    group="Rows and samples",
)
@click.option(
    "--by",
    metavar="PATH",
    help="Give figures by what stands there in a row, such as item.topic.  [default: as scored]",
    cls=Flag,
    group="Rows and samples",
)
@click.option(
    "--summary",
    metavar="FILE",
    type=_FILE,
    help="What score --summary wrote.",
    cls=Flag,
    group="Results",
)
@_page_options
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
    page: PageOptions,
    as_json: bool,
) -> int:
    """Show what RESULTS, a file of `graders score`, says.

    Without -o it is text for the terminal. Figures are exact over all rows; a page of more than
    2,000 rows has a sample of them to look at: failed, lowest, highest, and some of every rank.
    """
    if output is None and ((rows and by is None) or page.are_given):
        raise click.UsageError(_NO_PAGE)
    if grader is not None and output is not None and not rows:
        raise click.UsageError("--grader renders the inputs of rows: give --rows too.")
    known = None if summary is None else read_json(summary, "--summary")
    appendices = page.appendices()
    ready = None if grader is None else _grader(grader, results)
    marks = None if ready is None else {leaf.key: leaf.passes_at for leaf in ready.plan.leaves}
    source = find_source(rows) if rows else None
    manifest = manifest_for(results) or {}
    layout = _layout(manifest, item_path, sample_path, by)
    categories = None
    if by is not None:
        categories = _categories(source, manifest, layout, twice=output is not None)
    sides, beside = _sides(results, page, ready), None
    with _no_cycles():
        finding = read_finding(
            results, marks=marks, summary=known, categories=categories, by=by,
            named=[*page.row, *(index for _, _, body in appendices for index in named_rows(body))],
            most=page.most_rows, watch=None if sides is None else sides[0].add_results,
        )  # fmt: skip
        if sides is not None:
            beside = _beside(sides, finding, page, layout=layout, categories=categories, by=by)
    if output is not None:
        _check_apart(output, [results, summary, *page.inputs, *(source.paths if source else ())])
        made, notes = build(
            finding, source=source, layout=layout, grader=ready, appendices=appendices,
            title=page.title, most=round(page.max_size * 1e6), beside=beside,
        )  # fmt: skip
        _write(output, made)
        for note in (*finding.notes, *notes, *_unseen(finding, page.row)):
            say(f"note: {note}")
    if as_json and output != "-":
        write_json(finding.to_dict())
    elif output is None:
        write_view(finding_view(finding, finding_notes(finding)), sys.stdout)
    return 0


def _sides(
    results: Place, page: PageOptions, grader: Grader | None
) -> tuple[Side, Side, Place] | None:
    """Return two sides of a comparison that are still empty, and the file of the other.

    None where one run is shown alone.
    """
    if page.other is None:
        if page.other_rows:
            raise click.UsageError("--with-rows are the rows of another run: give --with too.")
        return None
    # This loads numpy, which a report as text should not have to wait for.
    from graders.inspection.diff import Side, pass_mark  # noqa: PLC0415

    mark = 0.5 if grader is None else pass_mark(grader)
    return Side(results.name, mark), Side(page.other.name, mark), page.other


def _beside(
    sides: tuple[Side, Side, Place],
    finding: Notice,
    page: PageOptions,
    *,
    layout: Layout,
    categories: Categories | None,
    by: str | None,
) -> Beside:
    """Read the other run, and return it with what the two differ in."""
    from graders.report.pair import pair  # noqa: PLC0415

    here, there, path = sides
    other = read_finding(path, categories=categories, by=by, most=0, watch=there.add_results)
    for one, its in ((here, finding), (there, other)):
        one.check(str(its.path))
        if categories is not None:
            one.group_by(categories)
    source = find_source(page.other_rows) if page.other_rows else None
    own = _layout(manifest_for(path) or {}, None, None, by) if source else layout
    return pair(
        (here, there), other, by=by or finding.by or other.by, most=page.most_rows,
        named=finding.sampler.named, source=source, layout=own,
    )  # fmt: skip


def _unseen(finding: Notice, wanted: Sequence[int]) -> list[str]:
    """Say which rows that were asked for the results do not have."""
    missing = [f"{index:,}" for index in wanted if index not in finding.sampler.found]
    named = ", ".join(missing[:5]) + (" …" if len(missing) > 5 else "")
    return [f"--row: {finding.path} has no result of row {named}"] if missing else []


@contextmanager
def _no_cycles() -> Iterator[None]:
    """Look for no cycles meanwhile: results hold none, and looking takes a fifth of the time."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


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


def _check_apart(output: str, inputs: Sequence[Place | None]) -> None:
    """Refuse to write over what is read."""
    target = named(output)
    if any(one is not None and same(target, one) for one in inputs):
        raise OptionError(f"{target} is what is read; the page would replace it")


def _write(output: str, made: bytes) -> None:
    """Write the page whole or not at all, to a file, elsewhere or to standard output."""
    if output == "-":
        sys.stdout.flush()
        sys.stdout.buffer.write(made)
        return
    target = named(output)
    try:
        with whole(target) as stream:
            stream.write(made)
    except OSError as error:
        raise OptionError(f"{target}: {error.strerror or error}") from None

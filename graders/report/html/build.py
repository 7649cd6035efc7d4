"""From a file of results, and the rows and JSON that go with it, to the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from graders.api import Grader
from graders.batch.manifest import grader_digest
from graders.report.finding import Notice
from graders.report.html.page import MOST_BYTES, Page, page
from graders.report.html.row import ReportRow, add_texts, read_rows
from graders.report.pair import Beside, results_at
from graders.rows import Layout, Source

__all__ = ["build"]


def build(
    finding: Notice,
    *,
    source: Source | None = None,
    layout: Layout | None = None,
    grader: Grader | None = None,
    appendices: Sequence[tuple[str, str, Mapping[str, Any]]] = (),
    title: str | None = None,
    most: int = MOST_BYTES,
    beside: Beside | None = None,
) -> tuple[bytes, list[str]]:
    """Return the page, and what its reader is told to beware of.

    Args:
        finding: what the results say.
        source: the rows that were scored, for items and samples.
        layout: where in a row these stand.
        grader: renders the inputs of the rows; asks nobody.
        appendices: JSON of other commands: id, heading, object.
        title: the heading; the grader's name where there is none.
        most: bytes that the page may have.
        beside: another run of the same rows, to stand side by side with this one.

    Raises:
        RowsError: the rows cannot be read.
    """
    rows, said = _shown(finding, beside)
    notes: list[str] = []
    if grader is not None:
        notes += _grader_doubts(finding, grader)
    if source is not None:
        strange = add_texts(rows, source, layout or Layout(), grader)
        notes += _row_doubts(finding, source)
        if strange and not notes:
            notes.append(
                f"{strange:,} of {len(rows):,} rows have another id than their results: "
                "these are not the rows that were scored."
            )
    if beside is not None:
        _add_others(rows, beside, grader)
    made_from = Page(finding, rows, said, title, appendices, notes, most, beside)
    return page(made_from), notes


def _shown(finding: Notice, beside: Beside | None) -> tuple[list[ReportRow], str]:
    """Return the rows to show and which they are: of one run, or of both, each with its other."""
    if beside is None:
        picked = finding.sampler.pick()
        return read_rows(finding, picked.spots), picked.said
    wanted = frozenset(beside.picked)
    bodies, others = (results_at(one.path, wanted) for one in (finding, beside.finding))
    rows = [
        ReportRow(
            bodies[index],
            group=bodies[index].get("by") or others[index].get("by") or "",
            is_asked=index in finding.sampler.named,
            other=ReportRow(others[index]),
        )
        for index in beside.picked
        if index in bodies and index in others
    ]
    return rows, beside.said


def _add_others(rows: Sequence[ReportRow], beside: Beside, grader: Grader | None) -> None:
    """Give the rows of the other run their answers: their own, or those of the first."""
    others = {row.index: row.other for row in rows if row.other is not None}
    if beside.source is not None:
        add_texts([*others.values()], beside.source, beside.layout or Layout(), grader)
    for row in rows:
        other = others[row.index]
        if beside.source is None:
            other.answer = row.answer
        # What is the same in both stands once, with the first.
        same = {(*text.names, text.text) for text in row.texts}
        other.texts = [text for text in other.texts if (*text.names, text.text) not in same]


def _grader_doubts(finding: Notice, grader: Grader) -> list[str]:
    then = finding.manifest.get("grader")
    if not isinstance(then, Mapping) or then.get("sha256") == grader_digest(grader.config):
        return []
    return ["The grader has changed since these results; rendered inputs are those of today."]


def _row_doubts(finding: Notice, source: Source) -> list[str]:
    """Say where the rows are not those that were scored, which digests can tell."""
    then = finding.manifest.get("inputs")
    if source.is_stream or not isinstance(then, list):
        return []
    digests = [one.get("sha256") for one in then if isinstance(one, Mapping)]
    if None in digests or digests == [one.get("sha256") for one in source.identity()]:
        return []
    return ["The rows have changed since these results; what is shown may be of other rows."]

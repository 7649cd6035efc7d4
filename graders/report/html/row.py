"""The rows of the explorer: what a result line says, with item, sample and rendered inputs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, Final

from graders import jsontext
from graders.api import Grader
from graders.batch.tally import Figures
from graders.errors import RowsError
from graders.htmltext import Html, script_json, shortened, visible
from graders.inspection.excerpt import answer_of
from graders.report.finding import Notice
from graders.report.sample import Spot
from graders.rows import Layout, Source, blank_others, decode_block
from graders.sample import Absent

__all__ = [
    "MOST_PARTS",
    "Explorer",
    "ReportRow",
    "Text",
    "add_texts",
    "ends_of",
    "explorer",
    "read_rows",
]

_KEPT: Final = 8000
"""Characters that are kept of a text at the most."""
_LIMITS: Final = (_KEPT, 4000, 2000, 1000, 500)
_SHORT: Final = (250, 120, 60)
"""After how many characters texts are cut: rather fewer rows than beginnings too short to read."""
_FEW: Final = 100
_MOST_FAILURES: Final = 20
_ANSWER: Final = 160
MOST_PARTS: Final = 40
_BLOCK_BYTES: Final = 1 << 20


@dataclass(slots=True)
class Text:
    """A text of a row.

    Attributes:
        names: what it is: `sample`, or the fields of sub-graders that see it.
        text: its beginning.
        length: its whole length.
    """

    names: list[str]
    text: str
    length: int


@dataclass(slots=True)
class ReportRow:
    """A row that is shown.

    Attributes:
        body: its result line.
        texts: item, sample and rendered inputs, each text once.
        answer: the beginning of the answer; "" where the rows are not at hand.
        begun: how the item begins; "" where the rows are not at hand.
        group: its category, "" for none.
        is_asked: whether it has to be there whatever room it takes.
        other: the same row in the run beside; None where there is none.
    """

    body: Mapping[str, Any]
    texts: list[Text] = field(default_factory=list)
    answer: str = ""
    begun: str = ""
    group: str = ""
    is_asked: bool = False
    other: ReportRow | None = None

    @property
    def index(self) -> int:
        """The row's index."""
        index: int = self.body["index"]
        return index


def read_rows(finding: Notice, spots: Sequence[Spot]) -> list[ReportRow]:
    """Return the rows whose lines stand at these places of the results, in order.

    Raises:
        RowsError: the results have changed since they were read.
    """
    rows = []
    firsts = (index for first in finding.tally.first.values() for index, _ in first)
    asked = {*finding.sampler.named, *firsts}
    try:
        with finding.path.open("rb") as stream:
            # What lies elsewhere is read on to a line: asking for each by itself would take longer.
            jumps = isinstance(finding.path, Path)
            for line in _lines(stream, [spot.offset for spot in spots], jumps=jumps):
                body = jsontext.decode(line)
                is_asked = body.get("index") in asked
                rows.append(ReportRow(body, group=body.get("by") or "", is_asked=is_asked))
    except OSError as error:
        raise RowsError(f"{finding.path}: {error.strerror or error}") from None
    except (ValueError, AttributeError):
        raise RowsError(f"{finding.path} changed while it was read; try again") from None
    return rows


def _lines(stream: BinaryIO, offsets: Sequence[int], *, jumps: bool) -> Iterator[bytes]:
    """Yield the lines that begin at these bytes, which ascend."""
    at = 0
    for offset in offsets:
        if jumps:
            stream.seek(offset)
            at = offset
        while at < offset:
            passed = len(stream.read(min(offset - at, _BLOCK_BYTES)))
            if not passed:
                return
            at += passed
        line = stream.readline()
        at += len(line)
        yield line


def add_texts(
    rows: Sequence[ReportRow], source: Source, layout: Layout, grader: Grader | None
) -> int:
    """Give rows their texts; return how many rows have another id than their result.

    Args:
        rows: the rows.
        source: the rows that were scored.
        layout: where item and sample stand.
        grader: renders the inputs; None for item and sample alone.

    Raises:
        RowsError: they cannot be read.
    """
    by_index = {row.index: row for row in rows}
    strange, last = 0, max(by_index, default=-1)
    for block in source.blocks(_BLOCK_BYTES):
        if block.index > last:
            break
        chunk = decode_block(blank_others(block, by_index.__contains__), layout)
        for place, index in enumerate(chunk.indexes):
            row = by_index[index]
            strange += row.body.get("id") != chunk.ids[place]
            if chunk.groups:
                row.group = chunk.groups[place] or ""
            if place not in chunk.failures:
                row.answer = " ".join(answer_of(chunk.samples[place])[:_ANSWER].split())
                row.begun = " ".join(_told(chunk.items[place])[:_ANSWER].split())
                row.texts = _texts(chunk.items[place], chunk.samples[place], grader)
    return strange


def _texts(item: Any, sample: Any, grader: Grader | None) -> list[Text]:
    found: dict[str, list[str]] = {}
    for name, value in (("item", item), ("sample", sample)):
        found.setdefault(_plain(value), []).append(name)
    rendered = {} if grader is None else grader.render(*map(_present, (item, sample)))
    for key, fields in rendered.items():
        for name, text in fields.items():
            found.setdefault(text, []).append(f"{key}.{name}" if key else name)
    return [Text(names, text[:_KEPT], len(text)) for text, names in found.items()]


def _told(item: Any) -> str:
    """Return an item in short: what stands in it, with its names."""
    if not isinstance(item, Mapping):
        return "" if item is None else _plain(item)
    return " · ".join(
        f"{name}: {_plain(value)[:_ANSWER]}" for name, value in islice(item.items(), 8)
    )


def _present(value: Any) -> Any:
    return None if isinstance(value, Absent) else value


def _plain(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, Absent):
        return f"({value.reason})"
    try:
        return jsontext.encode(value, indent=True).decode()
    except ValueError:
        return "(it nests too deeply to be shown)"


@dataclass(frozen=True, slots=True)
class Explorer:
    """What the row explorer shows.

    Attributes:
        data: its rows as JSON.
        indexes: the indexes of these rows.
        limit: after how many characters texts are cut.
        is_cut: whether one was.
    """

    data: Html
    indexes: frozenset[int]
    limit: int
    is_cut: bool


def explorer(
    rows: Sequence[ReportRow],
    keys: Mapping[str, Figures],
    budget: int,
    by: str = "",
    marks: Sequence[float] = (),
) -> Explorer:
    """Return what the explorer shows.

    Args:
        rows: the rows.
        keys: the sub-graders, and the figures of each.
        budget: bytes that the data may take: texts are cut until they fit, then rows are left out,
            those last that have to be there.
        by: where in a row the category stands.
        marks: where two runs stand side by side, the reward from which a row passes in each.
    """
    shown, named = list(rows), list(keys)[:MOST_PARTS]
    while True:
        limits = _LIMITS if len(shown) > _FEW else (*_LIMITS, *_SHORT)
        for limit in limits:
            if limit != limits[-1] and _least(shown, limit) > budget:
                continue  # Its texts alone take more.
            body = {
                "parts": [shortened(key, min(limit, 120)) for key in named],
                "means": [keys[key].mean for key in named],
                "ends": [ends_of(keys[key]) for key in named],
                "limit": limit,
                "by": shortened(by or "category", 80),
                "marks": list(marks),
                "rows": [_record(row, named, limit) for row in shown],
            }
            data = script_json(body)
            size = len(data.encode())
            if size <= budget or not shown:
                is_cut = any(text.length > limit for row in shown for text in row.texts)
                return Explorer(data, frozenset(row.index for row in shown), limit, is_cut)
        shown = _fewer(shown, min(0.97 * budget / size, 0.9))


def _least(rows: Sequence[ReportRow], limit: int) -> int:
    """Return how many characters the texts of rows have, cut to a limit."""
    both = [each for row in rows for each in (row, row.other) if each is not None]
    return sum(min(len(text.text), limit) for row in both for text in row.texts)


def ends_of(figures: Figures) -> tuple[float, float]:
    """Return the ends between which a figure is drawn: 0 and 1, or what reaches beyond them."""
    return min(0.0, figures.lowest), max(1.0, figures.highest)


def _fewer(shown: Sequence[ReportRow], share: float) -> list[ReportRow]:
    """Return this share of the rows, evenly; those that have to be there go last."""
    others = [row for row in shown if not row.is_asked] or shown
    wanted = len(others) - math.ceil(len(shown) * (1 - share))
    kept = {row.index for at, row in enumerate(others) if at * wanted % len(others) < wanted}
    if others is not shown:
        kept |= {row.index for row in shown if row.is_asked}
    return [row for row in shown if row.index in kept] if wanted > 0 or others is not shown else []


def _record(row: ReportRow, keys: Sequence[str], limit: int) -> list[Any]:
    """Return a row as the page's script reads it: the places have their names there."""
    body = row.body
    failures, replaced = body["failures"], body.get("replaced", [])
    failed = bool(failures)
    return [
        row.index,
        _identity(body.get("id"), min(limit, 120)),
        None if failed else body["reward"],
        [body["sub_rewards"].get(key) for key in keys],
        [_failure(one, limit) for one in (failures or replaced)[:_MOST_FAILURES]],
        int(bool(replaced) and not failed),
        [
            [
                shortened(" · ".join(one.names[:MOST_PARTS]), 400),
                visible(one.text[:limit]),
                one.length,
            ]
            for one in row.texts
        ],
        visible(row.answer[:limit]),
        shortened(row.group, 200) if row.group else "",
        visible(row.begun[:limit]),
        _panels(body, limit),
        None if row.other is None else _record(row.other, keys, limit),
    ]


def _panels(body: Mapping[str, Any], limit: int) -> list[Any]:
    """Return of each panel its sub-grader, how far its judges are apart, and what each of them gave."""
    return [
        [
            shortened(key, min(limit, 120)),
            panel.get("disagreement"),
            [[shortened(name, 80), score] for name, score in islice(panel["scores"].items(), 12)],
        ]
        for key, panel in islice(body.get("panel", {}).items(), MOST_PARTS)
    ]


def _identity(value: Any, limit: int) -> str:
    if value is None:
        return ""
    return shortened(value if isinstance(value, str) else _plain(value), limit)


def _failure(body: Mapping[str, Any], limit: int) -> list[str]:
    details = str(body.get("details", ""))
    texts = (body.get("code", ""), body.get("where", ""), body.get("message", ""))
    cut = [shortened(str(text), min(limit, 600)) for text in texts]
    return [*cut, "" if details == texts[2] else shortened(details, limit)]

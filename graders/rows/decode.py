"""Rows in columns, decoded from the lines of a block.

A row is `{"item": {...}, "sample": "text" | {...}}`, or any other layout by two paths. A line that
is not a row becomes a failed row with its line number; the rows around it are not touched.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from graders import jsontext
from graders.errors import OptionError
from graders.grade import Failure
from graders.rows.block import BOM, Block, lines_of
from graders.sample import Absent

__all__ = ["Chunk", "Layout", "columns_of", "decode_block", "written"]

MAX_ID_DEPTH: Final = 100
"""No id nests deeper: it could not be written into a result line."""

_MOST_CHARACTERS: Final = 200
"""Characters of a category that are kept."""
_WHOLE: Final = 2.0**53

_STEP: Final = re.compile(r"(?:^|\.)([^.\[\]]+)|\[([0-9]{1,9})\]")


@dataclass(frozen=True, slots=True)
class Layout:
    """Where in a row the item and the sample stand, and what rows are told apart by.

    Attributes:
        item: keys and indexes to walk; empty for the whole row.
        sample: the same for the sample.
        by: the same for the category that figures are given by; None for none.
        typed: whether the cells of a table that knows only text are read as what they look like.
        says: how the two paths are given, to be said where one leads nowhere.
    """

    item: tuple[str | int, ...] = ("item",)
    sample: tuple[str | int, ...] = ("sample",)
    typed: bool = False
    by: tuple[str | int, ...] | None = None
    says: tuple[str, str] = ("--item-path ", "--sample-path ")

    @classmethod
    def parse(
        cls, item_path: str = "item", sample_path: str = "sample", cells: str = "text",
        by: str | None = None, says: tuple[str, str] = ("--item-path ", "--sample-path "),
    ) -> Layout:  # fmt: skip
        """Return the layout for two dotted paths such as `data.example` or `choices[0]`.

        `.` is the whole row.

        Raises:
            OptionError: not such a path.
        """
        return cls(
            _parse_path(item_path, says[0]),
            _parse_path(sample_path, says[1]),
            cells == "typed",
            None if by is None else _parse_path(by, "--by "),
            says,
        )


def _parse_path(path: str, says: str) -> tuple[str | int, ...]:
    if path == ".":
        return ()
    steps: list[str | int] = []
    at = 0
    while at < len(path):
        match = _STEP.match(path, at)
        if match is None or match.end() == at:
            raise OptionError(
                f"{says}{path!r} is not a path; write keys and indexes such as "
                "data.answer or choices[0].message, or . for the whole row"
            )
        steps.append(match[1] if match[1] is not None else int(match[2]))
        at = match.end()
    if not steps:
        raise OptionError(f"{says.rstrip(' =')} is empty; write . for the whole row")
    return tuple(steps)


@dataclass(slots=True)
class Chunk:
    """Rows in columns.

    Attributes:
        items: one item a row; an `Absent` where the row has none.
        samples: one sample a row, as it stands in the row; an `Absent` where it has none.
        ids: the rows' own `id`, None where a row has none.
        failures: rows that could not be read, by position; they hold an `Absent` in each column.
        indexes: the index of each row in the input.
        groups: the category of each row as text, None where it has none; [] where nobody asks.
        cells: whether every value of the rows is text that a table had, whatever it means.
    """

    items: list[Any] = field(default_factory=list)
    samples: list[Any] = field(default_factory=list)
    ids: list[Any] = field(default_factory=list)
    failures: dict[int, Failure] = field(default_factory=dict)
    indexes: Sequence[int] = ()
    cells: bool = False
    groups: list[str | None] = field(default_factory=list)


def decode_block(block: Block, layout: Layout) -> Chunk:
    """Return the rows of a block in columns; a line that is not a row is a failure."""
    chunk = Chunk(cells=block.cells and not layout.typed)
    data = block.data
    if block.line == 1:
        data = data.removeprefix(BOM)
    exact = jsontext.has_long_number(data)
    lines, keys = lines_of(data), _keys(layout)
    if not (exact or block.faults or block.is_table or layout.by is not None or None in keys):
        rows = _all_rows(lines)
        if rows is not None:
            return columns_of(rows, layout, block.index, block.indexes)
    file = f"{block.name} " if block.name else ""
    for offset, line in enumerate(lines):
        text = line.removesuffix(b"\n")
        if not text or text.isspace():
            continue
        row, problem = _row(text, offset, block, layout, exact=exact)
        if layout.by is not None:
            chunk.groups.append(None if problem else _group(row, layout, layout.by))
        if problem:
            _fail(chunk, f"{file}{problem}")
            continue
        _add(chunk, row, layout, keys)
    chunk.indexes = block.indexes or range(block.index, block.index + len(chunk.items))
    return chunk


def _all_rows(lines: Sequence[bytes]) -> list[dict[str, Any]] | None:
    """Return the rows of lines as nearly all are, read at once; None where one is to be looked at by itself."""
    texts = [line for line in lines if not line.isspace()]
    rows = jsontext.decode_all(texts, exact=False, bounded=True)
    if len(rows) < len(texts) or not all(type(row) is dict for row in rows):
        return None
    ids = (row.get("id") for row in rows)
    deep = (one is not None and jsontext.nests_deeper(one, MAX_ID_DEPTH) for one in ids)
    return None if any(deep) else rows


def _row(
    text: bytes, offset: int, block: Block, layout: Layout, *, exact: bool
) -> tuple[dict[Any, Any], str]:
    """Return the row of a line, and why it is none; "" where it is one."""
    if block.faults and offset in block.faults:
        return {}, block.faults[offset]
    try:
        # Where files were joined, a mark of byte order stands before any line.
        row = jsontext.decode(text.removeprefix(BOM), allow_nan=True, exact=exact)
    except ValueError as error:
        return {}, f"{block.unit} {block.line + offset}: not JSON: {error}"
    if not isinstance(row, dict):
        return {}, f"{block.unit} {block.line + offset}: a row is an object, not {_kind(row)}"
    if block.is_table and not _is_row(row, layout, block):
        return {}, f"the item is not JSON: {_fault_of(row['item'])}"
    identity = row.get("id")
    if identity is not None and jsontext.nests_deeper(identity, MAX_ID_DEPTH):
        return {}, f"{block.unit} {block.line + offset}: the id nests too deeply"
    return row, ""


def _is_row(row: dict[str, Any], layout: Layout, block: Block) -> bool:
    """Make a row of a record of a table; False where the text of its item is no JSON.

    A table that has no column for the item is its own item. Text in that column is read as JSON; and
    with typed cells, text in any that looks like JSON's.
    """
    if block.cells and layout.typed:
        said = layout.sample[0] if len(layout.sample) == 1 else None
        for name, value in row.items():
            found = _typed(value)
            # An answer that looks like a number is still a text that a model wrote.
            if name != said or isinstance(found, dict | list):
                row[name] = found
    if layout.item[:1] != ("item",):
        return True
    if "item" not in row:
        if len(layout.item) == 1:
            row["item"] = dict(row)
    elif isinstance(row["item"], str):
        try:
            row["item"] = jsontext.decode(row["item"], allow_nan=True)
        except ValueError:
            return False
    return True


def _fault_of(text: str) -> str:
    try:
        jsontext.decode(text, allow_nan=True)
    except ValueError as error:
        return str(error)
    return ""


_WORDS: Final = {"true": True, "false": False, "null": None}
_LOOKS: Final = re.compile(
    r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?|[\[{].*[\]}]", re.DOTALL
)


def _typed(value: Any) -> Any:
    """Return what a cell's text looks like: a number, true or false, a list, an object; else text."""
    if not isinstance(value, str):
        return value
    if (word := value.strip().lower()) in _WORDS:
        return _WORDS[word]
    if _LOOKS.fullmatch(value.strip()) is None:
        return value
    try:
        return jsontext.decode(value)
    except ValueError:
        return value


def columns_of(
    rows: Sequence[Mapping[str, Any]], layout: Layout, start: int = 0,
    indexes: Sequence[int] | None = None,
) -> Chunk:  # fmt: skip
    """Return rows in columns: of these indexes, or those that follow each other from `start` on."""
    item, sample = _keys(layout)
    return Chunk(
        items=_column(rows, layout, "item", item),
        samples=_column(rows, layout, "sample", sample),
        ids=[row.get("id") for row in rows],
        indexes=indexes or range(start, start + len(rows)),
    )


def _column(
    rows: Sequence[Mapping[Any, Any]], layout: Layout, name: Literal["item", "sample"], key: Any
) -> list[Any]:
    found = [row.get(key) for row in rows]
    for at in [at for at, value in enumerate(found) if value is None]:
        found[at] = _find(rows[at], layout, name)
    return found


def _keys(layout: Layout) -> tuple[Any, Any]:
    """Return the keys of item and sample, None where one does not stand under a key of the row."""
    item, sample = (
        steps[0] if len(steps) == 1 and isinstance(steps[0], str) else None
        for steps in (layout.item, layout.sample)
    )
    return item, sample


def _add(chunk: Chunk, row: Mapping[Any, Any], layout: Layout, keys: tuple[Any, Any]) -> None:
    """Add a row's item, sample and id to the columns."""
    item, sample = row.get(keys[0]), row.get(keys[1])
    chunk.items.append(_find(row, layout, "item") if item is None else item)
    chunk.samples.append(_find(row, layout, "sample") if sample is None else sample)
    chunk.ids.append(row.get("id"))


def _group(row: Mapping[str, Any], layout: Layout, steps: tuple[str | int, ...]) -> str | None:
    """Return a row's category as text; None where it has none.

    `item.topic` is found wherever the item stands, as in templates.
    """
    value = _walk(row, steps)
    if value is _NOWHERE and steps[0] in {"item", "sample"}:
        inner = _walk(row, layout.item if steps[0] == "item" else layout.sample)
        value = _walk(inner, steps[1:]) if isinstance(inner, Mapping) else _NOWHERE
    if value is _NOWHERE or value is None or value != value:  # noqa: PLR0124  (nan)
        return None
    if isinstance(value, float) and value.is_integer() and abs(value) < _WHOLE:
        value = int(value)  # 1.0 and 1 are one number.
    try:
        if isinstance(value, float):
            text = repr(value)  # Versions of orjson write 1e+300 one way and the other.
        else:
            text = value if isinstance(value, str) else jsontext.encode(value).decode()
    except ValueError:
        text = str(value)
    if not text.strip():
        return None
    text = text if len(text) <= _MOST_CHARACTERS else text[: _MOST_CHARACTERS - 1] + "…"
    return text.encode("utf-8", "replace").decode()


def _fail(chunk: Chunk, message: str) -> None:
    chunk.failures[len(chunk.items)] = Failure("row_parse_error", message)
    absent = Absent("the row could not be read")
    chunk.items.append(absent)
    chunk.samples.append(absent)
    chunk.ids.append(None)


_NOWHERE: Final = object()


def _walk(row: Mapping[str, Any], steps: tuple[str | int, ...]) -> Any:
    """Return what stands at the end of a path, `_NOWHERE` where it leads nowhere."""
    value: Any = row
    for step in steps:
        if (isinstance(step, str) and isinstance(value, Mapping) and step in value) or (
            isinstance(step, int) and isinstance(value, list) and step < len(value)
        ):
            value = value[step]  # type: ignore[index]  # the two tests above
        else:
            # A column may be called as the whole path is written.
            column = row.get(written(steps)) if len(steps) > 1 else None
            return _NOWHERE if column is None else column
    return value


def _find(row: Mapping[str, Any], layout: Layout, name: Literal["item", "sample"]) -> Any:
    steps = layout.item if name == "item" else layout.sample
    value = _walk(row, steps)
    if value is _NOWHERE:
        return _absent(row, steps, layout, name)
    return Absent(f"the row has no {written(steps)}; it is null") if value is None else value


_SAMPLE_KEYS: Final = (
    "sample", "model_sample", "output", "output_text", "answer", "completion", "response",
    "prediction", "generated", "model_output", "choices",
)  # fmt: skip


def written(steps: Sequence[str | int]) -> str:
    """Return a path as it is written, such as `choices[0].message`; . for the whole row."""
    path = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps)
    return path.removeprefix(".") or "."


def _absent(
    row: Mapping[str, Any], steps: tuple[str | int, ...], layout: Layout, name: str
) -> Absent:
    keys = [str(key) for key in row]
    there = ", ".join(keys[:12]) + (", …" if len(keys) > 12 else "") if keys else "none"
    if name == "item":
        evals = "datasource_item" in row
        hint = (
            f"perhaps {layout.says[0]}datasource_item"
            if evals
            else f"{layout.says[0]}. takes the whole row"
        )
    else:
        likely = next((key for key in _SAMPLE_KEYS if key in row), None)
        says = layout.says[1]
        hint = f"perhaps {says}{likely}" if likely else f"{says.rstrip(' =')} says where it is"
    return Absent(f"the row has no {written(steps)}; keys there: {there}; {hint}")


def _kind(value: Any) -> str:
    if isinstance(value, list):
        return "a list"
    if isinstance(value, str):
        return "a text"
    return "null" if value is None else "a number" if not isinstance(value, bool) else "a bool"

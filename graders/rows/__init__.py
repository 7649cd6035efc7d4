"""Input rows: opened by their file's kind, read in blocks of lines, decoded into columns."""

from __future__ import annotations

from graders.rows.block import (
    Block,
    Readable,
    blank_others,
    count_rows,
    cut,
    cut_small,
    read_blocks,
    window,
)
from graders.rows.category import MOST_CATEGORIES, Categories, read_categories
from graders.rows.decode import Chunk, Layout, columns_of, decode_block, written
from graders.rows.mapping import blocks_of, portions
from graders.rows.range import RowRange
from graders.rows.reader import ENDINGS, Reader, load_reader, reader_of
from graders.rows.source import Mark, Source, find_source
from graders.rows.survey import Survey, survey_of
from graders.rows.watch import ChangedError, Watch

__all__ = [
    "ENDINGS",
    "MOST_CATEGORIES",
    "Block",
    "Categories",
    "ChangedError",
    "Chunk",
    "Layout",
    "Mark",
    "Readable",
    "Reader",
    "RowRange",
    "Source",
    "Survey",
    "Watch",
    "blank_others",
    "blocks_of",
    "columns_of",
    "count_rows",
    "cut",
    "cut_small",
    "decode_block",
    "find_source",
    "load_reader",
    "portions",
    "read_blocks",
    "read_categories",
    "reader_of",
    "survey_of",
    "window",
    "written",
]

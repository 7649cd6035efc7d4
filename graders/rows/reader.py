"""Readers of extensions: files of an ending that is none of ours, record by record."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from graders.errors import ExtensionError, RowsError
from graders.extension import Extension, called, find, has, load, loader, named, takes
from graders.remote import Place
from graders.rows.block import Block
from graders.rows.table import Record, blocks_of

__all__ = ["ENDINGS", "Reader", "extended_blocks", "load_reader", "reader_of"]

ENDINGS: Final = frozenset(
    {".jsonl", ".ndjson", ".json", ".parquet", ".xlsx", ".xlsm", ".gz", ".zst", ".csv", ".tsv"}
)
"""The endings of files of rows that are read here; a file of any other is JSON Lines."""

_ENDING: Final = re.compile(r"\.[a-z0-9_-]+")
_RIGHT: Final = "a graders.rows.Reader"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """How files, or folders, of one ending are read.

    Attributes:
        ending: such as `.avro`, in small letters.
        records: yields the records of a file in the file's order, the same ones each time. A record
            with an `item` is a row as in JSON Lines; one without is its own item.
    """

    ending: str
    records: Callable[[Path], Iterable[Mapping[str, Any]]]


def reader_of(path: Place) -> Extension | None:
    """Return the extension that reads files of a path's ending, None where none does.

    Raises:
        ExtensionError: two do, or extensions are off.
    """
    ending = path.suffix.lower()
    return None if not ending or ending in ENDINGS else find("readers", ending[1:])


@loader
def load_reader(extension: Extension) -> Reader:
    """Return the reader of an extension.

    Raises:
        ExtensionError: it cannot be used.
    """
    reader = load(extension, Reader, _RIGHT)
    has(extension, reader, {"ending": str})
    if reader.ending != f".{extension.name}":
        extension.refuse(
            f"reads {named(reader.ending)}; the two are to be the same, but for the dot"
        )
    if not _ENDING.fullmatch(reader.ending):
        extension.refuse("has an ending that no reader can have; write one such as .avro")
    if not takes(reader.records, 1):
        extension.refuse("has records that cannot be called with a path")
    return reader


def extended_blocks(extension: Extension, path: Path, size: int) -> Iterator[Block]:
    """Yield the rows of a file that an extension reads.

    Raises:
        RowsError: it cannot, or not to its end.
        ExtensionError: it cannot be used.
    """
    reader = load_reader(extension)
    return blocks_of(_records(extension, reader, path), size, lambda: 0)


def _records(extension: Extension, reader: Reader, path: Path) -> Iterator[Record]:
    end, number = object(), 0
    try:
        rows = called(extension, "in records()", lambda: iter(reader.records(path)))
        while True:
            number += 1
            row: Any = called(extension, f"at row {number}", lambda: next(rows, end))
            if row is end:
                return
            if isinstance(row, Mapping):
                yield number, row
            else:
                yield number, f"row {number}: {extension.point} gave {named(row)}; a dict is needed"
    except ExtensionError as error:
        raise RowsError(str(error)) from None

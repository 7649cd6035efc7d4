"""What a file is by its first bytes, where its name says that it is something else."""

from __future__ import annotations

from typing import BinaryIO, Final

from graders.errors import RowsError

__all__ = ["check_kind", "kind_of_file"]

_LOOK: Final = 512
_OLD_EXCEL: Final = (
    "an Excel workbook of before 2007, or one with a password; save it as .xlsx without one"
)
_KINDS: Final = {
    b"PK\x03\x04": "a zip archive or a workbook; unpack it, or save it as .xlsx, .csv or .jsonl",
    b"\xd0\xcf\x11\xe0": _OLD_EXCEL,
    b"PAR1": "Parquet; let its name end in .parquet",
    b"\x1f\x8b": "compressed by gzip; let its name end in .gz",
    b"\x28\xb5\x2f\xfd": "compressed by Zstandard; let its name end in .zst",
    b"BZh": "compressed by bzip2; unpack it, or use gzip or Zstandard",
    b"\xfd7zXZ": "compressed by xz; unpack it, or use gzip or Zstandard",
    b"ARROW1": "an Arrow or Feather file; save it as Parquet",
    b"ORC": "ORC; save it as Parquet",
    b"Obj\x01": "Avro; save it as Parquet or JSON Lines",
    b"SQLite f": "an SQLite database; save its table as CSV or JSON Lines",
    b"<?xml": "XML; save its table as CSV or .xlsx",
    b"<html": "HTML; save its table as CSV or .xlsx",
    b"<!DOCTYPE": "HTML; save its table as CSV or .xlsx",
    b"%PDF-": "a PDF; save its table as CSV",
    b"\x89HDF": "HDF5; save it as Parquet",
    b"\x80\x04\x95": "a pickle, which could run code; save it as Parquet or JSON Lines",
    b"\x80\x05\x95": "a pickle, which could run code; save it as Parquet or JSON Lines",
}
"""How files that are no text begin, what each is, and what to do about it."""


def kind_of_file(head: bytes) -> str | None:
    """Return what a file is that begins so, and what to do about it; None for text."""
    for mark, kind in _KINDS.items():
        # A table may name its first column ORCID: what is made of letters needs a byte that no text has.
        if head.startswith(mark) and not (mark.isalnum() and min(head) > 8):
            return kind
    return None


def check_kind(stream: BinaryIO) -> BinaryIO:
    """Return a stream at its beginning, if it may be text.

    Args:
        stream: a buffered stream at its beginning; one that cannot be looked into is left as it is.

    Raises:
        RowsError: it begins as a file of another kind does.
    """
    peek = getattr(stream, "peek", None)
    head = peek(_LOOK)[:_LOOK] if peek is not None else b""
    if (kind := kind_of_file(head)) is not None:
        raise RowsError(f"this is no text, but {kind}")
    return stream

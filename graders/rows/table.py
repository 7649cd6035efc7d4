"""Tables as rows: each record of a CSV, Parquet or Hugging Face dataset becomes a line of JSON.

A table with a column `item` has rows like those of JSON Lines; one without is its own item, so
that `{{ item.question }}` is the column `question`. Text in a column `item` is read as JSON.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, BinaryIO, Final, TextIO

from graders import jsontext
from graders.errors import RowsError, UnavailableError, quoted
from graders.rows.block import Block

__all__ = [
    "Record", "blocks_of", "csv_blocks", "dataset_blocks", "is_dataset", "parquet_blocks",
]  # fmt: skip

_BATCH: Final = 512
_PARQUET: Final = b"PAR1"
_NOT_A_ROW: Final = b"0"
_MOST_CELL: Final = 32 << 20

Record = tuple[int, Mapping[str, Any] | str]
"""The line a record begins in, and its columns, or why it cannot be read."""


def csv_blocks(
    stream: BinaryIO, size: int, *, delimiter: str, position: Callable[[], int]
) -> Iterator[Block]:
    """Yield the records of a CSV file whose first one names the columns; every cell is text.

    Raises:
        RowsError: there is no header, or it names a column twice.
    """
    return blocks_of(_csv_records(stream, delimiter), size, position)


def _csv_records(stream: BinaryIO, delimiter: str) -> Iterator[Record]:
    # Bytes that are no UTF-8 come as lone surrogates, so that one bad cell is one bad row.
    text = io.TextIOWrapper(stream, "utf-8-sig", errors="surrogateescape", newline="")
    try:
        yield from _text_records(text, delimiter)
    finally:
        text.detach()  # The stream is its opener's to close.


def _text_records(text: TextIO, delimiter: str) -> Iterator[Record]:  # noqa: C901
    csv.field_size_limit(_MOST_CELL)
    read = 0

    def lines() -> Iterator[str]:
        nonlocal read
        for line in text:
            read += len(line)
            yield line

    reader = csv.reader(lines(), delimiter=delimiter)
    header: list[str] | None = None
    while True:
        begins, read = reader.line_num + 1, 0
        try:
            cells = next(reader, None)
        except csv.Error:
            yield begins, _csv_fault(begins, read)
            continue
        if cells is None:
            break
        if not cells:
            continue
        if header is None:
            header = cells
            twice = [name for name in header if header.count(name) > 1]
            if twice:
                raise RowsError(f"the header names the column {twice[0]!r} twice")
            continue
        if len(cells) != len(header):
            yield begins, f"line {begins}: {len(cells)} cells, but the header has {len(header)}"
        elif any(_is_broken(cell) for cell in cells):
            yield begins, f"line {begins}: not UTF-8"
        else:
            yield begins, dict(zip(header, cells, strict=True))
    if header is None:
        raise RowsError("there is no header line that names the columns")


def _csv_fault(line: int, length: int) -> str:
    """Say why a record of so many characters is none.

    Raises:
        RowsError: a cell has no end, so nobody knows what of the rest is inside a quote.
    """
    if length > _MOST_CELL:
        most = f"{_MOST_CELL >> 20} MiB"
        raise RowsError(f"line {line}: a cell is longer than {most}; does a quote have no end?")
    return f"line {line}: not CSV"


def _is_broken(cell: str) -> bool:
    return not cell.isascii() and any("\ud800" <= character <= "\udfff" for character in cell)


def parquet_blocks(path: Path, size: int) -> Iterator[Block]:
    """Yield the rows of a Parquet file.

    Raises:
        RowsError: it is none.
        UnavailableError: pyarrow is not installed.
    """
    try:
        from pyarrow import ArrowException  # noqa: PLC0415  (an extra)
        from pyarrow.parquet import ParquetFile  # noqa: PLC0415
    except ImportError:
        raise UnavailableError(
            f"{path}: Parquet needs pyarrow: pip install 'local-graders[parquet]'"
        ) from None

    done = total = 0

    def records() -> Iterator[Record]:
        nonlocal done, total
        try:
            with ParquetFile(path) as file:
                total = file.metadata.num_rows
                for batch in file.iter_batches(_BATCH):
                    for row in _rows_of(batch):
                        done += 1
                        yield done, f"line {done}: {row}" if isinstance(row, str) else row
        except UnicodeDecodeError:
            raise RowsError("the Parquet file cannot be read: a name is not UTF-8") from None
        except (ArrowException, OSError) as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise  # The system's, not the file's.
            raise RowsError(_unread(path)) from None

    whole = path.stat().st_size
    return blocks_of(records(), size, lambda: whole * done // max(total, 1))


def _rows_of(batch: Any) -> Iterator[Mapping[str, Any] | str]:
    """Yield the rows of a batch of Arrow's; of one with a value that Python has not, what it is."""
    try:
        rows: list[Mapping[str, Any]] = batch.to_pylist()
    except (ValueError, ArithmeticError):
        for at in range(batch.num_rows):
            yield _row_of(batch.slice(at, 1))
    else:
        yield from rows


def _row_of(row: Any) -> Mapping[str, Any] | str:
    values = {}
    for name, kind, column in zip(row.schema.names, row.schema.types, row.columns, strict=True):
        try:
            values[name] = column[0].as_py()
        except (ValueError, ArithmeticError):
            return f"the column {quoted(name)} has a {kind} there that cannot be read"
    return values


def is_dataset(path: Path) -> bool:
    """Whether a folder is a dataset (or one of several splits) saved by Hugging Face datasets."""
    return (path / "state.json").is_file() or (path / "dataset_dict.json").is_file()


def dataset_blocks(path: Path, size: int) -> Iterator[Block]:
    """Yield the rows of a Hugging Face dataset on disk.

    Raises:
        RowsError: it holds several splits, or is none.
        UnavailableError: the library is not installed.
    """
    if (path / "dataset_dict.json").is_file():
        splits = sorted(one.name for one in path.iterdir() if (one / "state.json").is_file())
        listed = ", ".join(str(path / name) for name in splits)
        raise RowsError(f"the dataset has several splits; name one: {listed}")
    try:
        from datasets import load_from_disk  # noqa: PLC0415  (an extra)
    except ImportError:
        raise UnavailableError(f"{path}: a dataset folder needs: pip install datasets") from None

    def records() -> Iterator[Record]:
        try:
            dataset = load_from_disk(str(path))
        except (OSError, ValueError, KeyError):
            raise RowsError(
                "the dataset cannot be read: it is damaged or of another kind"
            ) from None
        number = 0
        for batch in dataset.iter(_BATCH):
            names = list(batch)
            for values in zip(*batch.values(), strict=True):
                number += 1
                yield number, dict(zip(names, values, strict=True))

    return blocks_of(records(), size, lambda: 0)


def blocks_of(records: Iterable[Record], size: int, position: Callable[[], int]) -> Iterator[Block]:
    """Yield records in blocks of about `size` bytes; `position` says how far the file is read."""
    lines: list[bytes] = []
    faults: dict[int, str] = {}
    index = filled = 0
    for line, record in records:
        text = record if isinstance(record, str) else _line(record, line)
        if isinstance(text, str):
            faults[len(lines)] = text
            text = _NOT_A_ROW
        lines.append(text)
        filled += len(text) + 1
        if filled >= size:
            yield Block(b"\n".join(lines) + b"\n", index, faults=faults, end=position())
            index += len(lines)
            lines, faults, filled = [], {}, 0
    if lines:
        yield Block(b"\n".join(lines) + b"\n", index, faults=faults, end=position())


def _line(record: Mapping[str, Any], line: int) -> bytes | str:
    """Return a record as a line of JSON, or why it is not one."""
    item: Any = record
    if "item" in record:
        item = record["item"]
        if isinstance(item, str):
            try:
                item = jsontext.decode(item, allow_nan=True)
            except ValueError as error:
                return f"line {line}: the item is not JSON: {error}"
    try:
        return jsontext.encode({**record, "item": item}, default=_plain)
    except (TypeError, ValueError) as error:
        return f"line {line}: {error}"


def _plain(value: Any) -> Any:
    """Return what stands for a value that JSON has not."""
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            raise jsontext.ForeignError(
                "bytes that are not UTF-8 text have no JSON value"
            ) from None
    if hasattr(value, "total_seconds"):
        return value.total_seconds()
    raise jsontext.ForeignError(f"a {type(value).__name__} is not a JSON value")


def _unread(path: Path) -> str:
    """Return why a Parquet file cannot be read, whatever its library says of it."""
    with path.open("rb") as file:
        head = file.read(len(_PARQUET))
        size = file.seek(0, 2)
        file.seek(max(0, size - len(_PARQUET)))
        tail = file.read()
    if not size:
        problem = "it is empty"
    elif head != _PARQUET:
        problem = "it does not begin as a Parquet file does (PAR1)"
    elif tail != _PARQUET:
        problem = "it does not end as a Parquet file does (PAR1): a part of it may be missing"
    else:
        problem = "it is damaged"
    return f"the Parquet file cannot be read: {problem}"

"""Tables of Arrow's: Parquet files, and Hugging Face datasets on disk."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from graders.errors import RowsError, UnavailableError, quoted
from graders.plain import plain, shortest
from graders.remote import Place, Remote, RemoteError
from graders.rows.block import Block
from graders.rows.table import Record, blocks_of

__all__ = [
    "dataset_blocks",
    "is_dataset",
    "parquet_blocks",
    "row_groups",
    "rows_of_batch",
    "rows_of_dataset",
    "time_of",
    "values_of",
]

_BATCH: Final = 512
_PARQUET: Final = b"PAR1"
_BUFFER: Final = 1 << 20
"""Bytes of a column that are held."""


def parquet_blocks(path: Place, size: int, group: int = 0) -> Iterator[Block]:
    """Yield the rows of a Parquet file.

    Args:
        path: the file.
        size: bytes of a block.
        group: the row group to begin at.

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
            far = isinstance(path, Remote)
            opened = path.open() if isinstance(path, Remote) else path
            # Not buffered ahead, which would hold the whole file; of an object only what rows need is fetched,
            # one column after the other: two threads on one stream would fetch parts of it twice.
            with ParquetFile(opened, pre_buffer=False, buffer_size=_BUFFER) as file:
                known = file.metadata
                total = known.num_rows
                done = sum(known.row_group(one).num_rows for one in range(group))
                wanted = range(group, known.num_row_groups)
                for batch in file.iter_batches(_BATCH, row_groups=wanted, use_threads=not far):
                    for row in rows_of_batch(batch):
                        done += 1
                        yield done, f"line {done}: {row}" if isinstance(row, str) else row
        except UnicodeDecodeError:
            raise RowsError("the Parquet file cannot be read: a name is not UTF-8") from None
        except (ArrowException, OSError) as error:
            if isinstance(error, RemoteError) or (
                isinstance(error, OSError) and error.errno is not None
            ):
                raise  # The system's, not the file's.
            raise RowsError(_unread(path)) from None

    whole = path.stat().st_size
    return blocks_of(records(), size, lambda: whole * done // max(total, 1))


def row_groups(path: Place) -> list[int] | None:
    """Return how many rows each row group of a Parquet file has; None where it cannot be read."""
    try:
        from pyarrow import ArrowException  # noqa: PLC0415  (an extra)
        from pyarrow.parquet import ParquetFile  # noqa: PLC0415

        with ParquetFile(path.open() if isinstance(path, Remote) else path) as file:
            known = file.metadata
            return [known.row_group(one).num_rows for one in range(known.num_row_groups)]
    except (ImportError, ArrowException, OSError):
        return None  # Who reads it says why.


def rows_of_batch(batch: Any) -> Iterator[Mapping[str, Any] | str]:
    """Yield the rows of a batch of Arrow's; of one with a value that Python has not, what it is.

    Raises:
        RowsError: two columns have one name.
    """
    names = batch.schema.names
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise RowsError(f"the table has two columns {quoted(twice)}")
    rules = {
        name: rule
        for name, kind in zip(batch.schema.names, batch.schema.types, strict=True)
        if (rule := rule_of(kind)) is not None
    }
    try:
        rows: list[dict[str, Any]] = _without_nanoseconds(batch).to_pylist()
        for name, rule in rules.items():
            for row in rows:
                row[name] = rule(row[name])
    except (ValueError, ArithmeticError):
        for at in range(batch.num_rows):
            yield _row_of(batch.slice(at, 1))
    else:
        yield from rows


def values_of(column: Any) -> list[Any]:
    """Return the values of a column of Arrow's, as `rows_of_batch` gives them.

    Raises:
        ValueError, ArithmeticError: it has one that Python has not.
    """
    import pyarrow as pa  # noqa: PLC0415  (an extra)

    kind, rule = column.type, rule_of(column.type)
    if pa.types.is_timestamp(kind) and kind.unit == "ns":
        column = column.cast(pa.int64())
    values: list[Any] = column.to_pylist()
    return values if rule is None else [rule(one) for one in values]


def _without_nanoseconds(batch: Any) -> Any:
    """Return a batch whose times of nanoseconds are whole numbers, which `rule_of` makes text of.

    Python has no such times; where pandas is installed pyarrow gives its own, and else none.
    """
    import pyarrow as pa  # noqa: PLC0415  (an extra)

    for at, kind in enumerate(batch.schema.types):
        if pa.types.is_timestamp(kind) and kind.unit == "ns":
            field, column = batch.schema.field(at), batch.column(at).view(pa.int64())
            batch = batch.set_column(at, field.with_type(pa.int64()), column)
    return batch


def _row_of(row: Any) -> Mapping[str, Any] | str:
    values = {}
    plainer = _without_nanoseconds(row)
    for name, kind, column in zip(row.schema.names, row.schema.types, plainer.columns, strict=True):
        try:
            values[name] = (rule_of(kind) or _same)(column[0].as_py())
        except (ValueError, ArithmeticError):
            return f"the column {quoted(name)} has a {kind} there that cannot be read"
    return values


Rule = Callable[[Any], Any]


def rule_of(kind: Any) -> Rule | None:
    """Return what has to be done to the Python values of a type of Arrow's; None for nothing.

    Floats of 32 and 16 bits get the fewest digits that tell them apart, maps become objects.
    """
    from pyarrow import BaseExtensionType, types  # noqa: PLC0415  (an extra)

    if isinstance(kind, BaseExtensionType):
        return rule_of(kind.storage_type)
    if types.is_float32(kind) or types.is_float16(kind):
        return shortest("float32" if types.is_float32(kind) else "float16")
    if types.is_timestamp(kind) and kind.unit == "ns":
        # Within others it is pandas' time, where that is installed.
        return lambda one: time_of(one, kind.tz) if isinstance(one, int) else one
    if types.is_map(kind):
        inner = rule_of(kind.item_type) or _same
        return lambda pairs: (
            None if pairs is None else {_name(key): inner(one) for key, one in pairs}
        )
    if types.is_nested(kind) and hasattr(kind, "value_type"):  # A list, of whatever sort.
        each = rule_of(kind.value_type)
        if each is None:
            return None
        return lambda values: None if values is None else [each(one) for one in values]
    if types.is_struct(kind):
        rules = {one.name: rule for one in kind if (rule := rule_of(one.type)) is not None}
        if not rules:
            return None
        return lambda row: row and {name: rules.get(name, _same)(one) for name, one in row.items()}
    return None


def _same(value: Any) -> Any:
    return value


def _name(key: Any) -> str:
    return key if isinstance(key, str) else str(plain(key))


def time_of(count: int, zone: str | None) -> str:
    """Return a time in nanoseconds since 1970 as ISO 8601 text, of nine digits where it needs them.

    Raises:
        ValueError, ArithmeticError: it is before the year 1 or after 9999, or in no known zone.
    """
    seconds, rest = divmod(count, 10**9)
    moment = dt.datetime.fromtimestamp(seconds, dt.UTC) + dt.timedelta(microseconds=rest // 1000)
    if zone is None:
        moment = moment.replace(tzinfo=None)
    elif zone.upper() != "UTC":
        moment = moment.astimezone(ZoneInfo(zone))
    text = moment.isoformat(timespec="microseconds" if rest else "seconds")
    if rest % 1000:
        text = text[:26] + f"{rest % 1000:03}" + text[26:]
    return text


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
        for number, row in enumerate(rows_of_dataset(dataset), 1):
            yield number, f"row {number}: {row}" if isinstance(row, str) else row

    return blocks_of(records(), size, lambda: 0)


def rows_of_dataset(dataset: Any) -> Iterator[Mapping[str, Any] | str]:
    """Yield the rows of a Hugging Face dataset, of whose images nothing is decoded."""
    columns = dataset.format["columns"]
    for table in dataset.with_format("arrow", columns=columns).iter(_BATCH):
        for batch in table.to_batches():
            yield from rows_of_batch(batch)


def _unread(path: Place) -> str:
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

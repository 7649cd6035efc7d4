"""Results as a table of typed columns: a Parquet file, for whoever goes on with pandas, polars or DuckDB."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

from graders import jsontext
from graders.batch.result import Result
from graders.errors import UnavailableError

__all__ = ["schema_of", "table_of", "write_parquet"]

_GROUP: Final = 1 << 16
"""Rows of a row group."""
_KNOWN: Final = ("index", "id", "reward", "sub_rewards", "failures")
_PARTS: Final = ("code", "message", "where", "details")


def schema_of(keys: Sequence[str]) -> Any:
    """Return the columns of results, as Arrow has them.

    `index` (int64), `id` (text), `reward` (float64, null for a failed row), `reward_<key>` for each
    sub-grader, `failures` (a list of code, message, where, details), and `more`: what else a result line
    holds, as JSON, null where that is nothing.

    Args:
        keys: the sub-graders.
    """
    import pyarrow as pa  # noqa: PLC0415  (an extra)

    failure = pa.struct([(name, pa.string()) for name in _PARTS])
    columns = [
        pa.field("index", pa.int64(), nullable=False),
        ("id", pa.string()),
        ("reward", pa.float64()),
        *((f"reward_{key}", pa.float64()) for key in keys),
        ("failures", pa.list_(failure)),
        ("more", pa.string()),
    ]
    return pa.schema(columns)


def table_of(results: Sequence[Result], keys: Sequence[str]) -> Any:
    """Return results as a table of Arrow's."""
    import pyarrow as pa  # noqa: PLC0415  (an extra)

    bodies = [one.body for one in results]
    columns = [
        [one["index"] for one in bodies],
        [_text(one.get("id")) for one in bodies],
        [_number(one["reward"]) for one in bodies],
        *([_number(one["sub_rewards"].get(key)) for one in bodies] for key in keys),
        [[{name: made.get(name) for name in _PARTS} for made in one["failures"]] for one in bodies],
        [_more(one) for one in bodies],
    ]
    schema = schema_of(keys)
    arrays = [pa.array(one, kind) for one, kind in zip(columns, schema.types, strict=True)]
    return pa.Table.from_arrays(arrays, schema=schema)


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def _text(value: Any) -> str | None:
    """Return text that Arrow can hold: what is no text as JSON, half a surrogate pair as a question mark."""
    if value is None:
        return None
    text = value if isinstance(value, str) else jsontext.encode(value).decode()
    return text.encode("utf-8", "replace").decode()


def _more(body: Any) -> str | None:
    rest = {name: one for name, one in body.items() if name not in _KNOWN}
    return _text(rest) if rest else None


def write_parquet(results: Iterable[Sequence[Result]], path: Path) -> None:
    """Write results to a Parquet file.

    Args:
        results: they, some at a time.
        path: the file.

    Raises:
        UnavailableError: pyarrow is not installed.
        OSError: the file cannot be written.
    """
    try:
        from pyarrow.parquet import ParquetWriter  # noqa: PLC0415  (an extra)
    except ImportError:
        raise UnavailableError(
            "results in Parquet need pyarrow: pip install 'local-graders[parquet]'"
        ) from None

    held: list[Result] = []
    keys: list[str] | None = None
    writer: Any = None
    try:
        for some in results:
            held += some
            if keys is None and held:
                keys = list(held[0].body["sub_rewards"])
            if keys is not None and len(held) >= _GROUP:
                writer = writer or ParquetWriter(path, schema_of(keys), compression="zstd")
                writer.write_table(table_of(held, keys))
                held = []
        writer = writer or ParquetWriter(path, schema_of(keys or []), compression="zstd")
        if held:
            writer.write_table(table_of(held, keys or []))
    finally:
        if writer is not None:
            writer.close()

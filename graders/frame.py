"""DataFrames, Arrow tables and datasets as rows, and the same with columns more.

None of their libraries is imported: whose frame comes has loaded it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from graders import jsontext
from graders.errors import OptionError, quoted
from graders.grade import Grade
from graders.plain import plain, shortest
from graders.rows.arrow import rows_of_batch, rows_of_dataset, time_of, values_of

__all__ = ["check_names", "column_of", "rows_of", "with_grades", "with_items"]

_BATCH: Final = 512


def rows_of(frame: Any) -> Iterator[Mapping[str, Any]]:
    """Yield the rows of a pandas or polars DataFrame, an Arrow table, or a Hugging Face dataset.

    What pandas counts as missing (NaN, NaT, NA) is null; in the others a NaN is a number.

    Raises:
        OptionError: it is none of these.
    """
    kind = _kind_of(frame)
    if kind == "pandas":
        return _of_pandas(frame)
    if kind == "polars":
        return _of_polars(frame)
    if kind == "pyarrow":
        batches = frame.to_batches(_BATCH)
        return map(plain, _readable(row for batch in batches for row in rows_of_batch(batch)))
    if frame.format["type"] is None:
        return map(plain, _readable(rows_of_dataset(frame)))
    return (plain(dict(row)) for row in frame)  # As its owner wants them.


def column_of(table: Any, name: str) -> list[Any]:
    """Return a column of an Arrow table as JSON has its values; no other is looked at.

    Raises:
        OptionError: it holds what Python has not.
    """
    try:
        found: list[Any] = plain(values_of(table.column(name)))
    except (ValueError, ArithmeticError):
        kind = table.schema.field(name).type
        raise OptionError(f"the column {quoted(name)} has a {kind} that cannot be read") from None
    return found


def with_items(rows: Iterator[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Yield rows whose column `item` is read as JSON where it holds text, as in files of tables."""
    for row in rows:
        item = row.get("item")
        try:
            yield (
                {**row, "item": jsontext.decode(item, allow_nan=True)}
                if isinstance(item, str)
                else row
            )
        except ValueError:
            yield row  # Whoever reads it says that it is a text.


def check_names(frame: Any, keys: Sequence[str], prefix: str) -> None:
    """See whether a frame has room for the columns of its grades.

    Raises:
        OptionError: it is no frame, or has a column of such a name already, or two of one name.
    """
    there = [str(name) for name in getattr(frame, _COLUMNS[_kind_of(frame)])]
    for name in {name for name in there if there.count(name) > 1}:
        raise OptionError(f"the frame has two columns {quoted(name)}")
    for name in (f"{prefix}{one}" for one in ("reward", *map("reward_{}".format, keys), "failure")):
        if name in there:
            raise OptionError(f"the frame has a column {quoted(name)} already; give a prefix")


def with_grades(frame: Any, grades: Sequence[Grade], keys: Sequence[str], prefix: str) -> Any:
    """Return a frame of the same kind with its rows' grades as columns more.

    Args:
        frame: the frame, which is left as it is.
        grades: one a row, in order.
        keys: the keys of sub-grader rewards.
        prefix: what the names of the new columns begin with.
    """
    numbers: dict[str, list[Any]] = {f"{prefix}reward": [one.reward for one in grades]}
    for key in keys:
        numbers[f"{prefix}reward_{key}"] = [one.sub_rewards.get(key) for one in grades]
    said = ["; ".join(map(str, one.failures)) if one.failures else None for one in grades]
    return _with_columns(frame, numbers, f"{prefix}failure", said)


def _with_columns(
    frame: Any, numbers: Mapping[str, list[Any]], name: str, said: list[str | None]
) -> Any:
    """Return a frame with columns of numbers and one of texts more: of their kind where all are missing, too."""
    kind = _kind_of(frame)
    if kind == "pandas":
        text = _text_kind()
        added = {one: _series(frame, values, "float64") for one, values in numbers.items()}
        return frame.assign(**added, **{name: _series(frame, said, text)})
    if kind == "polars":
        import polars as pl  # noqa: PLC0415  (whose frame it is)

        kinds = {**dict.fromkeys(numbers, pl.Float64), name: pl.String}
        return frame.hstack(pl.DataFrame({**numbers, name: said}, kinds).get_columns())
    if kind == "pyarrow":
        import pyarrow as pa  # noqa: PLC0415  (whose table it is)

        for one, values in numbers.items():
            frame = frame.append_column(one, pa.array(values, pa.float64()))
        return frame.append_column(name, pa.array(said, pa.string()))
    for one, values in {**numbers, name: said}.items():
        frame = frame.add_column(one, values)
    return frame


_COLUMNS: Final = {
    "pandas": "columns", "polars": "columns", "pyarrow": "column_names", "datasets": "column_names",
}  # fmt: skip


def _kind_of(frame: Any) -> str:
    """Return whose frame it is, by the package that its class is of."""
    for one in type(frame).__mro__:
        kind = one.__module__.partition(".")[0]
        if kind in _COLUMNS and one.__name__ in {"DataFrame", "Table", "Dataset"}:
            return kind
    raise OptionError(
        f"a {type(frame).__name__} is no frame; take a pandas or polars DataFrame, a pyarrow Table or "
        "a Hugging Face Dataset"
    )


def _readable(rows: Iterator[Any]) -> Iterator[Any]:
    for row in rows:
        if isinstance(row, str):
            raise OptionError(row)
        yield row


def _of_polars(frame: Any) -> Iterator[Mapping[str, Any]]:
    rules = {name: rule for name, kind in frame.schema.items() if (rule := _rule_of(kind))}
    # Python's times have no nanoseconds: these come as whole numbers.
    exact = frame.with_columns(
        frame[name].cast(type(frame[name].to_physical().dtype))
        for name, kind in frame.schema.items()
        if getattr(kind, "time_unit", "") == "ns" and hasattr(kind, "time_zone")
    )
    for row in exact.iter_rows(named=True):
        yield plain({**row, **{name: rule(row[name]) for name, rule in rules.items()}})


def _rule_of(kind: Any) -> Callable[[Any], Any] | None:
    """Return what has to be done to the Python values of a type of polars'; None for nothing."""
    name = str(kind.base_type())
    if name == "Float32":
        return shortest("float32")
    if getattr(kind, "time_unit", "") == "ns" and hasattr(kind, "time_zone"):
        return lambda one: time_of(one, kind.time_zone) if isinstance(one, int) else one
    if name in {"List", "Array"} and (each := _rule_of(kind.inner)) is not None:
        return lambda values: None if values is None else [each(one) for one in values]
    if name == "Struct":
        rules = {one.name: rule for one in kind.fields if (rule := _rule_of(one.dtype))}
        return lambda row: (
            row and {**row, **{name: rule(row[name]) for name, rule in rules.items()}}
        )
    return None


def _of_pandas(frame: Any) -> Iterator[Mapping[str, Any]]:
    names = [str(name) for name in frame.columns]
    for start in range(0, len(frame), _BATCH):
        part = frame.iloc[start : start + _BATCH]
        columns = [
            [None if gone else value for value, gone in zip(_values(one), one.isna(), strict=True)]
            for one in (part.iloc[:, at] for at in range(len(names)))
        ]
        for row in zip(*columns, strict=True):
            yield plain(dict(zip(names, row, strict=True)))


def _values(column: Any) -> Any:
    """Return a column's values; floats of fewer bits by the fewest digits that tell them apart."""
    kind = _FLOATS.get(str(column.dtype).lower())
    return column if kind is None else map(shortest(kind), column)


_FLOATS: Final = {
    "float32": "float32", "float16": "float16", "float[pyarrow]": "float32",
    "halffloat[pyarrow]": "float16",
}  # fmt: skip
"""The floats of fewer bits, by the names that pandas has for them."""


def _text_kind() -> Any:
    """Return the type in which this pandas holds texts of which some are missing."""
    import pandas as pd  # noqa: PLC0415  (whose frame it is)

    return pd.Series(["", None]).dtype


def _series(frame: Any, values: Sequence[Any], kind: Any) -> Any:
    import pandas as pd  # noqa: PLC0415  (whose frame it is)

    return pd.Series(list(values), index=frame.index, dtype=kind)

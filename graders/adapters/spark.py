"""A grader for Spark: `graded(frame, "grader.json")` adds grades to a DataFrame, by `mapInArrow`."""

from __future__ import annotations

from typing import Any

from graders.adapters.arrow import ArrowGrader
from graders.config import Source
from graders.errors import OptionError, quoted

__all__ = ["graded"]


def graded(frame: Any, source: Source, **options: Any) -> Any:
    """Return a DataFrame of Spark's with the grades of its rows as columns more.

    `graders` has to be installed where the executors run. Rows keep their order within a partition.

    Args:
        frame: the DataFrame.
        source: the grader, as for `graders.load`; it is read here and sent along.
        options: `item`, `sample` and `prefix` as `ArrowGrader` takes them, and options of `graders.load`.

    Raises:
        ConfigError: the grader has faults.
        OptionError: the frame has a column of such a name already.
    """
    from pyspark.sql.types import (  # noqa: PLC0415  (whose frame it is)
        DoubleType,
        StringType,
        StructField,
        StructType,
    )

    grader = ArrowGrader(source, **options)
    kinds = {"double": DoubleType(), "string": StringType()}
    for name in grader.columns:
        if name in frame.columns:
            raise OptionError(f"the frame has a column {quoted(name)} already; give a prefix")
    added = [StructField(name, kinds[kind]) for name, kind in grader.columns.items()]
    schema = StructType([*frame.schema.fields, *added])
    return frame.mapInArrow(lambda batches: grader(batches), schema)  # noqa: PLW0108  (it wants a function)

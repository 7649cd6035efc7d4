"""A grader for Dask: `graded(frame, "grader.json")` adds grades to a DataFrame, partition by partition."""

from __future__ import annotations

from typing import Any

from graders.adapters.arrow import ArrowGrader
from graders.config import Source

__all__ = ["graded"]


def graded(frame: Any, source: Source, **options: Any) -> Any:
    """Return a DataFrame of Dask's with the grades of its rows as columns more; nothing is graded yet.

    `graders` has to be installed where the workers run.

    Args:
        frame: the DataFrame.
        source: the grader, as for `graders.load`; it is read here and sent along.
        options: `item`, `sample` and `prefix` as `ArrowGrader` takes them, and options of `graders.load`.

    Raises:
        ConfigError: the grader has faults.
        OptionError: the frame has a column of such a name already.
    """
    grader = ArrowGrader(source, **options)
    empty = grader.grade(frame._meta)  # noqa: SLF001  (Dask's own name for the columns there will be)
    return frame.map_partitions(grader.grade, meta=empty)

"""A grader for batches of Arrow's: Spark's `mapInArrow`, Arrow Flight, and whatever else passes columns on.

Columns stay columns: nothing becomes a row of the engine's, and the engine moves no Python objects.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from graders import api
from graders.config import Source

__all__ = ["ArrowGrader"]


class ArrowGrader:
    """Adds grades to batches of rows. It can be pickled: each process starts its own sandbox.

    The columns added are those of `Grader.grade_frame`: `reward` (float64, null where the row failed),
    `reward_<key>` for each sub-grader, and `failure` (text, null where there is a reward).

    Args:
        source: the grader, as for `graders.load`.
        item: where in a row the item stands; `.` for the whole row.
        sample: the same for the sample.
        prefix: what the names of the new columns begin with.
        options: the options of `graders.load`.

    Raises:
        ConfigError: the grader has faults.
        OptionError: an option has a value that it cannot have.
    """

    def __init__(
        self, source: Source, *, item: str = ".", sample: str = "sample", prefix: str = "", **options: Any
    ) -> None:  # fmt: skip
        self._grader = api.load(source, **options)
        self._said: dict[str, Any] = {"item": item, "sample": sample, "prefix": prefix}

    @property
    def columns(self) -> dict[str, str]:
        """The columns that are added: `double` or `string`, by name."""
        keys = [leaf.key for leaf in self._grader.plan.leaves if leaf.key]
        names = ["reward", *(f"reward_{key}" for key in keys)]
        prefix: str = self._said["prefix"]
        return {**{f"{prefix}{one}": "double" for one in names}, f"{prefix}failure": "string"}

    def grade(self, frame: Any) -> Any:
        """Return a frame, as `Grader.grade_frame` takes it, with the grades of its rows."""
        return self._grader.grade_frame(frame, **self._said)

    def __call__(self, batches: Iterable[Any]) -> Iterator[Any]:
        """Yield each record batch with the grades of its rows.

        Raises:
            OptionError: a batch has a column of such a name already.
        """
        import pyarrow as pa  # noqa: PLC0415  (whose batches they are)

        try:
            for batch in batches:
                yield from self.grade(pa.Table.from_batches([batch])).to_batches()
        finally:
            self._grader.close()

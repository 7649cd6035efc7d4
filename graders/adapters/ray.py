"""A grader for Ray Data: `dataset.map_batches(RayGrader, fn_constructor_args=["grader.json"], ...)`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from graders import api, jsontext
from graders.config import Source

__all__ = ["RayGrader"]


class RayGrader:
    """Adds grades to batches of rows; a class for `Dataset.map_batches`.

    A batch with a column `item` has rows as JSON Lines do; in one without, a row is its own item.
    The columns added are `reward` (null where the row failed), `sub_rewards` (an object) and
    `failures` (JSON text, "" for none).

    Args:
        source: the grader, as for `graders.load`.
        sample: the column that holds the sample.
        options: the options of `graders.load`.

    Raises:
        ConfigError: the grader has faults.
    """

    def __init__(self, source: Source, *, sample: str = "sample", **options: Any) -> None:
        self._grader = api.load(source, **options)
        self._sample = sample

    def __call__(self, batch: Mapping[str, Any]) -> dict[str, Any]:
        """Return a batch (columns of numpy arrays) with the grades of its rows."""
        columns = {name: [_plain(value) for value in column] for name, column in batch.items()}
        count = len(next(iter(columns.values()), []))
        rows = []
        for index in range(count):
            row = {name: column[index] for name, column in columns.items()}
            rows.append({"item": row.get("item", row), "sample": row.get(self._sample)})
        grades = list(self._grader.grade_many(rows, chunk=max(count, 1)))
        return {
            **batch,
            "reward": np.array([grade.reward for grade in grades], dtype=object),
            "sub_rewards": _objects([dict(grade.sub_rewards) for grade in grades]),
            "failures": _objects([_text(grade) for grade in grades]),
        }


def _plain(value: Any) -> Any:
    """Return a numpy value as Python has it."""
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value


def _objects(values: list[Any]) -> Any:
    column = np.empty(len(values), dtype=object)
    column[:] = values
    return column


def _text(grade: Any) -> str:
    found = [failure.to_dict() for failure in grade.failures]
    return jsontext.encode(found).decode() if found else ""

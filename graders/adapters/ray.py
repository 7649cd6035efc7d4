"""A grader for Ray Data: `dataset.map_batches(RayGrader, fn_constructor_args=["grader.json"], ...)`."""

from __future__ import annotations

import hashlib
import importlib
import pickle
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from graders import api, jsontext
from graders.config import Source
from graders.frame import column_of
from graders.plain import plain
from graders.plan import Plan
from graders.rows import Chunk

__all__ = ["RayGrader"]

_PAUSES: Final = (0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
"""Seconds before each new try where the actor that asks judges is lost. One lost node is met up to four times:
as its connection breaks, as Ray counts it as dead, and as it is found under its name still."""
_SIDE_BY_SIDE: Final = 64


class RayGrader:
    """Adds grades to batches of rows; a class for `Dataset.map_batches`.

    Batches are columns and stay so: numpy's (Ray's default) or, with `batch_format="pyarrow"`, Arrow's,
    where what is not graded is not even looked at, and a missing number is no NaN. A batch with a
    column `item` has rows as JSON Lines do; in one without, a row is its own item, of the columns
    that the grader names. The columns added are `reward` (null where the row failed), `sub_rewards`
    (an object; no column where there are no sub-graders) and `failures` (JSON text, "" for none).

    Judges are asked by one actor for all of a job's actors with this grader: they keep to one
    `concurrency`, one rate and one cache.

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
        self._desk = _Desk.of(self._grader) if self._grader.plan.asks_servers else None

    def __call__(self, batch: Any) -> Any:
        """Return a batch with the grades of its rows: of numpy's columns, or of Arrow's."""
        arrow = hasattr(batch, "column_names")
        names = list(batch.column_names if arrow else batch)
        count = batch.num_rows if arrow else len(next(iter(batch.values()), ()))

        def values(name: str) -> list[Any]:
            return column_of(batch, name) if arrow else _plain(batch[name])

        items = self._items(names, values, count)
        samples = values(self._sample) if self._sample in names else [None] * count
        if self._desk is None:
            graded = _graded(self._grader, items, samples)
        else:
            graded = self._desk.grade(items, samples)
        failures = [_text(graded.failures.get(row, ())) for row in range(count)]
        if arrow:
            return _with_arrow(batch, graded.rewards, graded.sub_rewards, failures)
        added = {"reward": _objects(graded.rewards)}
        if graded.sub_rewards:
            added["sub_rewards"] = _objects(_rows(graded.sub_rewards, count))
        return {**batch, **added, "failures": _objects(failures)}

    def _items(self, names: Sequence[str], values: Any, count: int) -> list[Any]:
        if "item" in names:
            return [_read(one) for one in values("item")]
        named = _named(self._grader.plan)
        # Where one is missing, or all are seen, the item has all: failures list what there is.
        seen = [one for one in names if one in named] if named and named <= {*names} else names
        return _rows({name: values(name) for name in seen}, count)


class _Desk:
    """One actor that asks judges for all actors of a job; made anew where it is lost."""

    def __init__(self, grader: api.Grader) -> None:
        self._ray: Any = importlib.import_module("ray")
        self._grader = grader
        told = (grader.to_dict(), repr(grader.setup))
        self._name = f"graders-{hashlib.sha256(repr(told).encode()).hexdigest()[:16]}"
        self._actor = self._found()

    @classmethod
    def of(cls, grader: api.Grader) -> _Desk | None:
        """Return the desk of a grader; None outside Ray, where there are no other actors."""
        return cls(grader) if importlib.import_module("ray").is_initialized() else None

    def _found(self) -> Any:
        make = self._ray.remote(num_cpus=0, max_concurrency=_SIDE_BY_SIDE)(_Judging)
        return make.options(name=self._name, get_if_exists=True).remote(pickle.dumps(self._grader))

    def grade(self, items: list[Any], samples: list[Any]) -> Any:
        for pause in _PAUSES:
            try:
                return self._ray.get(self._actor.grade.remote(items, samples))
            except self._ray.exceptions.RayActorError:
                time.sleep(pause)
                self._actor = self._found()
        return self._ray.get(self._actor.grade.remote(items, samples))


class _Judging:
    def __init__(self, grader: bytes) -> None:
        self._grader: api.Grader = pickle.loads(grader)  # noqa: S301  (of the job itself)

    def grade(self, items: list[Any], samples: list[Any]) -> Any:
        return _graded(self._grader, items, samples)


def _graded(grader: api.Grader, items: list[Any], samples: list[Any]) -> Any:
    """Return the grades of rows in columns, without a `Grade` for each row."""
    count = len(items)
    chunk = Chunk(items, [*samples], [None] * count, indexes=range(count))
    with grader._running() as runner:  # noqa: SLF001  (what `grade_many` does with rows)
        return runner.grade(chunk)


def _named(plan: Plan) -> set[str]:
    """Return the columns that a grader names; none where it may see all."""
    if plan.reading.dialect == "jinja2" or any(leaf.sees_all for leaf in plan.leaves):
        return set()
    steps = [path.steps for one in plan.templates for path in one.paths if path.namespace == "item"]
    return {str(one[0]) for one in steps} if all(steps) else set()


def _rows(columns: Mapping[str, Sequence[Any]], count: int) -> list[dict[str, Any]]:
    if not columns:
        return [{} for _ in range(count)]
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _plain(column: Any) -> list[Any]:
    """Return a column of numpy's as Python has it."""
    found: list[Any] = plain(column if isinstance(column, np.ndarray) else list(column))
    return found


def _read(item: Any) -> Any:
    """Return an item; of text what it says as JSON, as in files of tables."""
    if not isinstance(item, str):
        return item
    try:
        return jsontext.decode(item, allow_nan=True)
    except ValueError:
        return item  # Whoever reads it says that it is a text.


def _with_arrow(
    table: Any, rewards: list[Any], subs: Mapping[str, list[Any]], failures: list[str]
) -> Any:
    import pyarrow as pa  # noqa: PLC0415  (whose table it is)

    number = pa.float64()
    added = {"reward": pa.array(rewards, number)}
    if subs:
        columns = [pa.array(one, number) for one in subs.values()]
        added["sub_rewards"] = pa.StructArray.from_arrays(columns, names=list(subs))
    added["failures"] = pa.array(failures, pa.string())
    kept = table.select([one for one in table.column_names if one not in added])
    for name, column in added.items():
        kept = kept.append_column(name, column)
    return kept


def _objects(values: Sequence[Any]) -> Any:
    column = np.empty(len(values), dtype=object)
    column[:] = values
    return column


def _text(failures: Sequence[Any]) -> str:
    return jsontext.encode([one.to_dict() for one in failures]).decode() if failures else ""

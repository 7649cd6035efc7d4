"""People's labels, read from rows: which of them say that an answer passes."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from graders.errors import OptionError, quoted, shown
from graders.inspection.column import Column
from graders.rows import Block, Layout, decode_block
from graders.sample import Absent

__all__ = ["Labels", "layout_of", "read_labels"]

_SHOWN: Final = 8
_PASSING: Final = frozenset({"1", "correct", "good", "pass", "passed", "right", "true", "y", "yes"})
_FAILING: Final = frozenset(
    {"0", "bad", "fail", "failed", "false", "incorrect", "n", "no", "wrong"}
)


@dataclass(slots=True)
class Labels:
    """Labels in columns.

    Attributes:
        indexes: the labelled rows' indexes.
        ids: their ids, None where a row has none.
        passing: 1.0 where the label says that the row passes, else 0.0.
        numbers: the labels as numbers, where they are numbers; else the same as `passing`.
        counts: rows by label.
        rows: rows of the input.
        unlabelled: rows of it without a label.
    """

    indexes: array[int]
    ids: list[Any]
    passing: Column
    numbers: Column
    counts: Mapping[str, int] = field(default_factory=dict)
    rows: int = 0
    unlabelled: int = 0


def layout_of(path: str) -> Layout:
    """Return the layout that has a row's label in place of its item.

    Raises:
        OptionError: not a path.
    """
    try:
        return Layout.parse(path, ".")
    except OptionError as error:
        raise OptionError(str(error).replace("--item-path", "--label")) from None


def read_labels(
    blocks: Iterable[Block],
    path: str,
    *,
    threshold: float | None = None,
    passing: Sequence[str] = (),
) -> Labels:
    """Return the labels of rows.

    Args:
        blocks: the rows.
        path: where in a row the label stands.
        threshold: the number from which a label passes; None where all are 0 or 1.
        passing: the label texts that pass; none where they are words such as pass and fail.

    Raises:
        OptionError: the labels do not tell which of them pass.
    """
    layout = layout_of(path)
    indexes, ids, values = array("q"), [], []
    rows = 0
    for block in blocks:
        chunk = decode_block(block, layout)
        rows += len(chunk.items)
        for at, value in enumerate(chunk.items):
            if not isinstance(value, Absent):
                indexes.append(chunk.indexes[at])
                ids.append(chunk.ids[at])
                values.append(_checked(value, path))
    if not values:
        raise OptionError(f"no row has a label at {path}")
    counts = Counter(_text(value) for value in values)
    shown_counts = {shown(text, 60): count for text, count in counts.most_common(_SHOWN)}
    if all(isinstance(value, float) for value in values) and not passing:
        numbers = np.array(values, dtype=float)
        verdicts = _above(numbers, threshold, path)
    else:
        verdicts = _chosen([_text(value) for value in values], counts, passing, path)
        numbers = verdicts
    return Labels(indexes, ids, verdicts, numbers, shown_counts, rows, rows - len(values))


def _checked(value: Any, path: str) -> float | str:
    """Return a label: a number as a float, a text as it is."""
    if isinstance(value, bool | int | float):
        number = float(value)
        if np.isfinite(number):
            return number
    elif isinstance(value, str):
        try:
            number = float(value)
        except ValueError:
            return value
        return number if np.isfinite(number) else value
    raise OptionError(f"a label at {path} is a number or a text, got {quoted(value)}")


def _text(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:g}"


def _above(numbers: Column, threshold: float | None, path: str) -> Column:
    if threshold is None:
        if set(np.unique(numbers)) - {0.0, 1.0}:
            low, high = numbers.min(), numbers.max()
            raise OptionError(
                f"the labels at {path} are numbers from {low:g} to {high:g}; "
                "--label-threshold says from which one a row passes"
            )
        threshold = 1.0
    return (numbers >= threshold).astype(float)


def _chosen(
    texts: Sequence[str], counts: Mapping[str, int], passing: Sequence[str], path: str
) -> Column:
    wanted = set(passing)
    listed = ", ".join(quoted(text, 40) for text in list(counts)[:_SHOWN])
    if not wanted:
        folded = {text: text.strip().lower() for text in counts}
        if set(folded.values()) - _PASSING - _FAILING:
            raise OptionError(
                f"--passing says which of the labels at {path} pass; there are {listed}"
            )
        wanted = {text for text, word in folded.items() if word in _PASSING}
    elif not wanted & set(counts):
        raise OptionError(
            f"no label at {path} is {', '.join(map(shown, passing))}; there are {listed}"
        )
    return np.array([float(text in wanted) for text in texts])

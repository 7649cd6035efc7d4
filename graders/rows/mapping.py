"""Rows that a caller holds as mappings: checked, in portions, as blocks where they go elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from graders import jsontext
from graders.errors import OptionError
from graders.plain import plain
from graders.rows.block import Block

__all__ = ["Portion", "blocks_of", "portions"]

_NOT_ROWS: Final = (str, bytes, Mapping)

Portion = tuple[int, list[Mapping[str, Any]]]
"""Rows, with the index of the first."""


def portions(rows: Iterable[Mapping[str, Any]], size: int) -> Iterator[Portion]:
    """Yield rows, so many at a time.

    Raises:
        OptionError: they are no rows, or a row is no mapping; those before it were yielded.
    """
    given: Any = rows
    kind = type(given).__name__
    if not isinstance(given, Iterable) or isinstance(given, _NOT_ROWS) or kind == "DataFrame":
        raise OptionError(
            f"a {kind} is not an iterable of rows; grade_frame takes a DataFrame, score_file the name "
            "of a file"
        )
    start, portion = 0, list[Mapping[str, Any]]()
    try:
        for index, row in enumerate(rows):
            portion.append(_checked(row, index))
            if len(portion) == size:
                yield start, portion
                start, portion = index + 1, []
    except Exception:
        # The rows before what went wrong are good ones.
        if portion:
            yield start, portion
        raise
    if portion:
        yield start, portion


def _checked(row: Any, index: int) -> Mapping[str, Any]:
    if type(row) is not dict and not isinstance(row, Mapping):
        raise OptionError(
            f"row {index} is a {type(row).__name__}; rows are "
            'mappings {"item": ..., "sample": ...}'
        )
    found: Mapping[str, Any] = plain(row)
    return found


def blocks_of(portions: Iterable[Portion]) -> Iterator[Block]:
    """Yield portions as blocks of JSON Lines.

    Raises:
        OptionError: a row is no JSON value; those before it were yielded.
    """
    for start, rows in portions:
        lines: list[bytes] = []
        for index, row in enumerate(rows, start):
            try:
                lines.append(jsontext.encode(dict(row)))
            except (TypeError, ValueError) as error:
                if lines:
                    yield Block(b"\n".join(lines), start)
                raise OptionError(f"row {index} is no JSON value: {error}") from None
        yield Block(b"\n".join(lines), start)

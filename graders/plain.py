"""Values of Python's world as JSON's: one rule for each type, wherever a row comes from.

Rows of tables, DataFrames and datasets hold dates, decimals, bytes and numpy's values. What JSON has is
left as it is, and not copied; what has a plain counterpart becomes that. An object without one
(an image, a model) stays where it is: it costs nothing unless a grader reads it.
"""

from __future__ import annotations

import base64
import datetime as dt
import math
from collections.abc import Callable, Mapping
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from typing import Any, Final
from uuid import UUID

__all__ = ["plain", "plain_value", "shortest"]

_SCALARS: Final = frozenset({str, int, float, bool, type(None)})


def plain(value: Any) -> Any:
    """Return a value with everything in it as JSON has it; the value itself where it is so already.

    Dicts and lists that hold something else are copied, never changed. Objects with no plain
    counterpart are left in their places.
    """
    try:
        return _plain(value)
    except RecursionError:
        return value  # Whoever reads it says that it nests too deeply.


def _plain(value: Any) -> Any:
    kind = type(value)
    if kind in _SCALARS:
        return value
    if kind is dict:
        found = value
        for key, one in value.items():
            if type(key) is not str:
                return _of_mapping(value)
            if type(one) not in _SCALARS and (new := _plain(one)) is not one:
                found = {**value} if found is value else found
                found[key] = new
        return found
    if kind is list:
        found = [_plain(one) for one in value]
        same = all(new is one for new, one in zip(found, value, strict=True))
        return value if same else found
    return plain_value(value)


def plain_value(value: Any) -> Any:
    """Return what stands in JSON for one value that is none of JSON's; itself where nothing does.

    | value | becomes |
    |---|---|
    | date, time, datetime, also pandas' and numpy's | ISO 8601 text; NaT becomes null |
    | timedelta | seconds |
    | Decimal | a whole number, or a float where that has the same digits, else text of all digits |
    | bytes | the text where they are UTF-8, else base64 |
    | numpy's scalars and arrays, tensors, Series | numbers and lists; a float32 as its shortest digits |
    | tuple, other mappings | list, object |
    | Enum, UUID, path | its value, text, text |
    | pandas.NA | null |
    | pandas' periods and intervals | text |
    | an object of a client library (`model_dump`) | what it dumps |
    """
    for kinds, rule in _RULES:
        if isinstance(value, kinds):
            return rule(value)
    if type(value).__name__ in {"NAType", "NaTType"}:
        return None
    if type(value).__name__ in {"Period", "Interval"} and type(value).__module__[:6] == "pandas":
        return str(value)
    if hasattr(value, "dtype") and callable(getattr(value, "tolist", None)):
        return _of_array(value)
    dump = getattr(value, "model_dump", None)
    if callable(dump) and not isinstance(value, type):
        return _plain(dump())
    return value


def _of_array(value: Any) -> Any:
    """Return numpy's scalar or array, or what behaves like one, as numbers and lists."""
    kind = str(value.dtype)
    if kind.endswith("64[ns]") and hasattr(value, "astype"):  # Python's times have no nanoseconds.
        return _plain(value.astype(kind.replace("[ns]", "[us]")).tolist())
    if kind in {"float32", "float16"}:
        return shortest(kind)(value.tolist())
    return _plain(value.tolist())


def shortest(kind: str) -> Callable[[Any], Any]:
    """Return what gives floats of fewer bits by the fewest digits that tell them apart.

    0.1 as a float32 is 0.1, and not 0.10000000149011612.

    Args:
        kind: float32 or float16.
    """
    import numpy as np  # noqa: PLC0415  (whoever has such values has loaded it)

    exact = np.dtype(kind).type

    def short(one: Any) -> Any:
        if isinstance(one, list):
            return [short(inner) for inner in one]
        return None if one is None else float(str(exact(one)))

    return short


def _of_time(value: Any) -> Any:
    return None if type(value).__name__ == "NaTType" else value.isoformat()


def _of_decimal(value: Decimal) -> Any:
    if not value.is_finite():
        return float(value) if not value.is_snan() else math.nan
    if value == value.to_integral_value() and value.adjusted() < 4300:
        return int(value)
    as_float = float(value)
    # Else a digit would be lost, and the number would not equal its own text any more.
    return as_float if Decimal(repr(as_float)) == value else format(value, "f")


def _of_bytes(value: bytes | bytearray | memoryview) -> str:
    raw = bytes(value)
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return base64.b64encode(raw).decode()


def _of_mapping(value: Mapping[Any, Any]) -> dict[str, Any]:
    return {_key(key): _plain(one) for key, one in value.items()}


def _key(key: Any) -> Any:
    """Return a key of an object as text; JSON has no other."""
    if isinstance(key, str):
        return str(key)
    one = _plain(key)
    return "null" if one is None else str(one).lower() if isinstance(one, bool) else str(one)


_RULES: Final[tuple[tuple[Any, Callable[[Any], Any]], ...]] = (
    (Enum, lambda one: _plain(one.value)),
    (str, str),
    (bool, bool),
    (int, int),
    (dt.timedelta, lambda one: one.total_seconds()),
    ((dt.date, dt.time), _of_time),
    (Decimal, _of_decimal),
    ((bytes, bytearray, memoryview), _of_bytes),
    (tuple, lambda one: [_plain(inner) for inner in one]),
    ((dict, Mapping), _of_mapping),
    ((UUID, PurePath), str),
)
"""What becomes of a value, by the first kind that it is of."""

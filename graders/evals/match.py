"""Which criterion a result is of: by its id, its name, or its place. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

__all__ = ["bare_name", "mark_of", "place_of"]

_UUID: Final = re.compile(r"-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$", re.IGNORECASE)
_CHECKS: Final = ("string_check", "label_model")


def bare_name(name: str) -> str:
    """Return what a criterion is called, without the UUID that its results end with."""
    return _UUID.sub("", name) or name


def place_of(
    criteria: Sequence[Mapping[str, Any]], result: Mapping[str, Any], at: int = -1
) -> int | None:
    """Return which of an eval's criteria a result is of; None where nothing tells.

    The hosted API calls a result by its criterion's id, which is its name and a UUID; older ones by
    its name alone. Of criteria of the same name, that of the same place or type.

    Args:
        criteria: the testing_criteria, with their ids where they have some.
        result: a result of an output item.
        at: its place among the item's results.
    """
    name = str(result.get("name") or "")
    bare = _UUID.sub("", name)
    for wanted in ("id", "name"):
        for said in dict.fromkeys((name, bare)):
            found = [k for k, one in enumerate(criteria) if said and _called(one, wanted, said)]
            if len(found) == 1:
                return found[0]
            if found:
                return _of_several(criteria, found, result, at)
    kind = str(result.get("type") or "").removesuffix("-grader").replace("-", "_")
    found = [k for k, one in enumerate(criteria) if kind and one.get("type") == kind]
    return found[0] if len(found) == 1 and not name else None


def _called(criterion: Mapping[str, Any], key: str, said: str) -> bool:
    given = criterion.get(key)
    return isinstance(given, str) and said in (given, _UUID.sub("", given))


def _of_several(
    criteria: Sequence[Mapping[str, Any]], found: Sequence[int], result: Mapping[str, Any], at: int
) -> int | None:
    if at in found:
        return at
    kind = str(result.get("type") or "").removesuffix("-grader").replace("-", "_")
    typed = [one for one in found if criteria[one].get("type") == kind]
    return typed[0] if len(typed) == 1 else None


def mark_of(
    criteria: Sequence[Mapping[str, Any]], result: Mapping[str, Any], at: int
) -> float | None:
    """Return the score from which a result passes; None where its criterion does not tell."""
    place = place_of(criteria, result, at)
    if place is None:
        return None
    one = criteria[place]
    mark = 1.0 if one.get("type") in _CHECKS else one.get("pass_threshold")
    known = isinstance(mark, int | float) and not isinstance(mark, bool)
    return float(mark) if known and mark is not None else None

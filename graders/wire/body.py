"""What is wrong with a request's body: faults by their places, and the answer that tells them. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from graders.config import json_path
from graders.errors import Fault, quoted, suggestion
from graders.wire.error import ApiError, bare

__all__ = ["Location", "fault", "metadata_faults", "refusal", "unknown"]

_PAIRS: Final = 16
_LONGEST_NAME: Final = 64
_LONGEST_VALUE: Final = 512

Location = tuple[str | int, ...]


def fault(place: Location, message: str, code: str = "invalid_value") -> Fault:
    """Return a fault at a place of the body."""
    return Fault(json_path(place), message, code)


def unknown(place: Location, name: str, known: Sequence[str]) -> Fault:
    """Return the fault of a field that is none of those that are known there."""
    hint = suggestion(name, known, "known:")
    return fault(place, f"unknown field {quoted(name)}; {hint}", "unknown_parameter")


def refusal(faults: Sequence[Fault]) -> ApiError:
    """Return the error of a body with faults: the first is its message, all are in `faults`."""
    first = faults[0]
    path = bare(first.path)
    more = f" ({len(faults) - 1:,} more faults)" if len(faults) > 1 else ""
    says = first.message.partition("\n")[0]
    message = f"{path}: {says}" if path and not says.startswith(path) else says
    return ApiError(400, message + more, param=path, code=first.code, faults=faults)


def metadata_faults(metadata: Any) -> Iterator[Fault]:
    """Yield what is wrong with `metadata`: at most 16 pairs of texts, 64 and 512 characters long."""
    if metadata is None:
        return
    if not isinstance(metadata, dict):
        yield fault(("metadata",), f"metadata is an object of texts, got {quoted(metadata)}")
        return
    if len(metadata) > _PAIRS:
        says = f"metadata has {len(metadata):,} pairs; at most {_PAIRS} are taken"
        yield fault(("metadata",), says)
    for name, value in list(metadata.items())[:_PAIRS]:
        if len(name) > _LONGEST_NAME:
            says = f"a key of metadata has at most {_LONGEST_NAME} characters, got {len(name):,}"
            yield fault(("metadata",), says)
        elif not isinstance(value, str) or len(value) > _LONGEST_VALUE:
            says = f"a value of metadata is a text of at most {_LONGEST_VALUE} characters"
            got = f"{len(value):,} characters" if isinstance(value, str) else quoted(value)
            yield fault(("metadata", name), f"{says}, got {got}")

"""Whether texts are counted by the native core, and the counts, whoever makes them.

The core is a package of its own (`native/`, extra `native`), and nothing needs it: where it is not
installed, is switched off by `GRADERS_NATIVE=0`, or is of another version, Python counts. The
counts are the same, and scores are made of them in `rouge.py` and `bleu_value.py` either way.
"""

from __future__ import annotations

import os
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from graders.metrics.coder import ends_of, slices
from graders.version import __version__

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from graders.metrics.core import Core, Rule

__all__ = ["Counts", "NativeCore", "core_of", "counted", "native_core"]

Counts: TypeAlias = "Sequence[array[int] | npt.NDArray[np.int64]]"
"""A number a pair in each column: tokens of candidates, of references, and what else was counted."""

_VARIABLE: Final = "GRADERS_NATIVE"
# What is made for a call and thrown away stays in the processor's caches.
_CALL_CHARACTERS: Final = 1 << 18


@dataclass(frozen=True, slots=True)
class NativeCore:
    """Whether the native core is in use.

    Attributes:
        version: the version that is installed; None where none is.
        problem: why it is not in use; "" where it is.
    """

    version: str | None
    problem: str

    def to_dict(self) -> dict[str, Any]:
        """Return the same as JSON."""
        why = {"problem": self.problem} if self.problem else {}
        return {"used": not self.problem, "version": self.version, **why}


def native_core() -> NativeCore:
    """Return whether this process uses the native core, and why not."""
    return _found(os.environ.get(_VARIABLE, ""))[0]


def core_of(rule: Rule) -> Core | None:
    """Return a core for texts cut by a rule, or None where Python is to count."""
    library = _found(os.environ.get(_VARIABLE, ""))[1]
    if library is None:
        return None
    from graders.metrics.core import Core

    return Core(library, rule)


@cache
def _found(wish: str) -> tuple[NativeCore, Any]:
    """Return what is known of the library, and the library where it is to be used."""
    try:
        import graders_native  # type: ignore[import-untyped, import-not-found, unused-ignore]
    except ImportError:
        return NativeCore(None, "not installed"), None
    version, path = str(graders_native.__version__), str(graders_native.LIBRARY)
    if wish == "0":
        return NativeCore(version, f"turned off by {_VARIABLE}=0"), None
    if version != __version__:
        problem = f"not in use: it is of version {version} and graders of {__version__}; install both of one"
        return NativeCore(version, problem), None
    from graders.metrics.core import ABI, opened

    try:
        library, abi = opened(path)
    except (OSError, AttributeError) as error:
        return NativeCore(version, f"not in use: it cannot be loaded: {error}"), None
    if abi != ABI:
        problem = f"not in use: it speaks ABI {abi} and graders ABI {ABI}; build it again"
        return NativeCore(version, problem), None
    return NativeCore(version, ""), library


def counted(
    core: Core | None,
    python: Callable[[Sequence[str], Sequence[str]], Iterator[Counts]],
    candidates: Sequence[str],
    references: Sequence[str],
    *,
    orders: int,
    longest: bool = False,
) -> Iterator[Counts]:
    """Yield the counts of the rows in order, some rows at a time, by the core or else by Python.

    Args:
        core: the core, where there is one.
        python: counts the same of any rows.
        candidates: the texts to score.
        references: as many texts.
        orders: as `Core.counts` has it.
        longest: as `Core.counts` has it.
    """
    if core is None:
        yield from python(candidates, references)
        return
    from graders.metrics.core import threads_for

    ends = ends_of(candidates, references)
    threads = threads_for(ends[-1] if ends else 0)
    for start, stop in slices(ends, threads * _CALL_CHARACTERS):
        ours, theirs = candidates[start:stop], references[start:stop]
        found = core.counts(ours, theirs, orders=orders, longest=longest, threads=threads)
        if found is None:
            yield from python(ours, theirs)
        else:
            yield found

"""The native core, where it is installed: counts of whole columns of texts, in one call.

It is a package of its own (`native/`, extra `native`), and nothing needs it: whoever asks for a
`Core` gets None where it is not there, is switched off by `GRADERS_NATIVE=0`, or is not of this
version, and computes in Python what it would have counted. The numbers are the same.

What goes in are texts, what comes out are integers; scores are made of those in `rouge.py` and
`bleu_value.py`, whoever counted. Unicode is this Python's: the core asks for the classes of
256 characters when it first sees one of them.
"""

from __future__ import annotations

import ctypes
import os
import sys
import threading
import warnings
import weakref
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from graders.metrics.coder import slices
from graders.version import __version__

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = ["Core", "Counts", "Native", "counted", "native"]

Counts: TypeAlias = "Sequence[npt.NDArray[np.int64]]"
"""A number a pair in each row: tokens of candidates, of references, and what else was counted."""

_ABI: Final = 1
_VARIABLE: Final = "GRADERS_NATIVE"
_DONE, _MEMORY = 0, 2
_PAGES: Final = 0x1100
_RULES: Final = {"alphanumeric": 0, "translation": 1}
# As native/src/classes.rs has them; numbers, punctuation and symbols are 1, 2 and 3.
_SPACE, _WORD, _LETTER, _UPPER, _LOWER = 4, 8, 16, 32, 64
# A thread more pays from about a hundred milliseconds of work on.
_THREAD_CHARACTERS: Final = 1 << 21
_CALL_CHARACTERS: Final = 1 << 23


@dataclass(frozen=True, slots=True)
class Native:
    """Whether the native core is in use.

    Attributes:
        version: the version that is installed; None where none is.
        problem: one sentence on why it is not in use; "" where it is.
    """

    version: str | None
    problem: str

    @property
    def used(self) -> bool:
        """Whether it is in use."""
        return not self.problem


def native() -> Native:
    """Return whether this process uses the native core, and why not."""
    return _loaded(os.environ.get(_VARIABLE, ""))[0]


@cache
def _loaded(wish: str) -> tuple[Native, ctypes.CDLL | None]:
    """Return what is known of the library, and the library where it is to be used."""
    try:
        import graders_native  # type: ignore[import-untyped, import-not-found, unused-ignore]
    except ImportError:
        return Native(None, "it is not installed"), None
    found = str(graders_native.__version__)
    if wish == "0":
        return Native(found, f"{_VARIABLE}=0 turns it off"), None
    if found != __version__:
        problem = f"it is of version {found} and graders of {__version__}; install the two together"
        return Native(found, problem), None
    try:
        library = ctypes.CDLL(str(graders_native.LIBRARY))
        _declare(library)
        abi = library.graders_abi()
    except (OSError, AttributeError) as error:
        return Native(found, f"it cannot be loaded: {error}"), None
    if abi != _ABI:
        return Native(found, f"it speaks ABI {abi} and graders ABI {_ABI}; build it again"), None
    return Native(found, ""), library


class _Columns(ctypes.Structure):
    _fields_ = (
        ("data", ctypes.c_char_p),
        ("width", ctypes.c_size_t),
        ("size", ctypes.c_size_t),
        ("lengths", ctypes.c_void_p),
        ("pairs", ctypes.c_size_t),
    )


class _Order(ctypes.Structure):
    _fields_ = (
        ("rule", ctypes.c_uint32),
        ("orders", ctypes.c_uint32),
        ("longest", ctypes.c_uint32),
        ("threads", ctypes.c_uint32),
    )


def _declare(library: ctypes.CDLL) -> None:
    handle, data, size = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t
    code, status = ctypes.c_uint32, ctypes.c_int32
    numbers = ctypes.c_void_p
    for name, result, arguments in (
        ("abi", code, ()),
        ("new", handle, ()),
        ("free", None, (handle,)),
        ("punkt", status, (handle, data, size)),
        ("page", status, (handle, code, data, data)),
        ("fold", status, (handle, code, data, size)),
        ("missing", status, (handle, data, size, numbers, ctypes.POINTER(size))),
        ("count", status, (handle, ctypes.POINTER(_Columns), ctypes.POINTER(_Order), numbers, size)),
    ):  # fmt: skip
        function = getattr(library, f"graders_{name}")
        function.restype, function.argtypes = result, arguments


class Core:
    """Counts pairs of texts; remembers words from call to call, a bounded number.

    Calls from several threads wait for one another.
    """

    def __init__(self, library: ctypes.CDLL, rule: Literal["alphanumeric", "translation"]) -> None:
        """Make a core.

        Args:
            library: what `_loaded` gives.
            rule: what a token is: ROUGE's word, or what BLEU, GLEU and METEOR compare.

        Raises:
            MemoryError: there is no memory for it.
        """
        self._library: Any = library
        self._rule = _RULES[rule]
        self._handle = library.graders_new()
        if not self._handle:
            raise MemoryError
        weakref.finalize(self, library.graders_free, self._handle)
        self._learn(rule)

    @classmethod
    def of(cls, rule: Literal["alphanumeric", "translation"]) -> Core | None:
        """Return a core, or None where Python is to count."""
        library = _loaded(os.environ.get(_VARIABLE, ""))[1]
        return None if library is None else cls(library, rule)

    def counts(
        self,
        candidates: Sequence[str],
        references: Sequence[str],
        *,
        orders: int,
        longest: bool = False,
    ) -> npt.NDArray[np.int64] | None:
        """Count each pair of texts.

        Args:
            candidates: the texts to score.
            references: as many texts.
            orders: n-grams in common are counted for n = 1 to this.
            longest: whether the longest common subsequence is wanted.

        Returns:
            2 + `orders` + `longest` rows, a number a pair: the tokens of the candidates, those of
            the references, the clipped common n-grams by n, the lengths of the subsequences. None
            where the core could not do it: Python is to count then, and one warning says so.
        """
        import numpy as np

        width = 2 + orders + longest
        found = np.zeros((len(candidates), width), np.int64)
        texts = "".join(chain(candidates, references))
        lengths = np.fromiter(map(len, chain(candidates, references)), np.uint64)
        try:
            data, bytes_each = texts.encode("latin-1"), 1
        except UnicodeEncodeError:
            data, bytes_each = texts.encode(f"utf-32-{sys.byteorder[0]}e", "surrogatepass"), 4
            self._teach(data, len(texts))
        columns = _Columns(data, bytes_each, len(texts), lengths.ctypes.data, len(candidates))
        order = _Order(self._rule, orders, longest, _threads(len(texts)))
        count = self._library.graders_count
        status = count(self._handle, columns, order, found.ctypes.data, found.size)
        if status != _DONE:
            _warn(status)
            return None
        return np.ascontiguousarray(found.T)

    def _learn(self, rule: str) -> None:
        """Tell the core what it needs for Latin-1."""
        if rule == "translation":
            from graders.metrics.sentence import punkt_table

            table = punkt_table().encode("latin-1", "ignore")
            self._check(self._library.graders_punkt(self._handle, table, len(table)))
        self._page(0)

    def _teach(self, data: bytes, size: int) -> None:
        """Tell the core the classes of characters that it has not met before."""
        pages, count = (ctypes.c_uint32 * _PAGES)(), ctypes.c_size_t()
        missing = self._library.graders_missing
        self._check(missing(self._handle, data, size, pages, ctypes.byref(count)))
        for page in pages[: count.value]:
            self._page(page)

    def _page(self, page: int) -> None:
        characters = "".join(map(chr, range(page << 8, (page + 1) << 8)))
        lowered = characters.lower().encode("latin-1") if page == 0 else None
        self._check(self._library.graders_page(self._handle, page, _classes(characters), lowered))
        for character, folded in _folded(characters):
            fold = self._library.graders_fold
            self._check(fold(self._handle, ord(character), folded, len(folded)))

    def _check(self, status: int) -> None:
        if status != _DONE:
            raise MemoryError if status == _MEMORY else RuntimeError(f"native core: {status}")


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
    for start, stop in slices(candidates, references, _CALL_CHARACTERS):
        ours, theirs = candidates[start:stop], references[start:stop]
        found = core.counts(ours, theirs, orders=orders, longest=longest)
        if found is None:
            yield from python(ours, theirs)
        else:
            yield list(found)


def _classes(characters: str) -> bytes:
    """Return the classes of 256 characters: what `regex`, `re` and `str` say of each."""
    import regex  # type: ignore[import-untyped, unused-ignore]

    classes = bytearray(256)
    for found in regex.finditer(r"(\p{N})|(\p{P})|(\p{S})", characters):
        classes[found.start()] = found.lastindex
    for place, character in enumerate(characters):
        if character.isspace():
            classes[place] |= _SPACE
    if characters[0] == "\0":  # words and case count in Latin-1 text alone
        for place, character in enumerate(characters):
            if character == "_" or character.isalnum():
                classes[place] |= _WORD | (0 if character in "²³¹¼½¾" else _LETTER)
            classes[place] |= _UPPER * character.isupper() | _LOWER * character.islower()
    return bytes(classes)


def _folded(characters: str) -> Iterator[tuple[str, bytes]]:
    """Yield characters beyond ASCII whose lower case has ASCII letters or digits, with that."""
    for character in characters:
        lowered = character.lower()
        if character > "\x7f" and any(one.isascii() and one.isalnum() for one in lowered):
            kept = (one if one.isascii() and one.isalnum() else " " for one in lowered)
            yield character, "".join(kept).encode()


def _threads(characters: int) -> int:
    """Return how many threads count so many characters: one in a process of several, or a thread."""
    if threading.current_thread() is not threading.main_thread():
        return 1
    processors = os.cpu_count() or 1
    return max(1, min(processors, characters // _THREAD_CHARACTERS))


def _warn(status: int) -> None:
    why = "had no memory" if status == _MEMORY else f"failed (status {status})"
    warnings.warn(
        f"the native core {why}; Python counts these rows, to the same numbers",
        RuntimeWarning,
        stacklevel=2,
    )

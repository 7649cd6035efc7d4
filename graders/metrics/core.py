"""The native library by ctypes: texts in, counts out.

What goes in are columns of texts, what comes out are integers. Unicode is this Python's: the
library asks for the classes of 256 characters when it first sees one of them.
"""

from __future__ import annotations

import ctypes
import os
import re
import sys
import threading
import warnings
import weakref
from array import array
from collections.abc import Sequence
from functools import cache
from itertools import compress, pairwise
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = ["ABI", "Core", "Tokens", "opened", "threads_for"]

ABI: Final = 2
"""Changes with anything that this module must know of the library."""

_DONE, _MEMORY = 0, 2
_PAGES: Final = 0x1100
# Numbers of a pair: its tokens, n-grams up to any order that a metric has, and a subsequence.
_MOST_ORDERS: Final = 5
_Row = ctypes.c_int64 * (2 + _MOST_ORDERS + 1)
_UTF_32: Final = f"utf-32-{sys.byteorder[0]}e"
_RULES: Final = {"alphanumeric": 0, "translation": 1}
# As native/src/classes.rs has them; numbers, punctuation and symbols are 1, 2 and 3.
_KINDS: Final = {"N": 1, "P": 2, "S": 3}
_SPACE, _WORD, _LETTER, _UPPER, _LOWER = 4, 8, 16, 32, 64
# A thread more pays from about a hundred milliseconds of work on.
_THREAD_CHARACTERS: Final = 1 << 21


def opened(path: str) -> tuple[ctypes.CDLL, int]:
    """Return the library at a path, and the ABI that it speaks.

    Raises:
        OSError: there is none that this machine can load.
        AttributeError: it is another library.
    """
    library = ctypes.CDLL(path)
    library.graders_abi.restype = ctypes.c_uint32
    abi = int(library.graders_abi())
    if abi == ABI:
        _declare(library)
    return library, abi


class _Columns(ctypes.Structure):
    _fields_ = (
        ("narrow", ctypes.c_char_p),
        ("narrow_size", ctypes.c_size_t),
        ("wide", ctypes.c_char_p),
        ("wide_size", ctypes.c_size_t),
        ("lengths", ctypes.c_void_p),
        ("kinds", ctypes.c_char_p),
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
        ("new", handle, ()),
        ("free", None, (handle,)),
        ("learn", status, (handle, code, data, size)),
        ("missing", status, (handle, data, size, numbers, ctypes.POINTER(size))),
        ("tokens", status, (handle, ctypes.POINTER(_Columns), numbers, numbers, numbers)),
        ("words", status, (handle, ctypes.c_uint64, numbers, size, numbers, size)),
        ("count", status, (handle, ctypes.POINTER(_Columns), ctypes.POINTER(_Order), numbers, size)),
    ):  # fmt: skip
        function = getattr(library, f"graders_{name}")
        function.restype, function.argtypes = result, arguments


class Tokens(NamedTuple):
    """Texts as numbers of tokens, one text after the other.

    Attributes:
        numbers: the tokens.
        owner: for each token the place of its text.
        names: what each number stands for. The same list from call to call, which only grows; another one
            once the numbers are others.
    """

    numbers: npt.NDArray[np.uint32]
    owner: npt.NDArray[np.int32]
    names: list[str]


class Core:
    """Counts pairs of texts; remembers words from call to call, a bounded number.

    Calls from several threads wait for one another.
    """

    def __init__(self, library: ctypes.CDLL, rule: Literal["alphanumeric", "translation"]) -> None:
        """Make a core.

        Args:
            library: what `opened` gives.
            rule: what a token is: ROUGE's word, or what BLEU, GLEU and METEOR compare.

        Raises:
            MemoryError: there is no memory for it.
        """
        self._library: Any = library
        self._rule = _RULES[rule]
        spare = _spare(library, rule)
        try:
            self._handle, is_new = spare.pop(), False
        except IndexError:
            self._handle, is_new = library.graders_new(), True
        if not self._handle:
            raise MemoryError
        weakref.finalize(self, _put_away, library, self._handle, spare)
        self._generation = -1
        self._names: list[str] = []
        self._named = 0
        self._orders: dict[tuple[int, bool], _Order] = {}
        if is_new:
            self._learn(rule)

    def counts(
        self,
        candidates: Sequence[str],
        references: Sequence[str],
        *,
        orders: int,
        longest: bool = False,
        threads: int = 1,
    ) -> list[array[int]] | None:
        """Count each pair of texts.

        Args:
            candidates: the texts to score.
            references: as many texts.
            orders: n-grams in common are counted for n = 1 to this.
            longest: whether the longest common subsequence is wanted.
            threads: how many count; `threads_for` says how many pay.

        Returns:
            2 + `orders` + `longest` columns, a number a pair: the tokens of the candidates, those of
            the references, the clipped common n-grams by n, the lengths of the subsequences. None
            where the core could not do it: Python is to count then, and one warning says so.
        """
        width = 2 + orders + longest
        size = width * len(candidates)
        found = array("q", bytes(8 * size))
        if not size:
            return [found] * width
        columns, _lengths = self._columns([*candidates, *references])
        order = _Order(self._rule, orders, longest, threads)
        count = self._library.graders_count
        status = count(self._handle, columns, order, found.buffer_info()[0], size)
        if status != _DONE:
            _warn(status)
            return None
        return [found[column::width] for column in range(width)]

    def pair(
        self, candidate: str, reference: str, *, orders: int, longest: bool = False
    ) -> list[int] | None:
        """Return what `counts` does of one pair, sooner."""
        columns, _lengths = self._columns((candidate, reference))
        found = _Row()
        order = self._orders.get((orders, longest))
        if order is None:
            order = self._orders[orders, longest] = _Order(self._rule, orders, longest, 1)
        size = 2 + orders + longest
        status = self._library.graders_count(self._handle, columns, order, found, size)
        if status != _DONE:
            _warn(status)
            return None
        return found[:size]

    def tokens(self, texts: list[str]) -> Tokens | None:
        """Return the tokens (by "translation") of an even number of texts; None where Python is to find them.

        Texts of a million characters together make a good call.
        """
        import numpy as np

        columns, _lengths = self._columns(texts)
        numbers = np.zeros(columns.narrow_size + columns.wide_size, np.uint32)
        sizes, about = np.zeros(len(texts), np.uint64), np.zeros(3, np.uint64)
        addresses = (one.ctypes.data for one in (numbers, sizes, about))
        status = self._library.graders_tokens(self._handle, columns, *addresses)
        if status != _DONE:
            _warn(status)
            return None
        self._name(*about.tolist())
        owner = np.repeat(np.arange(len(texts), dtype=np.int32), sizes.astype(np.int64))
        return Tokens(numbers[: len(owner)], owner, self._names)

    def _name(self, generation: int, count: int, characters: int) -> None:
        """Keep what the numbers of tokens stand for."""
        import numpy as np

        if generation != self._generation:
            self._generation, self._names, self._named = generation, [], 0
        known = len(self._names)
        if known == count:
            return
        text = np.zeros(characters - self._named, np.uint32)
        ends = np.zeros(count - known, np.uint64)
        words = self._library.graders_words
        into = (text.ctypes.data, text.size, ends.ctypes.data, ends.size)
        self._check(words(self._handle, known, *into))
        joined = text.tobytes().decode(_UTF_32, "surrogatepass")
        places = [0, *(ends - np.uint64(self._named)).tolist()]
        self._names += [joined[start:stop] for start, stop in pairwise(places)]
        self._named = characters

    def _columns(self, texts: Sequence[str]) -> tuple[_Columns, Any]:
        """Return texts as the door takes them, and what is to live as long as that."""
        lengths = array("Q", map(len, texts))
        joined = "".join(texts)
        try:
            narrow, wide, kinds = joined.encode("latin-1"), b"", b"\1" * len(texts)
        except UnicodeEncodeError:
            kinds = bytes(map(str.isascii, texts))
            narrow = "".join(compress(texts, kinds)).encode()
            others = (text for text, kind in zip(texts, kinds, strict=True) if not kind)
            wide = self._wide("".join(others))
        sizes = len(narrow), len(wide) // 4
        where = lengths.buffer_info()[0]
        return _Columns(narrow, sizes[0], wide, sizes[1], where, kinds, len(texts) // 2), lengths

    def _learn(self, rule: str) -> None:
        """Tell the core what it needs for Latin-1."""
        if rule == "translation":
            from graders.metrics.sentence import punkt_table

            table = punkt_table().encode("latin-1", "ignore")
            self._check(self._library.graders_learn(self._handle, _PAGES, table, len(table)))
            self._page(0)

    def _wide(self, text: str) -> bytes:
        """Return text as UTF-32, the classes of its characters told to the core."""
        data = text.encode(_UTF_32, "surrogatepass")
        pages, count = (ctypes.c_uint32 * _PAGES)(), ctypes.c_size_t()
        missing = self._library.graders_missing
        self._check(missing(self._handle, data, len(text), pages, ctypes.byref(count)))
        for page in pages[: count.value]:
            self._page(page)
        return data

    def _page(self, page: int) -> None:
        characters = "".join(map(chr, range(page << 8, (page + 1) << 8)))
        lowered = characters.lower().encode("latin-1") if page == 0 else _lowered(characters)
        # ROUGE asks for nothing but the lower case.
        classes = _classes(characters) if self._rule else bytes(256)
        self._check(self._library.graders_learn(self._handle, page, classes + lowered, 512))

    def _check(self, status: int) -> None:
        if status != _DONE:
            raise MemoryError if status == _MEMORY else RuntimeError(f"native core: {status}")


@cache
def _spare(library: Any, rule: str) -> list[Any]:
    """Return where the handle of a core that is gone waits for the next one: one, for learning takes long.

    What a handle knows changes no number, so whose it was does not matter.
    """
    del library, rule  # what it is kept by
    return []


def _put_away(library: Any, handle: Any, spare: list[Any]) -> None:
    if spare:
        library.graders_free(handle)
    else:
        spare.append(handle)


def _classes(characters: str) -> bytes:
    """Return the classes of 256 characters: what `regex`, `re` and `str` say of each."""
    classes = bytearray(256)
    if characters[0] == "\0":
        # Latin-1, where Unicode changes nothing any more: `regex` takes long to be loaded.
        from unicodedata import category

        for place, character in enumerate(characters):
            classes[place] = _KINDS.get(category(character)[0], 0)
            # Words and case count in Latin-1 text alone.
            if character == "_" or character.isalnum():
                classes[place] |= _WORD | (0 if character in "²³¹¼½¾" else _LETTER)
            classes[place] |= _UPPER * character.isupper() | _LOWER * character.islower()
    else:
        import regex  # type: ignore[import-untyped, unused-ignore]

        for found in regex.finditer(r"(\p{N})|(\p{P})|(\p{S})", characters):
            classes[found.start()] = found.lastindex
    for place, character in enumerate(characters):
        if character.isspace():
            classes[place] |= _SPACE
    return bytes(classes)


def _lowered(characters: str) -> bytes:
    """Return for each character the ASCII letter or digit that its lower case begins with.

    0 stands for none; 0x80 is added where more follows, as behind the i of U+0130. No Python has a
    character whose lower case holds another one, which tests see to.
    """
    found = bytearray(256)
    if re.search("[a-z0-9]", characters.lower()):
        for place, character in enumerate(characters):
            lowered = character.lower()
            first, more = lowered[0], len(lowered) > 1
            if first.isascii() and first.isalnum():
                found[place] = ord(first) | (0x80 if more else 0)
    return bytes(found)


def threads_for(characters: int) -> int:
    """Return how many threads pay for so many characters: one where this is no main thread."""
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

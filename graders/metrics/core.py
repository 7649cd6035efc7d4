"""The native library by ctypes: texts in, counts out.

What goes in are columns of texts, what comes out are integers. Unicode is this Python's: the
library asks for the classes of a text's characters when it first sees one of 256.
"""

from __future__ import annotations

import ctypes
import os
import re
import threading
import warnings
import weakref
from array import array
from collections.abc import Callable, Sequence
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = ["ABI", "Core", "Rule", "Tokens", "opened", "threads_for"]

Rule: TypeAlias = Literal["alphanumeric", "translation", "characters"]

ABI: Final = 5
"""Changes with anything that this module must know of the library."""

_DONE, _MEMORY, _LACKING = 0, 2, 4
# What is asked for, as native/src/lib.rs has it; 0 to 2 count by a rule.
_NUMBER, _TELL, _LEARN = 3, 4, 5
_PAGES: Final = 0x1100
_MOST_THREADS: Final = 255
# The handle, what is asked for, and two buffers with their sizes, as native/src/lib.rs has them.
_Given = ctypes.c_size_t * 6
_RULES: Final = {"alphanumeric": 0, "translation": 1, "characters": 2}
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


def _declare(library: ctypes.CDLL) -> None:
    # A buffer as bytes or as an array: void pointers take both, and sooner than other types.
    pointer = ctypes.c_void_p
    library.graders_new.restype, library.graders_new.argtypes = pointer, ()
    library.graders_free.restype, library.graders_free.argtypes = None, (pointer,)
    library.graders_call.restype = ctypes.c_int32
    library.graders_call.argtypes = (pointer, pointer, ctypes.c_size_t)


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

    def __init__(self, library: ctypes.CDLL, rule: Rule) -> None:
        """Make a core.

        Args:
            library: what `opened` gives.
            rule: what a token is: ROUGE's word, what BLEU, GLEU and METEOR compare, or a character.

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
        found = _zeros(size)
        if not size:
            return [found] * width
        texts = [""] * (2 * len(candidates))
        texts[::2], texts[1::2] = candidates, references
        if not self._called(
            self._wanted(orders, threads, longest=longest), *_end_to_end(texts), found
        ):
            return None
        return [found[column::width] for column in range(width)]

    def pair(self, orders: int, *, longest: bool = False) -> Callable[[str, str], list[int] | None]:
        """Return what counts one pair as `counts` does, sooner: a number in place of each column.

        Unlike `counts`, it is of one thread at a time.
        """
        wanted = self._wanted(orders, 1, longest=longest)
        lengths, found = array("Q", [0, 0]), _zeros(2 + orders + longest)
        call, given = self._library.graders_call, self._given(wanted, lengths, found)

        def counted(candidate: str, reference: str) -> list[int] | None:
            text = (candidate + reference).encode("utf-8", "surrogatepass")
            size = len(candidate)
            if len(text) > size + len(reference):
                size = len(candidate.encode("utf-8", "surrogatepass"))
            lengths[0], lengths[1] = size, len(text) - size
            if call(given, text, len(text)) and not self._called(wanted, text, lengths, found):
                return None
            return found.tolist()

        return counted

    def tokens(self, texts: list[str]) -> Tokens | None:
        """Return the tokens (by "translation") of an even number of texts; None where Python is to find them.

        Texts of a quarter million characters together make a good call.
        """
        import numpy as np

        data, lengths = _end_to_end(texts)
        found = np.zeros(3 + len(texts) + len(data), np.uint64)
        if not self._called(_NUMBER, data, lengths, found):
            return None
        self._name(*found[:3].tolist())
        sizes = found[3 : 3 + len(texts)].astype(np.int64)
        owner = np.repeat(np.arange(len(texts), dtype=np.int32), sizes)
        numbers = found[3 + len(texts) :][: len(owner)].astype(np.uint32)
        return Tokens(numbers, owner, self._names)

    def _name(self, generation: int, count: int, size: int) -> None:
        """Keep what the numbers of tokens stand for."""
        if generation != self._generation:
            self._generation, self._names, self._named = generation, [], 0
        new = count - len(self._names)
        if not new:
            return
        found = _zeros(new + (size - self._named + 7) // 8)
        self._check(self._call(_TELL, b"", array("Q", [len(self._names)]), found))
        text, ends = found[new:].tobytes(), found[:new]
        places = pairwise([0, *(end - self._named for end in ends)])
        self._names += [text[start:stop].decode("utf-8", "surrogatepass") for start, stop in places]
        self._named = size

    def _wanted(self, orders: int, threads: int, *, longest: bool) -> int:
        return self._rule | orders << 8 | longest << 16 | min(threads, _MOST_THREADS) << 24

    def _given(self, what: int, numbers: array[int], output: Any) -> Any:
        """Return what a call is given besides bytes. `output` is an array of numbers, or numpy's."""
        place = output.buffer_info()[0] if isinstance(output, array) else output.ctypes.data
        into = numbers.buffer_info()[0], len(numbers), place, len(output)
        return _Given(self._handle, what, *into)

    def _call(self, what: int, data: bytes, numbers: array[int], output: Any) -> int:
        """Call the library; return how that ended."""
        given = self._given(what, numbers, output)
        return int(self._library.graders_call(given, data, len(data)))

    def _called(self, what: int, data: bytes, numbers: array[int], output: Any) -> bool:
        """Do the same, learning what it lacks; return whether it could, and warn where it could not."""
        while (status := self._call(what, data, numbers, output)) == _LACKING:
            self._learn_characters(data)
        if status != _DONE:
            self._generation = -1  # It may have forgotten all that it had told.
            _warn(status)
        return status == _DONE

    def _learn(self, rule: str) -> None:
        """Tell the core what it needs for Latin-1."""
        if rule == "translation":
            from graders.metrics.sentence import punkt_table

            self._tell(_PAGES, punkt_table().encode("latin-1", "ignore"))
            self._page(0)

    def _learn_characters(self, data: bytes) -> None:
        """Tell the core of the characters of a call that had some which it knew nothing of."""
        pages = {ord(one) >> 8 for one in set(data.decode("utf-8", "surrogatepass"))}
        if self._rule == _RULES["alphanumeric"]:
            # Of all that begin with one byte of UTF-8: where none of them is a word's, that byte is not.
            pages |= {page & 0xF0 | one for page in pages if 8 <= page < 0x100 for one in range(16)}
        for page in pages:
            self._page(page)

    def _tell(self, place: int, data: bytes) -> None:
        self._check(self._call(_LEARN, data, array("Q", [place]), _zeros(0)))

    def _page(self, page: int) -> None:
        # ROUGE asks for nothing but the lower case.
        self._tell(page, (_classes(page) if self._rule else bytes(256)) + _lowered(page))

    def _check(self, status: int) -> None:
        if status != _DONE:
            raise MemoryError if status == _MEMORY else RuntimeError(f"native core: {status}")


def _zeros(size: int) -> array[int]:
    return array("q", bytes(8 * size))


def _end_to_end(texts: Sequence[str]) -> tuple[bytes, array[int]]:
    """Return texts as the library takes them, and how many bytes each has."""
    if all(map(str.isascii, texts)):
        return "".join(texts).encode(), array("Q", map(len, texts))
    encoded = [text.encode("utf-8", "surrogatepass") for text in texts]
    return b"".join(encoded), array("Q", map(len, encoded))


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


@cache
def _classes(page: int) -> bytes:
    """Return the classes of 256 characters: what `regex`, `re` and `str` say of each."""
    characters = _characters(page)
    classes = bytearray(256)
    if page == 0:
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


def _characters(page: int) -> str:
    return "".join(map(chr, range(page << 8, (page + 1) << 8)))


@cache
def _lowered(page: int) -> bytes:
    """Return for each character the ASCII letter or digit that its lower case begins with.

    On page 0 the lower case itself. 0 stands for none; 0x80 is added where more follows, as behind the i of U+0130. No Python has a
    character whose lower case holds another one, which tests see to.
    """
    characters = _characters(page)
    if page == 0:
        return characters.lower().encode("latin-1")
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

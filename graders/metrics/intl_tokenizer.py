r"""The international tokenisation rule of NIST's mteval-v14 script, for texts beyond Latin-1.

Punctuation is split off unless digits stand on both sides, every symbol stands alone, and the rest
is split at whitespace. No lower-casing, no unescaping of entities, no data files: this is what
sacrebleu calls "intl". NLTK's `NISTTokenizer.international_tokenize` wants the perluniprops
download and differs on some texts; docs/explanation/metrics.md says how.

The rule is three substitutions, one after the other; N, P, S are numbers, punctuation, symbols:

    (\P{N})(\p{P})  ->  \1 \2 ;    (\p{P})(\P{N})  ->   \1 \2;    (\p{S})  ->   \1

What they do to a run of punctuation depends only on how long it is and whether a number (or an end
of the text) stands on either side, since a match takes two characters and the next begins behind
them. So the places where tokens part follow from the kinds of characters, and a whole column of
texts is a few operations on arrays instead of three substitutions a text.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
import regex  # type: ignore[import-untyped, unused-ignore]

from graders.metrics.alphabet import BLOCK, Alphabet, blocks

__all__ = ["InternationalTexts"]

# The `regex` package (which NLTK needs anyway) knows Unicode properties, `re` does not.
_KIND: Final = regex.compile(r"(\p{N})|(\p{P})|(\p{S})")
_NUMBER, _MARK, _SYMBOL, _UNKNOWN = 1, 2, 3, 255
_PAGE: Final = 1 << 10
# No token is so: two symbols never stand in one.
_BETWEEN: Final = "$$"


class InternationalTexts:
    """Codes texts of any characters by the international rule."""

    def __init__(self, alphabet: Alphabet) -> None:
        self._alphabet = alphabet
        self._kinds = np.full(0x110000, _UNKNOWN, np.uint8)

    def codes(self, texts: Sequence[str]) -> list[str]:
        """Return the code points of the tokens of each text."""
        if not texts:
            return []
        if any(len(text) > BLOCK for text in texts):
            return [self._long(text) for text in texts]
        tokens = self.spaced(texts).split()
        return self._alphabet.codes(tokens).split(self._alphabet[_BETWEEN])

    def _long(self, text: str) -> str:
        # Each block but the first begins with a space, which the one before must see too.
        *parts, last = blocks(text, " ") if len(text) > BLOCK else (text,)
        spaced = [self.spaced([f"{part} "]) for part in parts] + [self.spaced([last])]
        return "".join(map(self._alphabet.codes_of, spaced))

    def spaced(self, texts: Sequence[str]) -> str:
        """Return texts in one, with whitespace between all tokens, and the token `$$` between texts."""
        text = _BETWEEN.join(texts)
        numbers = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.dtype("<u4"))
        # The ends of a text are to what stands there as a number is, also where texts meet.
        kinds = np.full(len(numbers) + 2, _NUMBER, np.uint8)
        kinds[1:-1] = self._kinds_of(numbers)
        ends = np.cumsum([len(one) + len(_BETWEEN) for one in texts[:-1]], dtype=np.int64)
        kinds[ends] = kinds[ends - 1] = _NUMBER
        parted = _parted(kinds)
        parted[ends] = parted[ends - len(_BETWEEN)] = True
        places = np.flatnonzero(parted)
        return np.insert(numbers, places, ord(" ")).tobytes().decode("utf-32-le", "surrogatepass")

    def _kinds_of(self, numbers: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint8]:
        """Return the kinds of characters, looked up a page at a time when one of it is first seen."""
        kinds = self._kinds[numbers]
        unknown = kinds == _UNKNOWN
        if not unknown.any():
            return kinds
        for page in np.unique(numbers[unknown] // _PAGE).tolist():
            start = page * _PAGE
            self._kinds[start : start + _PAGE] = 0
            for found in _KIND.finditer("".join(map(chr, range(start, start + _PAGE)))):
                self._kinds[start + found.start()] = found.lastindex
        return self._kinds[numbers]


def _parted(kinds: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    """Return before which characters, and whether behind the last, whitespace is to stand.

    Args:
        kinds: those of the characters, with one more before and behind.
    """
    parted = np.zeros(len(kinds) - 1, np.bool_)
    symbols = np.flatnonzero(kinds == _SYMBOL)
    parted[symbols] = parted[symbols - 1] = True
    marks = np.flatnonzero(kinds == _MARK)
    goes_on = kinds[marks - 1] == _MARK
    first, last = marks[~goes_on], marks[kinds[marks + 1] != _MARK]
    several, odd = last > first, (last - first) % 2 == 0
    behind_number, before_number = kinds[first - 1] == _NUMBER, kinds[last + 1] == _NUMBER
    # Within a run all stand apart.
    parted[marks[goes_on] - 1] = True
    parted[first[~behind_number | ~before_number | several] - 1] = True
    # A number behind the run holds on to a mark that no other match took: matches take two each,
    # the first of them with the character before the run, unless that is a number.
    parted[last[~before_number | (odd != behind_number)]] = True
    return parted

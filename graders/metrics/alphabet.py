"""Texts as strings of private code points, one per token.

The trick: a metric only ever asks whether two tokens are equal. So each distinct token gets one
code point of a private alphabet and a text of n tokens becomes a `str` of length n. Then

- rapidfuzz compares two texts bit-parallel, without hashing tokens (exact, unlike lists of str);
- `encode("utf-32-le")` is the array of token numbers that numpy counts n-grams with, for free;
- a text costs four bytes a token or fewer, so it can be kept for the next metric or the next row.

Python has 1,114,111 code points after NUL. Scorers empty their alphabets long before that, and a
single pair of texts with more distinct tokens than that takes the slower `wide` road: plain
32-bit numbers in an `array`, which rapidfuzz and numpy read as well.
"""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import TypeAlias, TypeVar

__all__ = ["BLOCK", "Alphabet", "AlphabetFullError", "Codes", "Token", "blocks", "wide"]

# A coded text: a str of private code points, or for one gigantic pair an array of numbers.
Token: TypeAlias = str | bytes
_Text = TypeVar("_Text", str, bytes)
Codes: TypeAlias = "str | array[int]"

_LAST = 0x10FFFF

# Long texts are split a block at a time: the tokens of ten million characters, as objects, take
# half a gigabyte.
BLOCK = 1 << 16


def blocks(text: _Text, space: _Text) -> Iterator[_Text]:
    """Yield a text in parts of about `BLOCK` characters, each but the first led by a space."""
    start = 0
    while start < len(text):
        stop = text.find(space, start + BLOCK)
        stop = len(text) if stop < 0 else stop
        yield text[start:stop]
        start = stop


class AlphabetFullError(Exception):
    """More distinct tokens than Python has code points; caught inside the metrics."""


def _full() -> str:
    raise AlphabetFullError


class Alphabet(defaultdict[Token, str]):
    """Maps each distinct token to one code point, in order of first sight, from U+0001 on.

    A token never seen before costs no line of Python: most of a text without spaces is such tokens.

    Attributes:
        most: how many tokens are worth remembering.
    """

    def __init__(self) -> None:
        super().__init__()
        self.most = _LAST
        self._tokens: list[Token | None] = [None]
        self._characters = 0
        self._begin()

    def _begin(self) -> None:
        # An iterator that ended would silently end the text that asks; this one raises for ever.
        points = chain(map(chr, range(1, _LAST + 1)), iter(_full, None))
        self.default_factory = points.__next__

    @property
    def tokens(self) -> list[Token | None]:
        """The tokens by code point, so that `tokens[ord(code)]` is the way back; one list until `clear`."""
        # The tokens that came since are the last ones.
        if new := len(self) - len(self._tokens) + 1:
            since = [*islice(reversed(self), new)]
            self._tokens.extend(reversed(since))
            self._characters += sum(map(len, since))
        return self._tokens

    @property
    def characters(self) -> int:
        """How many characters the tokens have together."""
        return self._characters if self.tokens else 0

    def codes(self, tokens: Iterable[Token]) -> str:
        """Return the tokens as one string, a code point each."""
        return "".join(map(self.__getitem__, tokens))

    def codes_of(self, spaced: Token) -> str:
        """Return the whitespace-separated tokens of a text as one string, a code point each."""
        if len(spaced) <= BLOCK:
            return self.codes(spaced.split())
        parts: Iterator[Token] = (
            blocks(spaced, " ") if isinstance(spaced, str) else blocks(spaced, b" ")
        )
        return "".join(self.codes(part.split()) for part in parts)

    def clear(self) -> None:
        """Forget every token: strings coded before must not meet strings coded after."""
        super().clear()
        del self._tokens[1:]
        self._characters = 0
        self._begin()


def wide(
    candidate: Iterable[Token], reference: Iterable[Token]
) -> tuple[array[int], array[int], list[Token | None]]:
    """Code one pair of texts with as many distinct tokens as memory allows.

    Returns:
        Both texts as token numbers, and the tokens by number.
    """
    numbers: dict[Token | None, int] = {None: 0}
    pair = [
        array("I", (numbers.setdefault(token, len(numbers)) for token in tokens))
        for tokens in (candidate, reference)
    ]
    return pair[0], pair[1], list(numbers)

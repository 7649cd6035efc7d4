"""BERT's tokenizer, uncased: a text in, the numbers of its word pieces out.

Source: Devlin et al., 2018, and the vocabulary of bert-base-uncased; the tokens are those of the PyPI
package `tokenizers` (0.23), except that `[SEP]` and its like in a text are ordinary characters.
"""

from __future__ import annotations

import lzma
import unicodedata
from collections.abc import Iterator
from importlib import resources
from typing import Final

import regex  # type: ignore[import-untyped, unused-ignore]

__all__ = ["WordPiece"]

_UNKNOWN: Final = 100
_FIRST: Final = 101
_LAST: Final = 102
_LONGEST_WORD: Final = 100

_DROPPED: Final = regex.compile(r"[^\P{Cc}\t\n\r]|[\p{Cf}\p{Co}\p{Cs}\ufffd]")
_MARKS: Final = regex.compile(r"\p{Mn}+")
_ALONE: Final = (
    r"\p{P}$+<=>^`|~"  # ASCII symbols count as punctuation
    r"\u4e00-\u9fff\u3400-\u4dbf\uf900-\ufaff"
    r"\U00020000-\U0002a6df\U0002a700-\U0002ceaf\U0002f800-\U0002fa1f"
)
_WORD: Final = regex.compile(rf"[{_ALONE}]|[^\s{_ALONE}]+")


class WordPiece:
    """Cuts texts into word pieces."""

    def __init__(self) -> None:
        packed = resources.files(__package__).joinpath("data/vocabulary.txt.xz").read_bytes()
        pieces = lzma.decompress(packed).decode().splitlines()
        self._numbers = {piece: number for number, piece in enumerate(pieces)}

    def numbers(self, text: str, limit: int) -> list[int]:
        """Return a text's pieces between the marks of beginning and end, at most `limit` in all."""
        found = [_FIRST]
        for word in _words(text):
            found += self._pieces(word)
            if len(found) >= limit:
                break
        return [*found[: limit - 1], _LAST]

    def _pieces(self, word: str) -> list[int]:
        """Return the longest pieces from the left; a word that has none is unknown as a whole."""
        if len(word) > _LONGEST_WORD:
            return [_UNKNOWN]
        found: list[int] = []
        start = 0
        while start < len(word):
            prefix = "##" if start else ""
            for end in range(len(word), start, -1):
                number = self._numbers.get(prefix + word[start:end])
                if number is not None:
                    found.append(number)
                    start = end
                    break
            else:
                return [_UNKNOWN]
        return found


def _words(text: str) -> Iterator[str]:
    text = unicodedata.normalize("NFD", _DROPPED.sub("", text))
    # Letter by letter: Python alone knows a sigma at a word's end.
    text = _MARKS.sub("", text).replace("\u03a3", "\u03c3").lower()
    return (match[0] for match in _WORD.finditer(text))

"""Tokenisation for BLEU, GLEU and METEOR: printable Latin-1 by words, other text by the intl rule.

Both code a column of texts at once: `latin.py` by the pieces of `pieces.py`, `intl_tokenizer.py` by arrays.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from graders.metrics.alphabet import Alphabet

if TYPE_CHECKING:
    from graders.metrics.intl_tokenizer import InternationalTexts
    from graders.metrics.latin import LatinTexts

__all__ = ["Tokenizer"]

_FEW_TOKENS, _MANY_TOKENS = 1 << 13, 1 << 16
_OTHER_THAN_LATIN = re.compile(r"[^ -~\xa0-\xff]")


def _is_printable_ascii(text: str) -> bool:
    """Tell whether every character is in U+0020-7E."""
    return text.isascii() and text.isprintable()


def _is_latin(text: str) -> bool:
    """Tell whether every character is in U+0020-7E or U+00A0-FF."""
    # The first is the second for most texts, and ten times faster.
    return _is_printable_ascii(text) or not _OTHER_THAN_LATIN.search(text)


class Tokenizer:
    """Turns texts into strings of one code point a token, remembering the pieces of text it saw."""

    def __init__(self) -> None:
        self.alphabet = Alphabet()
        self._latin: LatinTexts | None = None
        self._other: InternationalTexts | None = None

    def codes(self, texts: Sequence[str]) -> list[str]:
        """Return the tokens of each text as code points of `alphabet`."""
        latin: list[str] = []
        other: list[str] = []
        for text in texts:
            (latin if _is_latin(text) else other).append(text)
        # Of other texts few tokens come again, and looking one up takes the longer the more there are.
        self.alphabet.most = _FEW_TOKENS if len(other) > len(latin) else _MANY_TOKENS
        if not other:
            return self._latin_texts().codes(latin) if latin else []
        coded = dict(zip(other, self._other_texts().codes(other), strict=True))
        if latin:
            coded.update(zip(latin, self._latin_texts().codes(latin), strict=True))
        return [coded[text] for text in texts]

    def tokens(self, text: str) -> list[str]:
        """Return the tokens of a text as strings, remembering none of them."""
        if not _is_latin(text):
            return self._other_texts().spaced([text]).split()
        from graders.metrics.word_tokenizer import spaced_words

        sentences = self._latin_texts().sentences(text)
        return [word for sentence in sentences for word in spaced_words(sentence).split()]

    def clear(self) -> None:
        """Forget the alphabet and everything coded with it."""
        self.alphabet.clear()
        if self._latin is not None:
            self._latin.clear()

    def _latin_texts(self) -> LatinTexts:
        if self._latin is None:
            from graders.metrics.latin import LatinTexts

            self._latin = LatinTexts(self.alphabet)
        return self._latin

    def _other_texts(self) -> InternationalTexts:
        if self._other is None:
            from graders.metrics.intl_tokenizer import InternationalTexts

            self._other = InternationalTexts(self.alphabet)
        return self._other

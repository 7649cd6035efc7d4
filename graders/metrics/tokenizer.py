"""Tokenisation for BLEU, GLEU and METEOR: printable Latin-1 by words, other text by the intl rule.

`latin.py` codes the former, a column of texts at once, by the pieces of `pieces.py`; those also
serve the latter.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from graders.metrics.alphabet import BLOCK, Alphabet

if TYPE_CHECKING:
    from graders.metrics.latin import LatinTexts
    from graders.metrics.pieces import Rules

__all__ = ["Tokenizer"]

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
        self._other: Rules | None = None

    def codes(self, texts: Sequence[str]) -> list[str]:
        """Return the tokens of each text as code points of `alphabet`."""
        plain = [text for text in texts if len(text) <= BLOCK and _is_printable_ascii(text)]
        coded = dict(zip(plain, self._latin_texts().codes(plain), strict=True)) if plain else {}
        return [coded[text] if text in coded else self._codes(text) for text in texts]

    def _codes(self, text: str) -> str:
        """Return the tokens of a text that is not to be split together with others."""
        if not _is_latin(text):
            return self._other_codes(text)
        latin = self._latin_texts()
        # No-break spaces are whitespace for some rules only.
        if "\xa0" in text or len(text) > BLOCK:
            return latin.by_sentences(text)
        return latin.codes([text])[0]

    def tokens(self, text: str) -> list[str]:
        """Return the tokens of a text as strings, remembering none of them."""
        if not _is_latin(text):
            from graders.metrics.intl_tokenizer import spaced_international

            return spaced_international(text).split()
        from graders.metrics.word_tokenizer import spaced_words

        sentences = self._latin_texts().sentences(text)
        return [word for sentence in sentences for word in spaced_words(sentence).split()]

    def clear(self) -> None:
        """Forget the alphabet and everything coded with it."""
        self.alphabet.clear()
        for rules in (self._latin, self._other):
            if rules is not None:
                rules.clear()

    def _latin_texts(self) -> LatinTexts:
        if self._latin is None:
            from graders.metrics.latin import LatinTexts

            self._latin = LatinTexts(self.alphabet)
        return self._latin

    def _other_codes(self, text: str) -> str:
        if self._other is None:
            from graders.metrics.intl_tokenizer import spaced_international
            from graders.metrics.pieces import Rules, simple_other

            self._other = Rules(self.alphabet, spaced_international, simple_other)
        found: list[str] = []
        starts, ends = not text[0].isspace(), not text[-1].isspace()
        self._other.add(found, text, starts=starts, ends=ends)
        return "".join(found)

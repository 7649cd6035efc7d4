"""Tokenisation for BLEU, GLEU and METEOR: printable Latin-1 by words, other text by the intl rule.

The trick: every rule of both tokenizers looks at most one character past a word's edge, and words
are separated by whitespace. So the tokens of a whitespace-separated *piece* depend on the piece
alone, except at the very start and end of a sentence. Each distinct piece is cut once by the real
rules (in one of four surroundings: inside, first, last, alone) and remembered; a text costs one
dictionary look-up a piece instead of two dozen regular expressions a sentence. Since metrics want
code points, not tokens (`alphabet.py`), what is remembered is the piece's code points.

Two cases go through the rules whole: text with no-break spaces (whitespace for some rules only),
and a sentence whose last piece is nothing but closing brackets and quotes, because the rule for
the final full stop looks through those into the piece before.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from graders.metrics.alphabet import BLOCK, Alphabet, blocks

if TYPE_CHECKING:
    from graders.metrics.sentence import SentenceSplitter

__all__ = ["Tokenizer"]

# Puts whitespace between the tokens of a text.
_Cut = Callable[[str], str]


class _Simple(Protocol):
    """Cuts pieces that need no rules; `ends` says that nothing stands behind the piece."""

    def __call__(self, piece: str, *, ends: bool) -> list[str] | None: ...


_OTHER_THAN_LATIN = re.compile(r"[^ -~\xa0-\xff]")
_CLOSERS = frozenset("])}>\"'»")
_LONGEST_KEPT = 64
_MOST_KEPT = 100_000

# What `_simple_latin` leaves to the rules: quotes, runs, contractions written as one word.
_INVOLVED = re.compile(r"[\"'`«»]|\.\.|--|[,:][,:]|(?i:cannot|gimme|gonna|gotta|lemme|wanna)")
_FINAL_CLOSERS = re.compile(r"\.[\])}>]+$")
_SIMPLE_TOKEN = re.compile(
    r"[;@#$%&?!*\[\](){}<>]|[,:](?!\d)|(?:[^;@#$%&?!*\[\](){}<>,:]|[,:](?=\d))+"
)


def _simple_latin(piece: str, *, ends: bool) -> list[str] | None:
    """Return the tokens of a piece of Latin-1 text, or None when it takes the rules to tell.

    Without quotes and runs the rules say: these marks stand alone, a comma or colon does unless a
    digit follows, a full stop does at the end of the sentence.
    """
    if _INVOLVED.search(piece):
        return None
    if piece.isalnum():
        return [piece]
    if ends and piece.endswith("."):
        return [*_SIMPLE_TOKEN.findall(piece[:-1]), "."]
    if ends and _FINAL_CLOSERS.search(piece):
        return None
    return _SIMPLE_TOKEN.findall(piece)


def _simple_other(piece: str, *, ends: bool) -> list[str] | None:  # noqa: ARG001 - same shape
    """Return the tokens of a piece without punctuation and symbols, None for any other."""
    return [piece] if piece.isalnum() else None


def _is_latin(text: str) -> bool:
    """Tell whether every character is in U+0020-7E or U+00A0-FF."""
    # For ASCII that is what "printable" means, and asking so is ten times faster.
    if text.isascii():
        return text.isprintable()
    return not _OTHER_THAN_LATIN.search(text)


def _ends_in_closers_only(sentence: str) -> bool:
    """Tell whether the last piece of a sentence is nothing but closing brackets and quotes."""
    return _CLOSERS.issuperset(sentence[sentence.rfind(" ") + 1 :])


class _Pieces(dict[str, str]):
    """The code points of each distinct piece in one surrounding, found by the rules on first use."""

    def __init__(
        self,
        alphabet: Alphabet,
        cut: _Cut,
        simple: _Simple,
        *,
        after: str = "",
        before: str = "",
    ) -> None:
        super().__init__()
        self._alphabet = alphabet
        self._cut = cut
        self._simple = simple
        self._after = after
        self._before = before

    def __missing__(self, piece: str) -> str:
        tokens = self._simple(piece, ends=not self._before)
        if tokens is not None:
            codes = self._alphabet.codes(tokens)
        else:
            codes = self._alphabet.codes_of(self._cut(f"{self._after}{piece}{self._before}"))
            codes = codes[bool(self._after) : len(codes) - bool(self._before)]
        if len(piece) <= _LONGEST_KEPT:
            if len(self) >= _MOST_KEPT:
                self.clear()
            self[piece] = codes
        return codes


class _Rules:
    """One set of rules with its four surroundings."""

    def __init__(self, alphabet: Alphabet, cut: _Cut, simple: _Simple) -> None:
        self._alphabet = alphabet
        self._cut = cut
        # "x" stands for any neighbour: it is a token of its own under both sets of rules.
        self._inside = _Pieces(alphabet, cut, simple, after="x ", before=" x")
        self._first = _Pieces(alphabet, cut, simple, before=" x")
        self._last = _Pieces(alphabet, cut, simple, after="x ")
        self._alone = _Pieces(alphabet, cut, simple)

    def joined(self, sentences: Sequence[str]) -> str:
        """Return the code points of sentences, none of them empty, one after the other."""
        found: list[str] = []
        for sentence in sentences:
            if sentence[-1] in _CLOSERS and _ends_in_closers_only(sentence):
                found.append(self.whole(sentence))
            else:
                self.add(found, sentence, starts=sentence[0] != " ", ends=True)
        return "".join(found)

    def add(self, found: list[str], text: str, *, starts: bool, ends: bool) -> None:
        """Add the code points of a text, piece by piece, to what was found before it.

        Args:
            found: code points to be joined.
            text: a text whose pieces are cut each by itself.
            starts: whether nothing, not even whitespace, stands before the first piece.
            ends: whether nothing stands after the last piece.
        """
        if len(text) <= BLOCK:
            self._add(found, text.split(), starts=starts, ends=ends)
            return
        # A block ends before a space and the next one begins with it.
        parts = list(blocks(text, " "))
        for number, part in enumerate(parts):
            self._add(
                found,
                part.split(),
                starts=starts and number == 0,
                ends=ends and number == len(parts) - 1,
            )

    def _add(self, found: list[str], pieces: list[str], *, starts: bool, ends: bool) -> None:
        if len(pieces) > 1:
            first, last = pieces[0], pieces.pop()
            if starts:
                found.append(self._first[first])
                del pieces[0]
            found.extend(map(self._inside.__getitem__, pieces))
            found.append((self._last if ends else self._inside)[last])
        elif pieces:
            outer = self._alone if ends else self._first
            inner = self._last if ends else self._inside
            found.append((outer if starts else inner)[pieces[0]])

    def whole(self, text: str) -> str:
        """Return the code points of a text that the rules must see whole."""
        return self._alphabet.codes_of(self._cut(text))

    def clear(self) -> None:
        for table in (self._inside, self._first, self._last, self._alone):
            table.clear()


class Tokenizer:
    """Turns texts into strings of one code point a token, remembering the pieces of text it saw."""

    def __init__(self) -> None:
        self.alphabet = Alphabet()
        self._splitter: SentenceSplitter | None = None
        self._latin: _Rules | None = None
        self._other: _Rules | None = None

    def codes(self, text: str) -> str:
        """Return the tokens of a text as code points of `alphabet`."""
        return self._latin_codes(text) if _is_latin(text) else self._other_codes(text)

    def tokens(self, text: str) -> list[str]:
        """Return the tokens of a text as strings, remembering none of them."""
        if not _is_latin(text):
            from graders.metrics.intl_tokenizer import spaced_international

            return spaced_international(text).split()
        from graders.metrics.word_tokenizer import spaced_words

        sentences = self._sentences().sentences(text)
        return [word for sentence in sentences for word in spaced_words(sentence).split()]

    def clear(self) -> None:
        """Forget the alphabet and everything coded with it."""
        self.alphabet.clear()
        for rules in (self._latin, self._other):
            if rules is not None:
                rules.clear()

    def _sentences(self) -> SentenceSplitter:
        if self._splitter is None:
            from graders.metrics.sentence import SentenceSplitter

            self._splitter = SentenceSplitter()
        return self._splitter

    def _latin_codes(self, text: str) -> str:
        if self._latin is None:
            from graders.metrics.word_tokenizer import spaced_words

            self._latin = _Rules(self.alphabet, spaced_words, _simple_latin)
        rules = self._latin
        sentences = self._sentences().sentences(text)
        if "\xa0" in text:
            return "".join(map(rules.whole, sentences))
        return rules.joined(sentences)

    def _other_codes(self, text: str) -> str:
        if self._other is None:
            from graders.metrics.intl_tokenizer import spaced_international

            self._other = _Rules(self.alphabet, spaced_international, _simple_other)
        found: list[str] = []
        starts, ends = not text[0].isspace(), not text[-1].isspace()
        self._other.add(found, text, starts=starts, ends=ends)
        return "".join(found)

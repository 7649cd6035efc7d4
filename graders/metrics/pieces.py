"""The code points of whitespace-separated pieces of text, each distinct piece cut by the rules once.

The trick: every rule of both tokenizers looks at most one character past a word's edge, and words
are separated by whitespace. So the tokens of a *piece* depend on the piece alone, except at the
very start and end of a sentence. Each distinct piece is cut once by the real rules (in one of four
surroundings: inside, first, last, alone) and remembered; a text costs one dictionary look-up a
piece instead of two dozen regular expressions a sentence. Since metrics want code points, not
tokens (`alphabet.py`), what is remembered is the piece's code points.

One sentence goes through the rules whole: one whose last piece is nothing but closing brackets and
quotes, because the rule for the final full stop looks through those into the piece before.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from graders.metrics.alphabet import BLOCK, Alphabet, blocks

__all__ = ["CLOSERS", "CONTRACTED", "LONGEST_KEPT", "Pieces", "Rules", "simple_latin"]

# Puts whitespace between the tokens of a text.
_Cut = Callable[[str], str]


class _Simple(Protocol):
    """Cuts pieces that need no rules; `ends` says that nothing stands behind the piece."""

    def __call__(self, piece: str, *, ends: bool) -> list[str] | None: ...


CLOSERS = frozenset("])}>\"'»")
"""What the rule for the final full stop looks through."""

LONGEST_KEPT = 64
_MOST_KEPT = 50_000

CONTRACTED = ("cannot", "gimme", "gonna", "gotta", "lemme", "wanna")
"""What a word may hold, in any case, and not be one."""
# What `simple_latin` leaves to the rules: quotes, runs, contractions written as one word.
_INVOLVED = re.compile(rf"[\"'`«»]|\.\.|--|[,:][,:]|(?i:{'|'.join(CONTRACTED)})")
_FINAL_CLOSERS = re.compile(r"\.[\])}>]+$")
_SIMPLE_TOKEN = re.compile(
    r"[;@#$%&?!*\[\](){}<>]|[,:](?!\d)|(?:[^;@#$%&?!*\[\](){}<>,:]|[,:](?=\d))+"
)


def simple_latin(piece: str, *, ends: bool) -> list[str] | None:
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


class Remembered(dict[str, str]):
    """What is found out about pieces, kept for a bounded number of those of ordinary length."""

    def __missing__(self, piece: str) -> str:
        codes = self.find(piece)
        if len(piece) <= LONGEST_KEPT:
            self.keep({piece: codes})
        return codes

    def keep(self, found: Mapping[str, str]) -> None:
        """Remember pieces with their code points."""
        if len(self) + len(found) > _MOST_KEPT:
            self.clear()
        self.update(found)

    def find(self, piece: str) -> str:
        """Return the code points of a piece; for subclasses to say."""
        raise NotImplementedError


class Pieces(Remembered):
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

    def find(self, piece: str) -> str:
        """Cut a piece by the rules, or without them where they say nothing."""
        tokens = self._simple(piece, ends=not self._before)
        if tokens is not None:
            return self._alphabet.codes(tokens)
        codes = self._alphabet.codes_of(self._cut(f"{self._after}{piece}{self._before}"))
        return codes[bool(self._after) : len(codes) - bool(self._before)]


class Rules:
    """One set of rules with its four surroundings.

    Attributes:
        inside, first, last, alone: the pieces by what stands around them in their sentence.
    """

    def __init__(self, alphabet: Alphabet, cut: _Cut, simple: _Simple) -> None:
        self._alphabet = alphabet
        self._cut = cut
        # "x" stands for any neighbour: it is a token of its own under both sets of rules.
        self.inside = Pieces(alphabet, cut, simple, after="x ", before=" x")
        self.first = Pieces(alphabet, cut, simple, before=" x")
        self.last = Pieces(alphabet, cut, simple, after="x ")
        self.alone = Pieces(alphabet, cut, simple)

    def joined(self, sentences: Sequence[str]) -> str:
        """Return the code points of sentences, none of them empty, one after the other."""
        found: list[str] = []
        for sentence in sentences:
            if sentence[-1] in CLOSERS and _ends_in_closers_only(sentence):
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
                found.append(self.first[first])
                del pieces[0]
            found.extend(map(self.inside.__getitem__, pieces))
            found.append((self.last if ends else self.inside)[last])
        elif pieces:
            outer = self.alone if ends else self.first
            inner = self.last if ends else self.inside
            found.append((outer if starts else inner)[pieces[0]])

    def whole(self, text: str) -> str:
        """Return the code points of a text that the rules must see whole."""
        return self._alphabet.codes_of(self._cut(text))

    def clear(self) -> None:
        """Forget every piece."""
        for table in (self.inside, self.first, self.last, self.alone):
            table.clear()


def _ends_in_closers_only(sentence: str) -> bool:
    """Tell whether the last piece of a sentence is nothing but closing brackets and quotes."""
    return CLOSERS.issuperset(sentence[sentence.rfind(" ") + 1 :])

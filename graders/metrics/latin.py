"""Printable Latin-1 texts as code points, a column at once, mostly without a look at sentences.

The trick: where sentences end decides little. It parts the full stop from a sentence's last piece,
and tells opening from closing quotes at its first. And most pieces know their place: "cat" ends no
sentence, "cat." ends one whatever comes next. So a piece has one string of code points, and a whole
column of texts is one `split` and one dictionary look-up a piece.

The few pieces that depend on their neighbours have the mark `_UNSURE` instead. For most of them
("e.g.", "J.", "3.") the next piece decides, and the two are looked up together. For others (a lone
quote) the text is cut where sentences end for sure, and what lies between two such places goes
through the sentence splitter.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import filterfalse, pairwise

from graders.metrics.alphabet import BLOCK, Alphabet
from graders.metrics.pieces import (
    CLOSERS,
    CONTRACTED,
    LONGEST_KEPT,
    Remembered,
    Rules,
    simple_latin,
)
from graders.metrics.sentence import SentenceSplitter
from graders.metrics.word_tokenizer import spaced_words

__all__ = ["LatinTexts"]

# Stands between texts, and in the code points for the end of one: tokens are never blank.
_END = "\n"
# Stands in the code points for a piece whose neighbours decide what its tokens are.
_UNSURE = " "
# A word with at most a bracket or quote on either side and one mark behind: in a text, a line each.
# A full stop within it is none that may end a sentence, a comma or colon none that stands apart.
_PLAIN = re.compile(
    r"""^([(\[{<"`]?)((?:[^;@#$%&?!*\[\](){}<>,:."'`«»\n-]|-(?!-)|\.(?=\w)|[,:](?=\d))+)"""
    r"""([)\]}>"`]?)([.,:;?!]?)$""",
    re.MULTILINE,
)
_OPENED = {'"': "``"}
_CLOSED = {'"': "''"}
_SHORTENED = re.compile(r"^([A-Za-z]+?)('[smdSMD]|'ll|'LL|'re|'RE|'ve|'VE|n't|N'T)$", re.MULTILINE)
# At the start of a sentence two quotes are read otherwise than behind a space.
_TWO_QUOTES = re.compile("[\"']{2}")


class _Known(Remembered):
    """The code points of each piece, or of a piece before a space and the next one or `_END`."""

    def __init__(self, alphabet: Alphabet, splitter: SentenceSplitter, rules: Rules) -> None:
        super().__init__()
        self._alphabet = alphabet
        self._splitter = splitter
        self._rules = rules

    def meet(self, pieces: Iterable[str]) -> None:
        """Remember, of some new pieces, those plain enough: all at once, and most are."""
        codes, plain = self._alphabet, "\n".join(pieces)
        found = {}
        for opened, word, closed, mark in _PLAIN.findall(plain):
            # Of full stops only those are plain that end a sentence whatever comes next.
            if mark == "." and (opened or closed or not self._splitter.ends_plainly(word)):
                continue
            tokens = _OPENED.get(opened, opened), word, _CLOSED.get(closed, closed), mark
            found[f"{opened}{word}{closed}{mark}"] = codes.codes(filter(None, tokens))
        for word, ending in _SHORTENED.findall(plain):
            found[f"{word}{ending}"] = codes[word] + codes[ending]
        folded = plain.lower()
        for two in CONTRACTED:
            if two in folded:
                found = {piece: one for piece, one in found.items() if two not in piece.lower()}
        self.keep({piece: one for piece, one in found.items() if len(piece) <= LONGEST_KEPT})

    def find(self, piece: str) -> str:
        """Return the code points of a piece, or the mark of those that it does not tell alone."""
        if piece in ("", _END):
            return self._alphabet[piece] if piece else ""
        piece, _, following = piece.partition(" ")
        last = following == _END
        ends = self._splitter.ends_after(piece, "" if last else following, last=last)
        if ends is None or _TWO_QUOTES.match(piece) or CLOSERS.issuperset(piece):
            return self._alphabet[_UNSURE]
        if ends or last:
            return self._rules.last[piece]
        codes = self._rules.inside[piece]
        # Should the text end here, the rule for the full stop would look through a closing bracket.
        if piece[-1] in CLOSERS and not following and self._rules.last.find(piece) != codes:
            return self._alphabet[_UNSURE]
        return codes


class LatinTexts:
    """Codes texts of U+0020-7E and U+00A0-FF by sentences and words, as NLTK does."""

    def __init__(self, alphabet: Alphabet) -> None:
        self._alphabet = alphabet
        self._splitter = SentenceSplitter()
        self._rules = Rules(alphabet, spaced_words, simple_latin)
        self._known = _Known(alphabet, self._splitter, self._rules)

    def codes(self, texts: Sequence[str]) -> list[str]:
        """Return the code points of each of some texts."""
        # No-break spaces are whitespace for some rules only.
        odd = [text for text in texts if len(text) > BLOCK or "\xa0" in text]
        if not odd:
            return self._together(texts)
        found = {text: self._by_sentences(text) for text in odd}
        others = [text for text in texts if text not in found]
        found.update(zip(others, self._together(others), strict=True))
        return [found[text] for text in texts]

    def _together(self, texts: Sequence[str]) -> list[str]:
        """Return the code points of texts of moderate length without no-break spaces."""
        if not texts:
            return []
        end, unsure = self._alphabet[_END], self._alphabet[_UNSURE]
        pieces = f" {_END} ".join(texts).split(" ")
        self._known.meet(set(filterfalse(self._known.__contains__, pieces)))
        joined = "".join(map(self._known.__getitem__, pieces))
        found = joined.split(end)
        if unsure in joined:
            for row, codes in enumerate(found):
                if unsure in codes:
                    found[row] = self._closer(texts[row])
        return found

    def _closer(self, text: str) -> str:
        """Return the code points of a text with pieces that depend on their neighbours."""
        unsure = self._alphabet[_UNSURE]
        pieces = [*text.split(" "), _END]
        codes = list(map(self._known.__getitem__, pieces))
        # Between two sure pieces, the first with a mark that ends its sentence, a new one begins.
        cuts = [0]
        for at, (piece, following) in enumerate(pairwise(pieces)):
            if codes[at] == unsure:
                if following:
                    codes[at] = self._known[f"{piece} {following}"]
            elif piece.endswith((".", "?", "!")) and codes[at + 1] not in ("", unsure):
                cuts.append(at + 1)
        found = []
        for start, stop in pairwise((*cuts, len(pieces) - 1)):
            part = "".join(codes[start:stop])
            if unsure in part:
                part = self._by_sentences(" ".join(pieces[start:stop]))
            found.append(part)
        return "".join(found)

    def sentences(self, text: str) -> list[str]:
        """Return the sentences of any text of these characters."""
        return self._splitter.sentences(text)

    def _by_sentences(self, text: str) -> str:
        """Return the code points of any text of these characters, sentence by sentence."""
        sentences = self._splitter.sentences(text)
        # Whitespace for some rules only, so the pieces are not what they seem.
        if "\xa0" in text:
            return "".join(map(self._rules.whole, sentences))
        return self._rules.joined(sentences)

    def clear(self) -> None:
        """Forget everything coded with the alphabet."""
        self._known.clear()
        self._rules.clear()

"""Where the sentences of printable Latin-1 text end, as NLTK's Punkt decides it.

The model (abbreviations, collocations, sentence starters, upper and lower case counts) is NLTK's own,
packed in `data/punkt-english.txt.xz` by tools/build_punkt_table.py; the procedure here is that of
NLTK's `PunktSentenceTokenizer`, quirks included.

A `.`, `?` or `!` followed by whitespace or punctuation may end a sentence. Two tricks:

- most words before a full stop end the sentence whatever follows, so the verdict is kept per word;
- only abbreviations, initials, numbers, ellipses and words of collocations depend on what comes
  next, and then the verdict is kept per (word, next word) context.

So for most whitespace-separated pieces of a text `ends_after` says by the piece alone whether a
sentence ends there, and `latin.py` needs no sentences.
"""

from __future__ import annotations

import lzma
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from itertools import pairwise

__all__ = ["PunktModel", "SentenceSplitter", "punkt_model", "punkt_table"]

_NOT_WORD = r"[)\";}\]*:@'({\[«»?!]"
_MANY = r"(?:-{2,}|\.{2,}|(?:\.\s){2,}\.)"
_POSSIBLE_END = re.compile(rf"[.?!](?=(?P<after>{_NOT_WORD}|\s+(?P<next>\S+)))")
_TOKEN = re.compile(
    rf"{_MANY}|(?=[^(\"`{{\[:;&#*@)}}\]\-,])\S+?(?=\s|$|{_NOT_WORD}|{_MANY}|,(?=$|\s|{_NOT_WORD}|{_MANY}))|\S"
)
_CLOSERS = re.compile(r"[\"')\]}«»]+?(?:\s+|(?=--)|$)")
_CLOSING = frozenset("\"')]}«»")
_MARK = re.compile("[.?!]")
# A piece that goes to the sentence before when one ends there.
_REALIGNED = re.compile(r"[\"')\]}«»]+(?:--|$)")
_ELLIPSIS = re.compile(r"\.\.+$")
_NUMBER = re.compile(r"^-?[.,]?\d[\d,.-]*\.?$")
_INITIAL = re.compile(r"[^\W\d²³¹¼½¾]\.$")

# How a word was seen in the training texts (bits of the model's ORTHO_CONTEXT values).
_UPPER_MID = 1 << 2
_UPPER = (1 << 1) | (1 << 2) | (1 << 3)
_LOWER_BEGIN = 1 << 4
_LOWER = (1 << 4) | (1 << 5) | (1 << 6)

_LONGEST_KEPT = 100
_MOST_KEPT = 10_000


@dataclass(frozen=True, slots=True)
class PunktModel:
    """What Punkt learned from its training texts; words in lower case.

    Attributes:
        abbreviations: without their full stop.
        collocations: pairs of words that no sentence ends between.
        starters: words that are often the first of a sentence.
        seen: how a word was seen, as bits; words never seen are not there.
    """

    abbreviations: frozenset[str]
    collocations: frozenset[tuple[str, str]]
    starters: frozenset[str]
    seen: Mapping[str, int]


def punkt_table() -> str:
    """Return NLTK's English model as lines: a kind, and words by tabs."""
    packed = (files("graders.metrics") / "data" / "punkt-english.txt.xz").read_bytes()
    return lzma.decompress(packed).decode()


@lru_cache(maxsize=1)
def punkt_model() -> PunktModel:
    """Return NLTK's English model."""
    kinds: dict[str, list[list[str]]] = {kind: [] for kind in "acos"}
    for line in punkt_table().split("\n"):
        kind, *words = line.split("\t")
        kinds[kind].append(words)
    return PunktModel(
        frozenset(word for (word,) in kinds["a"]),
        frozenset((first, second) for first, second in kinds["c"]),
        frozenset(word for (word,) in kinds["s"]),
        {word: int(bits) for word, bits in kinds["o"]},
    )


@dataclass(slots=True)
class _Token:
    """One token of the text around a possible end, with Punkt's annotations."""

    text: str
    type: str
    is_break: bool = False
    is_abbreviation: bool = False
    is_ellipsis: bool = False

    @property
    def type_without_period(self) -> str:
        return self.type[:-1] if len(self.type) > 1 and self.type[-1] == "." else self.type

    @property
    def type_as_next(self) -> str:
        return self.type_without_period if self.is_break else self.type


class SentenceSplitter:
    """Splits text into sentences; keeps verdicts on words and contexts, a bounded number."""

    def __init__(self) -> None:
        model = punkt_model()
        self._abbreviations = model.abbreviations
        self._collocations = model.collocations
        self._colliding = frozenset(first for first, _ in self._collocations)
        self._starters = model.starters
        self._seen = model.seen
        self._always: dict[str, bool] = {}
        self._in_context: dict[str, bool] = {}

    def sentences(self, text: str) -> list[str]:
        """Return the sentences of a text, without the whitespace between them."""
        breaks = self._breaks(text)
        if not breaks:
            stripped = text.rstrip()
            return [stripped] if stripped else []
        return _realigned(text, breaks)

    def ends_after(self, piece: str, following: str = "", *, last: bool = False) -> bool | None:
        """Tell whether a sentence ends after a piece of text; None where its neighbours decide.

        Args:
            piece: a run of characters without whitespace between spaces, or at either end of a text.
            following: the next piece, one space behind, where that is known.
            last: whether no piece follows; then False means that no sentence ends within this one.
        """
        if _REALIGNED.match(piece):
            return None
        if not _MARK.search(piece):
            return False
        ends = [end.end() for end in _POSSIBLE_END.finditer(piece if last else f"{piece} x")]
        if len(ends) != 1:
            return None if ends else False
        end = ends[0]
        if end == len(piece):
            if following:
                return self._breaks_within(f"{piece} {following}")
            return self._ends_always(piece) or None
        # Behind a mark within the piece Punkt looks one character far.
        if not self._breaks_within(piece[: end + 1]):
            return False
        return True if _CLOSING.issuperset(piece[end:]) else None

    def ends_plainly(self, letters: str) -> bool:
        """Tell whether two or more letters with a full stop end a sentence before any next word."""
        kind = letters.lower()
        return (
            letters.isalpha()
            and len(letters) > 1
            and kind not in self._abbreviations
            and kind not in self._colliding
        )

    def _breaks(self, text: str) -> list[tuple[int, int]]:
        """Return (end of a sentence, start of the next one) for each break."""
        breaks: list[tuple[int, int]] = []
        held: re.Match[str] | None = None
        held_word = 0  # where the word before the held possible end starts
        held_start = 0
        for found in _POSSIBLE_END.finditer(text):
            start = found.start()
            space = text.rfind(" ", held_start, start)
            # A space right at the previous end counts as none: NLTK tests an offset for truth.
            word = space + 1 if space > held_start else held_word
            # In a run such as "?!?" only the last mark counts: the earlier ones are in its word.
            if held is not None and held_start <= word and self._ends(text, held_word, held):
                breaks.append((held.end(), held.start("next") if held["next"] else held.end()))
            held, held_word, held_start = found, word, start
        if held is not None and self._ends(text, held_word, held):
            breaks.append((held.end(), held.start("next") if held["next"] else held.end()))
        return breaks

    def _ends(self, text: str, word_start: int, found: re.Match[str]) -> bool:
        """Tell whether a possible end is one."""
        word = text[word_start : found.end()]
        if found["next"] and " " not in word and "\xa0" not in word:
            always = self._always.get(word)
            if always is None:
                always = self._ends_always(word)
                _keep(self._always, word, always)
            if always:
                return True
        context = text[word_start : found.end("after")]
        ends = self._in_context.get(context)
        if ends is None:
            ends = self._breaks_within(context)
            _keep(self._in_context, context, ends)
        return ends

    def _breaks_within(self, context: str) -> bool:
        """Tell whether Punkt sees a break before the last token of a context."""
        return any(token.is_break for token in self._annotated(context)[:-1])

    def _ends_always(self, word: str) -> bool:
        """Tell whether a word with its final mark ends a sentence before any next word.

        The tokens of a word do not depend on the next word, and only the last one's verdict does.
        """
        if word[-1] != ".":
            return True
        letters = word[:-1]
        if letters.isalpha() and len(letters) > 1:
            return self.ends_plainly(letters)
        tokens = self._annotated(word)
        if any(token.is_break for token in tokens[:-1]):
            return True
        last = tokens[-1]
        kind = last.type_without_period
        return (
            last.is_break
            and kind != "##number##"
            and kind not in self._colliding
            and not _INITIAL.match(last.text)
        )

    def _annotated(self, context: str) -> list[_Token]:
        """Return the tokens of a context with both of Punkt's passes done."""
        tokens = [
            _Token(text, _NUMBER.sub("##number##", text.lower()))
            for text in _TOKEN.findall(context)
        ]
        for token in tokens:
            self._judge_alone(token)
        for token, following in pairwise(tokens):
            if token.text.endswith("."):
                self._judge_in_context(token, following)
        return tokens

    def _judge_alone(self, token: _Token) -> None:
        """Punkt's first pass: what the form of a token says."""
        text = token.text
        if text in {".", "?", "!"}:
            token.is_break = True
        elif _ELLIPSIS.match(text):
            token.is_ellipsis = True
        elif text.endswith(".") and not text.endswith(".."):
            stem = text[:-1].lower()
            known = stem in self._abbreviations or stem.split("-")[-1] in self._abbreviations
            token.is_abbreviation = known
            token.is_break = not known

    def _judge_in_context(self, token: _Token, following: _Token) -> None:
        """Punkt's second pass: what the next token says about a token with a full stop."""
        kind = token.type_without_period
        next_kind = following.type_as_next
        is_initial = _INITIAL.match(token.text) is not None
        if (kind, next_kind) in self._collocations:
            token.is_break = False
            token.is_abbreviation = True
            return
        is_upper = following.text[0].isupper()
        if (token.is_abbreviation or token.is_ellipsis) and not is_initial:
            starts = self._starts_sentence(following)
            if starts or (is_upper and next_kind in self._starters):
                token.is_break = True
                return
        if is_initial or kind == "##number##":
            starts = self._starts_sentence(following)
            never_lower = not self._seen.get(next_kind, 0) & _LOWER
            if starts is False or (starts is None and is_initial and is_upper and never_lower):
                token.is_break = False
                token.is_abbreviation = True

    def _starts_sentence(self, token: _Token) -> bool | None:
        """Tell by its case whether a token starts a sentence; None is "cannot tell"."""
        if token.text in {";", ":", ",", ".", "!", "?"}:
            return False
        seen = self._seen.get(token.type_as_next, 0)
        first = token.text[0]
        if first.isupper() and seen & _LOWER and not seen & _UPPER_MID:
            return True
        if first.islower() and (seen & _UPPER or not seen & _LOWER_BEGIN):
            return False
        return None


def _realigned(text: str, breaks: list[tuple[int, int]]) -> list[str]:
    """Return the sentences, closing quotes and brackets moved back to where they belong."""
    sentences = []
    start = 0
    last = len(text.rstrip())
    ends = [end for end, _ in breaks[1:]]
    ends.append(last)
    for (end, following), following_end in zip(breaks, ends, strict=True):
        # Most sentences begin with a letter: no need to ask the pattern about those.
        if text[following : following + 1] in _CLOSING:
            closers = _CLOSERS.match(text[following:following_end])
            if closers:
                sentences.append(text[start : following + len(closers[0].rstrip())])
                start = following + closers.end()
                continue
        if start < end:
            sentences.append(text[start:end])
        start = following
    if start < last:
        sentences.append(text[start:last])
    return sentences


def _keep(verdicts: dict[str, bool], key: str, verdict: bool) -> None:  # noqa: FBT001 - a value
    if len(key) <= _LONGEST_KEPT:
        if len(verdicts) >= _MOST_KEPT:
            verdicts.clear()
        verdicts[key] = verdict

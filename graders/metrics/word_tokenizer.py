"""The words of one sentence of printable Latin-1 text, as NLTK's `NLTKWordTokenizer` cuts them.

The rules are substitutions that put spaces around what should stand alone, applied in order; then
the text is split at whitespace. They restate NLTK 3.10's for the 191 characters this tokenizer is
ever given (U+0020-7E and U+00A0-FF), with Python's own `re`: NLTK runs most of them through the
`regex` package, where the superscripts ¹²³ and fractions ¼½¾ are no word characters, so `_WORD`
leaves them out.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TypeAlias

__all__ = ["spaced_words"]

_Rule: TypeAlias = tuple[re.Pattern[str], str]

_WORD = r"[^\W²³¹¼½¾]"

_RULES = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        # Opening quotes.
        (r"([«]|`+)", r" \1 "),
        (r'^"', "``"),
        (r"(``)", r" \1 "),
        (r"([ (\[{<])(\"|'{2})", r"\1 `` "),
        (rf"(?i)(?<!{_WORD})(')(?!(?:re|ve|ll|m|t|s|d|n)(?!{_WORD}))(?={_WORD})", r"\1 "),
        # Punctuation; a single full stop only at the end of the sentence.
        (r"([^.])(\.)([\])}>\"' »]*+)\s*$", r"\1 \2 \3 "),
        (r"([:,])([^\d])", r" \1 \2"),
        (r"([:,])$", r" \1 "),
        (r"\.{2,}", r" \g<0> "),
        (r"[;@#$%&]", r" \g<0> "),
        (r"([^.])(\.)([\])}>\"']*)\s*$", r"\1 \2\3 "),
        (r"[?!]", r" \g<0> "),
        (r"([^'])' ", r"\1 ' "),
        (r"[*]", r" \g<0> "),
        (r"[\]\[(){}<>]", r" \g<0> "),
        (r"--", " -- "),
    )
)
_CLOSING_RULES = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"(»)", r" \1 "),
        (r"''", " '' "),
        (r'"', " '' "),
        (r"\s+", " "),
        (r"([^' ])('[sS]|'[mM]|'[dD]|') ", r"\1 \2 "),
        (r"([^' ])('ll|'LL|'re|'RE|'ve|'VE|n't|N'T) ", r"\1 \2 "),
        # Contractions that are written as one word.
        (r"(?i)\b(can)(not)\b", r" \1 \2 "),
        (r"(?i)\b(d)('ye)\b", r" \1 \2 "),
        (r"(?i)\b(gim)(me)\b", r" \1 \2 "),
        (r"(?i)\b(gon)(na)\b", r" \1 \2 "),
        (r"(?i)\b(got)(ta)\b", r" \1 \2 "),
        (r"(?i)\b(lem)(me)\b", r" \1 \2 "),
        (r"(?i)\b(more)('n)\b", r" \1 \2 "),
        (r"(?i)\b(wan)(na)(?=\s)", r" \1 \2 "),
        (r"(?i) ('t)(is)\b", r" \1 \2 "),
        (r"(?i) ('t)(was)\b", r" \1 \2 "),
    )
)


def spaced_words(sentence: str) -> str:
    """Return one sentence of printable Latin-1 text with whitespace between its tokens."""
    return _applied(_CLOSING_RULES, f" {_applied(_RULES, sentence)} ")


def _applied(rules: Sequence[_Rule], sentence: str) -> str:
    for pattern, replacement in rules:
        # Most rules find nothing in most sentences, and `search` says so in a fifth of the time.
        if pattern.search(sentence):
            sentence = pattern.sub(replacement, sentence)
    return sentence

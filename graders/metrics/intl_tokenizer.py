"""The international tokenisation rule of NIST's mteval-v14 script, for texts beyond Latin-1.

Punctuation is split off unless digits stand on both sides, every symbol stands alone, and the rest
is split at whitespace. No lower-casing, no unescaping of entities, no data files: this is what
sacrebleu calls "intl". NLTK's `NISTTokenizer.international_tokenize` wants the perluniprops
download and differs on some texts; docs/explanation/metrics.md says how.
"""

from __future__ import annotations

import regex  # type: ignore[import-untyped, unused-ignore]

__all__ = ["spaced_international"]

# The `regex` package (which NLTK needs anyway) knows Unicode properties, `re` does not.
_RULES = (
    (regex.compile(r"(\P{N})(\p{P})"), r"\1 \2 "),
    (regex.compile(r"(\p{P})(\P{N})"), r" \1 \2"),
    (regex.compile(r"(\p{S})"), r" \1 "),
)


def spaced_international(text: str) -> str:
    """Return any text with whitespace between its tokens by the international rule."""
    for pattern, replacement in _RULES:
        # In most short texts most rules find nothing, and `search` says so in less time.
        if pattern.search(text):
            text = pattern.sub(replacement, text)
    return text

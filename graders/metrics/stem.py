"""Porter's stemmer with NLTK's extensions, word for word what `nltk.stem.PorterStemmer` returns.

Restated here because importing NLTK's costs a quarter of a second and 40 MB; the tests hold the
two equal. The trick: a word becomes a string of c's and v's once, and Porter's "measure" of any
stem of it is the number of "vc" in the beginning of that string.

Source: M. F. Porter, An algorithm for suffix stripping, Program 14(3), 1980; nltk 3.10,
mode NLTK_EXTENSIONS.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

__all__ = ["stem"]

_IRREGULAR = {
    "sky": "sky",
    "skies": "sky",
    "dying": "die",
    "lying": "lie",
    "tying": "tie",
    "news": "news",
    "innings": "inning",
    "inning": "inning",
    "outings": "outing",
    "outing": "outing",
    "cannings": "canning",
    "canning": "canning",
    "howe": "howe",
    "proceed": "proceed",
    "exceed": "exceed",
    "succeed": "succeed",
}

# (suffix, replacement), tried in order; the first suffix that fits decides, applied or not.
_STEP_2 = (
    ("ational", "ate"),
    ("tional", "tion"),
    ("enci", "ence"),
    ("anci", "ance"),
    ("izer", "ize"),
    ("bli", "ble"),
    ("alli", "al"),
    ("entli", "ent"),
    ("eli", "e"),
    ("ousli", "ous"),
    ("ization", "ize"),
    ("ation", "ate"),
    ("ator", "ate"),
    ("alism", "al"),
    ("iveness", "ive"),
    ("fulness", "ful"),
    ("ousness", "ous"),
    ("aliti", "al"),
    ("iviti", "ive"),
    ("biliti", "ble"),
    ("fulli", "ful"),
)
_STEP_3 = (
    ("icate", "ic"),
    ("ative", ""),
    ("alize", "al"),
    ("iciti", "ic"),
    ("ical", "ic"),
    ("ful", ""),
    ("ness", ""),
)
_STEP_4 = (
    "al", "ance", "ence", "er", "ic", "able", "ible", "ant", "ement", "ment", "ent", "ion", "ou",
    "ism", "ate", "iti", "ous", "ive", "ize",
)  # fmt: skip


# Words of a process, for they come back from batch to batch.
_MOST_KEPT = 1 << 16
_LONGEST_KEPT = 64


def _by_ending(rules: Iterable[tuple[str, str]]) -> dict[str, list[tuple[str, str]]]:
    """Return the rules by the last two letters of their suffixes: few words meet one at all."""
    found: dict[str, list[tuple[str, str]]] = {}
    for suffix, replacement in rules:
        found.setdefault(suffix[-2:], []).append((suffix, replacement))
    return found


_RULES_2, _RULES_3 = _by_ending(_STEP_2), _by_ending(_STEP_3)
_RULES_4 = _by_ending((suffix, "") for suffix in _STEP_4)


def stem(word: str) -> str:
    """Return the stem of a word, lower-cased; any string is a word."""
    return _known(word) if len(word) <= _LONGEST_KEPT else _stem(word)


def _stem(word: str) -> str:
    result = word.lower()
    if result in _IRREGULAR:
        return _IRREGULAR[result]
    if len(word) <= 2:
        return result
    result = _without_ending(_without_plural(result))
    if result.endswith("y") and len(result) > 2 and _shape(result[:-1])[-1] == "c":
        result = f"{result[:-1]}i"
    result = _without_suffix_2(result)
    result = _replaced(result, _RULES_3)
    result = _without_suffix_4(result)
    return _without_final_e_or_l(result)


_known = lru_cache(_MOST_KEPT)(_stem)


def _shape(word: str) -> str:
    """Return the word with every letter replaced by "v" for a vowel, "c" for any other one.

    A "y" is a vowel exactly after a consonant.
    """
    shape: list[str] = []
    letter_shape = "v"
    for letter in word:
        if letter in "aeiou":
            letter_shape = "v"
        elif letter == "y":
            letter_shape = "v" if shape and letter_shape == "c" else "c"
        else:
            letter_shape = "c"
        shape.append(letter_shape)
    return "".join(shape)


def _measure(word: str) -> int:
    """Return Porter's m: how often consonants follow vowels."""
    return _shape(word).count("vc")


def _ends_cvc(word: str) -> bool:
    """Tell whether a word ends in consonant, vowel, consonant other than w, x, y (or is v, c)."""
    shape = _shape(word)
    return (shape.endswith("cvc") and word[-1] not in "wxy") or shape == "vc"


def _without_plural(word: str) -> str:
    """Step 1a."""
    if word.endswith("ies"):
        return word[:-1] if len(word) == 4 else word[:-2]
    if word.endswith("sses"):
        return word[:-2]
    if word.endswith("s") and not word.endswith("ss"):
        return word[:-1]
    return word


def _without_ending(word: str) -> str:
    """Step 1b: past tense and -ing."""
    if word.endswith("ied"):
        return word[:-1] if len(word) == 4 else word[:-2]
    if word.endswith("eed"):
        return word[:-1] if _measure(word[:-3]) > 0 else word
    for suffix in ("ed", "ing"):
        if word.endswith(suffix) and "v" in _shape(word[: -len(suffix)]):
            word = word[: -len(suffix)]
            break
    else:
        return word
    if word.endswith(("at", "bl", "iz")):
        return f"{word}e"
    shape = _shape(word)
    if len(word) >= 2 and word[-1] == word[-2] and shape[-1] == "c":
        return word if word[-1] in "lsz" else word[:-1]
    if shape.count("vc") == 1 and _ends_cvc(word):
        return f"{word}e"
    return word


def _without_suffix_2(word: str) -> str:
    """Step 2, with NLTK's rules for -alli, -fulli and -logi."""
    while word.endswith("alli") and _measure(word[:-4]) > 0:
        word = word[:-2]
    if word.endswith("logi"):
        # The l counts with the stem, so that geology, theology and archaeology agree.
        return word[:-1] if _measure(word[:-3]) > 0 else word
    return _replaced(word, _RULES_2)


def _replaced(word: str, rules: dict[str, list[tuple[str, str]]]) -> str:
    for suffix, replacement in rules.get(word[-2:], ()):
        if word.endswith(suffix):
            kept = word[: -len(suffix)]
            return f"{kept}{replacement}" if _measure(kept) > 0 else word
    return word


def _without_suffix_4(word: str) -> str:
    """Step 4."""
    for suffix, _ in _RULES_4.get(word[-2:], ()):
        if word.endswith(suffix):
            kept = word[: -len(suffix)]
            if _measure(kept) > 1 and (suffix != "ion" or kept[-1] in "st"):
                return kept
            return word
    return word


def _without_final_e_or_l(word: str) -> str:
    """Step 5."""
    if word.endswith("e"):
        measure = _measure(word[:-1])
        if measure > 1 or (measure == 1 and not _ends_cvc(word[:-1])):
            word = word[:-1]
    if word.endswith("ll") and _measure(word[:-1]) > 1:
        return word[:-1]
    return word

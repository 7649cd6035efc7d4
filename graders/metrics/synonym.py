"""WordNet's synonyms of a word, from a table in the package instead of NLTK's corpus reader.

The table (`data/wordnet-3.0-synonyms.txt.xz`, built by tools/build_wordnet_table.py) is one sorted
text. The trick: it stays one block of bytes of 3.4 MB. Every 2 kB the word at that place is noted,
so that a look-up bisects about 1,600 words and searches 2 kB: 30 ms to load, no objects a word.

NLTK finds inflected forms by morphy: the exception list, else a few suffix rules, then whatever
of that WordNet lists. That is done here when a word is asked for.
"""

from __future__ import annotations

import lzma
from bisect import bisect_right
from functools import lru_cache
from importlib.resources import files

__all__ = ["SynonymTable", "load", "synonyms"]

_STEP = 2048
_LONGEST = 100  # no form in WordNet is longer

# morphy's rules: (part of speech, ((ending, what replaces it), ...)).
_SUFFIXES = (
    (
        b"n",
        (
            (b"s", b""),
            (b"ses", b"s"),
            (b"ves", b"f"),
            (b"xes", b"x"),
            (b"zes", b"z"),
            (b"ches", b"ch"),
            (b"shes", b"sh"),
            (b"men", b"man"),
            (b"ies", b"y"),
        ),
    ),
    (
        b"v",
        (
            (b"s", b""),
            (b"ies", b"y"),
            (b"es", b"e"),
            (b"es", b""),
            (b"ed", b"e"),
            (b"ed", b""),
            (b"ing", b"e"),
            (b"ing", b""),
        ),
    ),
    (b"a", ((b"er", b""), (b"est", b""), (b"er", b"e"), (b"est", b"e"))),
    (b"r", ()),
)


class SynonymTable:
    """Synonyms of English words; immutable."""

    def __init__(self, table: bytes) -> None:
        """Index a table.

        Args:
            table: sorted lines `form TAB field TAB field ...`, see tools/build_wordnet_table.py.
        """
        self._table = b"\n" + table + b"\n"
        self._starts = [0]
        for place in range(_STEP, len(self._table) - 1, _STEP):
            start = self._table.index(b"\n", place - 1)
            if start < len(self._table) - 1 and start > self._starts[-1]:
                self._starts.append(start)
        self._forms = [
            self._table[start + 1 : self._table.index(b"\t", start)] for start in self._starts
        ]
        self._starts.append(len(self._table))

    def synonyms(self, word: str) -> frozenset[str]:
        """Return the lower-case one-word names in all synsets of a word, in any part of speech.

        The word itself is among them when WordNet knows it. Inflected forms are reduced as NLTK's
        morphy does. A word that WordNet does not know gives the empty set.

        Source: WordNet 3.0; equals NLTK's `lemma.name() for synset in wordnet.synsets(word) for
        lemma in synset.lemmas()` without the names that hold "_" or a capital letter.
        """
        word = word.lower()
        if not word.isascii() or not word.isprintable() or len(word) > _LONGEST:
            return frozenset()
        form = word.encode()
        own = self._fields(form)
        found = b""
        for part, rules in _SUFFIXES:
            found += own.get(part, b"")
            exceptions = own.get(part.upper())
            if exceptions is not None:
                bases = exceptions.split()
            else:
                bases = [form[: -len(old)] + new for old, new in rules if form.endswith(old)]
            for base in bases:
                found += self._fields(base).get(part, b"")
        return frozenset(found.decode().split())

    def _fields(self, form: bytes) -> dict[bytes, bytes]:
        """Return what the table says of a form: its names, led by a space, by part of speech."""
        block = bisect_right(self._forms, form) - 1
        if block < 0:
            return {}
        start = self._table.find(
            b"\n" + form + b"\t", self._starts[block], self._starts[block + 1] + 1
        )
        if start < 0:
            return {}
        line = self._table[start : self._table.index(b"\n", start + 1)]
        return {field[:1]: field[1:] for field in line.split(b"\t")[1:]}


@lru_cache(maxsize=1)
def load() -> SynonymTable:
    """Return the table of the package, loaded once a process."""
    packed = files("graders.metrics").joinpath("data/wordnet-3.0-synonyms.txt.xz").read_bytes()
    return SynonymTable(lzma.decompress(packed))


def synonyms(word: str) -> frozenset[str]:
    """Return what `SynonymTable.synonyms` does of the package's table, sooner for a word that comes back."""
    return _known(word) if len(word) <= _LONGEST else frozenset()


@lru_cache(maxsize=1 << 16)
def _known(word: str) -> frozenset[str]:
    return load().synonyms(word)

"""Columns of texts in, batches of coded texts out: what keeps memory flat and work shared.

- A text is coded once and remembered by its content, so a reference that comes back in the next
  row or the next chunk costs one look-up. The memory holds `_MEMORY_CHARACTERS` characters of
  text, then starts anew.
- Rows are worked off in batches of about `_BATCH_CHARACTERS` characters, so the arrays stay small
  however many rows there are; a pair of longer texts is a batch of its own.
- Between batches an alphabet of more than `_MOST_TOKENS` tokens, or of tokens with more than
  `_MEMORY_CHARACTERS` characters, is emptied, with everything that was coded with it. So it cannot
  overflow within a batch, except by one gigantic pair, which is then coded `wide`.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from operator import add

from graders.metrics.alphabet import Alphabet, AlphabetFullError, Codes, Token, wide

__all__ = ["Batch", "Coder", "ends_of", "slices"]

_BATCH_CHARACTERS = 1 << 18
_MEMORY_CHARACTERS = 1 << 20
_MOST_TOKENS = 1 << 16


@dataclass(frozen=True, slots=True)
class Batch:
    """Coded texts of some rows.

    Attributes:
        candidates: the coded candidates.
        references: the coded references, one for each candidate.
        tokens: what each number stands for.
    """

    candidates: Sequence[Codes]
    references: Sequence[Codes]
    tokens: Sequence[Token | None]


class Coder:
    """Codes texts with one alphabet."""

    def __init__(
        self,
        alphabet: Alphabet,
        *,
        codes: Callable[[Sequence[str]], list[str]],
        tokens: Callable[[str], Iterable[Token]],
        clear: Callable[[], None],
    ) -> None:
        """Make a coder.

        Args:
            alphabet: what `codes` codes with.
            codes: gives the code points of each of some texts.
            tokens: gives the tokens of a text, for the pair whose tokens do not fit the alphabet.
            clear: empties the alphabet and forgets everything coded with it.
        """
        self._alphabet = alphabet
        self._codes = codes
        self._tokens = tokens
        self._clear_all = clear
        self._known: dict[str, str] = {}
        self._known_characters = 0

    def batches(self, candidates: Sequence[str], references: Sequence[str]) -> Iterator[Batch]:
        """Yield the rows in order, coded, a batch at a time.

        A batch is good until the next one is asked for.
        """
        for start, stop in slices(ends_of(candidates, references), _BATCH_CHARACTERS):
            alphabet = self._alphabet
            if (
                len(alphabet) > min(_MOST_TOKENS, alphabet.most)
                or alphabet.characters > _MEMORY_CHARACTERS
            ):
                self._clear()
            yield self._batch(candidates[start:stop], references[start:stop])

    def _batch(self, candidates: Sequence[str], references: Sequence[str]) -> Batch:
        try:
            ours = self._column(candidates)
            return Batch(ours, self._column(references), self._alphabet.tokens)
        except AlphabetFullError:
            self._clear()
        # Only a single pair has that many tokens: see `slices`.
        tokens = self._tokens(candidates[0]), self._tokens(references[0])
        candidate, reference, table = wide(*tokens)
        return Batch([candidate], [reference], table)

    def _column(self, texts: Sequence[str]) -> list[str]:
        found = list(map(self._known.get, texts))
        new = dict.fromkeys(text for text, codes in zip(texts, found, strict=True) if codes is None)
        coded = dict(zip(new, self._codes(list(new)), strict=True))
        self._keep(coded)
        return [
            coded[text] if codes is None else codes
            for text, codes in zip(texts, found, strict=True)
        ]

    def _keep(self, coded: Mapping[str, str]) -> None:
        characters = sum(map(len, coded))
        if characters > _BATCH_CHARACTERS:
            return  # One gigantic text.
        self._known_characters += characters
        if self._known_characters > _MEMORY_CHARACTERS:
            self._known.clear()
            self._known_characters = characters
        self._known.update(coded)

    def _clear(self) -> None:
        self._known.clear()
        self._known_characters = 0
        self._clear_all()


def ends_of(candidates: Sequence[str], references: Sequence[str]) -> list[int]:
    """Return for each row how many characters there are up to its end."""
    return list(accumulate(map(add, map(len, candidates), map(len, references))))


def slices(ends: Sequence[int], characters: int) -> Iterator[tuple[int, int]]:
    """Yield ranges of rows, which end so, of at most so many characters, or of one row."""
    start = 0
    while start < len(ends):
        before = ends[start - 1] if start else 0
        stop = max(start + 1, bisect_right(ends, before + characters))
        yield start, stop
        start = stop

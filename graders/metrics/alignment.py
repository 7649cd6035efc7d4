"""METEOR as NLTK's `single_meteor_score` defines it: alpha 0.9, beta 3, gamma 0.5.

Words are matched in three stages, each on what the one before left over: equal lower-cased words,
equal stems, and a candidate stem with a synonym among the reference stems. Each stage goes through
the candidate from the right and takes the rightmost free partner. Tricks:

- "from the right, the rightmost free" means, for equal words, that the last occurrence meets the
  last, the last but one the last but one, and so on. So the first two stages need no loop: sort
  (pair, word, place) of a whole batch once, and in each run of equal words the ends of the
  candidate's and the reference's places belong together;
- the third stage is a loop, but only over what is left, and only over words with synonyms; the
  synonyms of a word meet the reference words left over as a set intersection;
- lower-casing, stems and synonyms are found once per distinct word.

All of it is linear in the texts but for the sort, never quadratic.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from graders.metrics.alphabet import Token
from graders.metrics.stem import stem
from graders.metrics.synonym import synonyms

__all__ = ["Meteor"]

# Places, words and owners: half the memory of 64 bits.
_Small = npt.NDArray[np.int32]


class Meteor:
    """Scores coded pairs; remembers their words."""

    def __init__(self) -> None:
        self._words = _Words([])

    def clear(self) -> None:
        """Forget what the numbers of tokens stand for."""
        self._words = _Words([])

    def values(
        self,
        token: npt.NDArray[np.uint32],
        owner: _Small,
        tokens: Sequence[Token | None],
        pairs: int,
    ) -> list[float]:
        """Return METEOR of each candidate against its reference, in [0, 1).

        No match at all gives 0.0, and so does an empty text.

        Args:
            token: the token numbers of all texts, each candidate before its reference.
            owner: of each token, 2 * pair for a candidate's, 2 * pair + 1 for a reference's.
            tokens: what each number stands for; until `clear`, the same list may only grow.
            pairs: how many pairs there are.
        """
        if self._words.tokens is not tokens:
            self._words = _Words(tokens)
        word = self._words.lowered(token)
        partner = np.full(len(word), -1, np.int32)
        places = _matched(np.arange(len(word), dtype=np.int32), word, owner, partner)
        if len(places):
            places = _matched(places, self._words.stemmed(word[places]), owner, partner)
        if len(places):
            self._match_synonyms(places, word, owner, partner)
        return _scores(partner, owner, pairs)

    def _match_synonyms(self, places: _Small, word: _Small, owner: _Small, partner: _Small) -> None:
        """Match candidate stems to reference stems that are synonyms of them.

        NLTK asks WordNet for the stem, not for the word, so that is what happens here.
        """
        names = self._words.stems
        pair = owner[places] >> 1
        # Runs of leftover places of one pair: the candidate's, then the reference's.
        starts = np.flatnonzero(np.diff(pair, prepend=-1)).tolist()
        stops = [*starts[1:], len(places)]
        on_reference = (owner[places] & 1).tolist()
        place_list = places.tolist()
        word_list = word[places].tolist()
        for start, stop in zip(starts, stops, strict=True):
            if on_reference[start] or not on_reference[stop - 1]:
                continue  # nothing is left on one of the sides
            free: dict[str, list[int]] = {}
            last = stop - 1
            while on_reference[last]:
                last -= 1
            for at in range(last + 1, stop):
                free.setdefault(names[word_list[at]], []).append(place_list[at])
            wanted = free.keys()
            for at in range(last, start - 1, -1):
                common = synonyms(names[word_list[at]]) & wanted
                if common:
                    best = max(common, key=lambda name: free[name][-1])
                    partner[place_list[at]] = free[best].pop()
                    if not free[best]:
                        del free[best]


class _Words:
    """Tokens by number, as numbers of lower-cased words, as numbers of stems."""

    def __init__(self, tokens: Sequence[Token | None]) -> None:
        self.tokens = tokens
        self.stems: dict[int, str] = {}
        self._words: list[str] = []
        self._word_numbers: dict[str, int] = {}
        self._stem_numbers: dict[str, int] = {}
        self._word_of_token = np.empty(0, np.int32)
        self._stem_of_word = np.empty(0, np.int32)

    def lowered(self, token: npt.NDArray[np.uint32]) -> _Small:
        """Return the number of the lower-cased word of each token."""
        known = len(self._word_of_token)
        if known < len(self.tokens):
            new = []
            for text in self.tokens[known:]:
                word = str(text).lower()
                number = self._word_numbers.setdefault(word, len(self._words))
                if number == len(self._words):
                    self._words.append(word)
                new.append(number)
            self._word_of_token = np.concatenate([self._word_of_token, np.array(new, np.int32)])
            missing = np.full(len(self._words) - len(self._stem_of_word), -1, np.int32)
            self._stem_of_word = np.concatenate([self._stem_of_word, missing])
        return self._word_of_token[token]

    def stemmed(self, word: _Small) -> _Small:
        """Return the number of the stem of each word."""
        for number in np.unique(word[self._stem_of_word[word] < 0]).tolist():
            root = self.stems[number] = stem(self._words[number])
            self._stem_of_word[number] = self._stem_numbers.setdefault(
                root, len(self._stem_numbers)
            )
        return self._stem_of_word[word]


def _matched(places: _Small, word: _Small, owner: _Small, partner: _Small) -> _Small:
    """Match equal words of the same pair from the right; return the places left over, in order.

    Args:
        places: the places to match, in rising order.
        word: the number of the word at each of them.
        owner: for every place, 2 * pair on the candidate's side, 2 * pair + 1 on the reference's.
        partner: for every place of a candidate, receives the place it is matched to.
    """
    if not len(places):
        return places
    # (pair, word, place) in one integer: a batch has too few of each to need more than 63 bits.
    place_bits = int(places[-1]).bit_length()
    word_bits = int(word.max()).bit_length()
    packed = (owner[places] >> 1).astype(np.int64) << word_bits
    packed |= word
    packed <<= place_bits
    packed |= places
    packed.sort()
    sorted_places = (packed & ((1 << place_bits) - 1)).astype(np.int32)
    packed >>= place_bits
    starts = np.flatnonzero(np.concatenate(([True], packed[1:] != packed[:-1])))
    sizes = np.diff(starts, append=len(packed))
    on_reference = np.add.reduceat(owner[sorted_places] & 1, starts, dtype=np.int64)
    on_candidate = sizes - on_reference
    common = np.minimum(on_reference, on_candidate)
    # The last `common` places of the candidate's part of a run and of the reference's part.
    steps = np.arange(common.sum()) - np.repeat(np.cumsum(common) - common, common)
    ours = sorted_places[np.repeat(starts + on_candidate - common, common) + steps]
    theirs = sorted_places[np.repeat(starts + sizes - common, common) + steps]
    partner[ours] = theirs
    left = np.ones(len(owner), np.bool_)
    left[ours] = False
    left[theirs] = False
    remaining: _Small = places[left[places]]
    return remaining


def _scores(partner: _Small, owner: _Small, pairs: int) -> list[float]:
    """Return the score of each pair, computed in NLTK's order of operations."""
    sizes = np.bincount(owner, minlength=2 * pairs)
    ours = np.flatnonzero(partner >= 0)
    theirs = partner[ours]
    # A chunk is a run of matches that are neighbours, in order, on both sides.
    adjacent = (np.diff(ours) == 1) & (np.diff(theirs) == 1)
    pair = owner[ours] >> 1
    matches = np.bincount(pair, minlength=pairs)
    chunks = matches - np.bincount(pair[1:][adjacent], minlength=pairs)
    found = np.maximum(matches, 1)
    precision = found / np.maximum(sizes[0::2], 1)
    recall = found / np.maximum(sizes[1::2], 1)
    mean = (precision * recall) / (0.9 * precision + (1 - 0.9) * recall)
    # Python's power, not numpy's: the last bit may differ.
    penalty = 0.5 * np.array([part**3.0 for part in (chunks / found).tolist()], np.float64)
    scores: list[float] = np.where(matches > 0, (1 - penalty) * mean, 0.0).tolist()
    return scores

"""Common n-grams of many pairs of texts at once.

The trick: no n-gram is ever built or hashed. All texts of a batch lie end to end in one array of
token numbers. An n-gram is named by its *rank*, a number that is equal for equal n-grams:

1. order 1: the key of a position is (pair, token), so texts of other pairs never meet;
2. sort the keys; a run of equal keys is one distinct n-gram of one pair; its clipped count is the
   smaller of its occurrences on the two sides, and `bincount` adds these up per pair;
3. order n + 1: the key of a position is (its rank, the rank of the next position), because two
   (n+1)-grams are equal exactly when both their n-grams are. Positions whose n-gram lacks a
   partner on the other side are dropped first: a longer n-gram there has none either, so each
   order sorts less than the one before.

Everything is integers, so the counts are those of `collections.Counter`, at about 20 ns an n-gram.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, repeat
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from graders.metrics.alphabet import Codes

__all__ = ["concatenated", "lengths", "overlaps"]

_Numbers = npt.NDArray[np.int64]
# Tokens of all texts up to which calling numpy takes longer than what it does.
_FEW: Final = 300
# Places, ranks and owners: half the memory of 64 bits, and two of them make one sort key.
_Small = npt.NDArray[np.int32]


def lengths(texts: Sequence[Codes]) -> _Numbers:
    """Return the number of tokens of each text."""
    return np.fromiter(map(len, texts), np.int64, len(texts))


def overlaps(
    candidates: Sequence[Codes], references: Sequence[Codes], orders: int
) -> list[_Numbers]:
    """Return, for n = 1..`orders`, how many n-grams each pair has in common.

    An n-gram that occurs a times on one side and b times on the other counts min(a, b) times.
    """
    pairs = len(candidates)
    if pairs and sum(map(len, candidates)) + sum(map(len, references)) <= _FEW:
        counts = zip(*map(_counted, candidates, references, repeat(orders)), strict=True)
        return [np.array(column, np.int64) for column in counts]
    found: list[_Numbers] = []
    token, owner = concatenated(candidates, references)
    if not len(token):
        return [np.zeros(pairs, np.int64)] * orders
    bits = len(token).bit_length()
    position = np.arange(len(token), dtype=np.int32)
    key = _joined(owner >> 1, token, int(token.max()).bit_length())
    # One place more than there are tokens, so that the last one has a next place without a rank.
    rank = np.empty(len(token) + 1, np.int32)
    for order in range(1, orders + 1):
        if not len(position):
            found.append(np.zeros(pairs, np.int64))
            continue
        key, position = _sorted(key, position, bits)
        starts = np.flatnonzero(np.concatenate(([True], key[1:] != key[:-1])))
        sizes = np.diff(starts, append=len(key))
        on_reference = np.add.reduceat(owner[position] & 1, starts, dtype=np.int64)
        common = np.minimum(on_reference, sizes - on_reference)
        found.append(_totals(owner[position[starts]] >> 1, common, pairs))
        if order == orders:
            break
        # Only places of common n-grams keep a rank, which is the number of their run.
        numbers = np.where(common > 0, np.arange(len(starts), dtype=np.int32), np.int32(-1))
        rank.fill(-1)
        rank[position] = np.repeat(numbers, sizes)
        position = np.flatnonzero((rank[:-1] >= 0) & (rank[1:] >= 0)).astype(np.int32)
        # The next place must belong to the same text, or the n-gram would straddle two.
        position = position[owner[position] == owner[np.minimum(position + 1, len(owner) - 1)]]
        key = _joined(rank[position], rank[position + 1], bits)
    return found


def _counted(candidate: Codes, reference: Codes, orders: int) -> list[int]:
    """Return the same for one pair by counting its n-grams, which is sooner done where they are few."""
    ours, theirs = (
        text if isinstance(text, str) else tuple(text) for text in (candidate, reference)
    )
    found = [0] * orders
    for order in range(1, orders + 1):
        left: dict[Any, int] = {}
        for start in range(len(theirs) - order + 1):
            gram = theirs[start : start + order]
            left[gram] = left.get(gram, 0) + 1
        common = 0
        for start in range(len(ours) - order + 1):
            gram = ours[start : start + order]
            if count := left.get(gram, 0):
                left[gram] = count - 1
                common += 1
        if not common:
            break  # Nor are there longer ones.
        found[order - 1] = common
    return found


def _joined(high: npt.NDArray[Any], low: npt.NDArray[Any], bits: int) -> _Numbers:
    """Return numbers that are equal where both are, `low` having at most so many bits."""
    key = high.astype(np.int64) << bits
    key |= low
    return key


def _sorted(key: _Numbers, position: _Small, bits: int) -> tuple[_Numbers, _Small]:
    """Return the keys in order and each one's position, which has at most so many bits.

    Numbers are sorted several times faster than their places, so a position rides in the low bits
    of its key wherever 63 bits hold both: always but for gigantic texts. Sorts in place if it can.
    """
    if int(key.max()).bit_length() + bits > 63:
        by_key = np.argsort(key)
        return key[by_key], position[by_key]
    key <<= bits
    key |= position
    key.sort()
    position = (key & ((1 << bits) - 1)).astype(np.int32)
    key >>= bits
    return key, position


def _totals(pair: _Small, counts: _Numbers, pairs: int) -> _Numbers:
    """Return the sum of the counts of each pair."""
    # bincount adds floats: exact, since no sum comes near 2 ** 53.
    return np.bincount(pair, counts, pairs).astype(np.int64)


def concatenated(
    candidates: Sequence[Codes], references: Sequence[Codes]
) -> tuple[npt.NDArray[np.uint32], _Small]:
    """Return the token numbers of all texts end to end, and the owner of each.

    Owners are 2 * pair for a candidate, 2 * pair + 1 for a reference.
    """
    texts = list(chain.from_iterable(zip(candidates, references, strict=True)))
    if all(map(isinstance, texts, repeat(str))):
        data = "".join(texts).encode("utf-32-le", "surrogatepass")  # type: ignore[arg-type]
    else:
        data = b"".join(
            text.encode("utf-32-le", "surrogatepass") if isinstance(text, str) else text.tobytes()
            for text in texts
        )
    owner = np.repeat(np.arange(len(texts), dtype=np.int32), lengths(texts))
    return np.frombuffer(data, np.dtype("<u4")), owner

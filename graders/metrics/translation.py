"""BLEU, GLEU and METEOR: the metrics of machine translation, over the same tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from graders.metrics.coder import Batch, Coder
from graders.metrics.tokenizer import Tokenizer

if TYPE_CHECKING:
    from graders.metrics.alignment import Meteor

__all__ = ["Translation"]


class Translation:
    """BLEU, GLEU and METEOR."""

    def __init__(self) -> None:
        self._tokenizer = Tokenizer()
        self._coder = Coder(
            self._tokenizer.alphabet,
            codes=self._tokenizer.codes,
            tokens=self._tokenizer.tokens,
            clear=self._clear,
        )
        self._meteor: Meteor | None = None

    def score(
        self, metrics: Sequence[str], candidates: Sequence[str], references: Sequence[str]
    ) -> dict[str, list[float]]:
        """Return the scores of `bleu`, `gleu` and `meteor` over the same rows."""
        scores: dict[str, list[float]] = {metric: [] for metric in metrics}
        for batch in self._coder.batches(candidates, references):
            if "bleu" in scores or "gleu" in scores:
                self._count(batch, scores)
            if "meteor" in scores:
                scores["meteor"] += self._align(batch)
        return scores

    def _count(self, batch: Batch, scores: dict[str, list[float]]) -> None:
        """Add the scores that come from counting n-grams."""
        from graders.metrics.bleu_value import ORDERS, bleu_values, gleu_values
        from graders.metrics.ngram import lengths, overlaps

        sizes = lengths(batch.candidates), lengths(batch.references)
        common = overlaps(batch.candidates, batch.references, ORDERS)
        if "bleu" in scores:
            scores["bleu"] += bleu_values(common, *sizes)
        if "gleu" in scores:
            scores["gleu"] += gleu_values(common, *sizes)

    def _align(self, batch: Batch) -> list[float]:
        """Return the METEOR scores of a batch."""
        if self._meteor is None:
            from graders.metrics.alignment import Meteor

            self._meteor = Meteor()
        return self._meteor.values(batch.candidates, batch.references, batch.tokens)

    def _clear(self) -> None:
        """Forget everything coded with the alphabet, which starts anew."""
        self._tokenizer.clear()
        if self._meteor is not None:
            self._meteor.clear()

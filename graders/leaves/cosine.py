"""cosine: ask for the embeddings of both columns and settle their cosines. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence

from graders.calls import EmbedCall, EmbedReply
from graders.grade import Failure
from graders.leaves.judge import CODE_OF_KIND

__all__ = ["ask", "settle"]


def ask(inputs: Sequence[str], references: Sequence[str]) -> EmbedCall:
    """Return the call for both columns, inputs first."""
    return EmbedCall([*inputs, *references])


def settle(replies: Sequence[EmbedReply]) -> tuple[list[float | None], dict[int, Failure]]:
    """Return the cosine of each row's two embeddings, in [-1, 1], and the failures."""
    rows = len(replies) // 2
    scores: list[float | None] = []
    failures: dict[int, Failure] = {}
    for row, (one, other) in enumerate(zip(replies[:rows], replies[rows:], strict=True)):
        error = one.error or other.error
        if error is not None or one.vector is None or other.vector is None:
            code = CODE_OF_KIND["server" if error is None else error.kind]
            message = "there is no embedding" if error is None else error.message
            failures[row] = Failure(code, message, details="" if error is None else error.details)
            scores.append(None)
            continue
        score = _cosine(one.vector, other.vector)
        if score is None:
            message = "the two embeddings have no cosine: one is zero, or their lengths differ"
            failures[row] = Failure("model_grader_server_error", message)
        scores.append(score)
    return scores, failures


def _cosine(one: Sequence[float], other: Sequence[float]) -> float | None:
    if len(one) != len(other):
        return None
    # Exact sums: the same on every machine, which a matrix library's are not.
    product = math.fsum(map(float.__mul__, one, other))
    norm = math.sqrt(math.fsum(map(float.__mul__, one, one)))
    norm *= math.sqrt(math.fsum(map(float.__mul__, other, other)))
    if not norm or not math.isfinite(norm):
        return None
    return max(-1.0, min(1.0, product / norm))

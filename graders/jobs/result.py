"""The results file of a job: JSON Lines, the same bytes however often the run was interrupted.

First the job, then each step, then each sample that was graded, then the verdict. No ids of jobs,
no times.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from graders import jsontext
from graders.jobs.dataset import Dataset
from graders.jobs.journal import RECORDED, TRAIN, Journal, StoredGrade

__all__ = ["FILENAME", "result_lines"]

FILENAME: Final = "results.jsonl"
_PIECE: Final = 1 << 20


def result_lines(
    journal: Journal,
    shown: Mapping[str, Any],
    verdict: Mapping[str, Any],
    data: tuple[Dataset, Dataset],
) -> Iterator[bytes]:
    """Yield the file in pieces.

    Args:
        journal: what was graded.
        shown: what stands in the first line.
        verdict: what stands in the last.
        data: the training and the validation rows.
    """
    piece: list[bytes] = []
    size = 0
    for entry in _entries(journal, shown, verdict, data):
        line = jsontext.encode(entry) + b"\n"
        piece.append(line)
        size += len(line)
        if size > _PIECE:
            yield b"".join(piece)
            piece, size = [], 0
    yield b"".join(piece)


def _entries(
    journal: Journal,
    shown: Mapping[str, Any],
    verdict: Mapping[str, Any],
    data: tuple[Dataset, Dataset],
) -> Iterator[dict[str, Any]]:
    yield {"kind": "job", **shown}
    for step, train, valid in journal.steps():
        yield {
            "kind": "step", "step": step, "train_mean_reward": train,
            "full_valid_mean_reward": valid,
        }  # fmt: skip
    for one in journal.every():
        yield _rollout(journal, one, data)
    yield {"kind": "verdict", **verdict}


def _rollout(journal: Journal, one: StoredGrade, data: tuple[Dataset, Dataset]) -> dict[str, Any]:
    key = one.key
    training = key.split == TRAIN
    found: dict[str, Any] = {
        "kind": "rollout",
        "split": "train" if training else "valid",
        "line": data[key.split].line(key.line),
        "sample": key.sample,
    }
    if key.draw != RECORDED:
        found["epoch" if training else "step"] = key.draw
    found["reward"] = one.reward
    found |= {
        name: one.body[name]
        for name in ("sub_rewards", "failures", "replaced", "usage", "rollout_usage")
        if name in one.body
    }
    if key.draw != RECORDED and (rollout := journal.rollouts([key]).get(key)) is not None:
        found["output"] = rollout.sample
    return found

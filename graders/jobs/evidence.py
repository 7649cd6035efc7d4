"""What a verdict rests on: a job's grades summed up, and some answers graded again."""

from __future__ import annotations

import functools
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import Any

from graders import jsontext
from graders.api import Grader
from graders.config import Loaded
from graders.inspection.lint import Finding, Subject
from graders.jobs.cause import likely_causes
from graders.jobs.dataset import Dataset, messages_of
from graders.jobs.journal import RECORDED, Journal, SampleKey
from graders.jobs.metric import sub_graders
from graders.jobs.outcome import Service
from graders.jobs.signal import MeasuredSteps
from graders.jobs.trial import ENOUGH, Pair, Trial, by_chance, exchanged
from graders.jobs.verdict import Seen
from graders.plan import Plan

__all__ = ["gather", "ignores_answer", "service_of"]


def service_of(journal: Journal, plan: Plan | None = None) -> Service:
    """Return where a job is to go, and what it asks for there."""
    request, leaves = journal.request, () if plan is None else sub_graders(plan)
    return Service(
        target=journal.target,
        # The day it was made: a run that goes on later says the same.
        day=time.strftime("%Y-%m-%d", time.gmtime(journal.row()["created_at"])),
        model=request["model"],
        judges={f"judge of {one.name}": one.model for one in leaves if one.model is not None},
        reinforcement=request["kind"] == "reinforcement",
    )


def ignores_answer(loaded: Loaded, plan: Plan) -> bool:
    """Whether it is sure that no part of a grader looks at the answer."""
    subject = Subject(loaded=loaded, plan=plan)
    return not any(subject.reads_sample(leaf) for leaf in subject.leaves)


def gather(
    journal: Journal,
    grader: Grader,
    loaded: Loaded,
    data: tuple[Dataset, Dataset],
    findings: Sequence[Finding],
) -> tuple[MeasuredSteps, Seen]:
    """Return what was graded, summed up, and what else is known of a job.

    Args:
        journal: what is written down of it.
        grader: its grader, which grades some answers again.
        loaded: what that was made of.
        data: the training and the validation rows.
        findings: of the linter.
    """
    training, validation = data

    # The samples of a row are asked for one after the other, and there may be a thousand.
    row = functools.lru_cache(maxsize=1)(training.row)

    def sample(key: SampleKey) -> Any:
        if key.draw == RECORDED:
            return row(key.line).samples[key.sample]
        return journal.rollouts([key])[key].sample

    measured = MeasuredSteps.of(
        journal.every(), _shared(training), lambda key: _digest(_plain(sample(key)))
    )
    blind = ignores_answer(loaded, grader.plan)
    seconds = measured.train.seconds / max(1, measured.train.graded)
    repeated: Trial | None = None
    swapped: Trial | None = None
    # Judges and endpoints are paid for.
    if not (blind or measured.rewards.constant or grader.plan.asks_servers):

        def pairs(keys: Iterable[SampleKey]) -> list[Pair]:
            return [(row(key.line).item, sample(key)) for key in keys]

        if measured.telling and any(leaf.code is not None for leaf in grader.plan.leaves):
            repeated = by_chance(grader, [pairs(group) for group in measured.telling], seconds)
        elif not measured.telling and len(measured.single) > measured.compared:
            ranked = sorted((reward, key) for reward, key in measured.single if reward is not None)
            ends = ranked if len(ranked) <= 2 * ENOUGH else [*ranked[:ENOUGH], *ranked[-ENOUGH:]]
            swapped = exchanged(grader, pairs(key for _, key in ends), seconds)
    causes: Sequence[Finding] = ()
    if not (measured.telling or grader.plan.asks_servers):
        causes = likely_causes(loaded, grader, training, findings, seconds)
    seen = Seen(
        service=service_of(journal, grader.plan), findings=findings,
        rows=(len(training), len(validation)),
        given=journal.request["method"]["reinforcement"]["hyperparameters"],
        blind=blind, repeated=repeated, exchanged=swapped, causes=causes,
    )  # fmt: skip
    return measured, seen


def _shared(data: Dataset) -> Mapping[int, bytes]:
    """Return the prompts that several rows have, by the index of each such row."""
    prompts = []
    for index in range(len(data)):
        item = data.row(index).item
        prompts.append(_digest([messages_of(item), item.get("tools")]))
    count = Counter(prompts)
    return {index: prompt for index, prompt in enumerate(prompts) if count[prompt] > 1}


def _plain(sample: Any) -> Any:
    """Return an answer as a text where it is no more than that."""
    if isinstance(sample, dict) and set(sample) == {"output_text"}:
        return sample["output_text"]
    return sample


def _digest(value: Any) -> bytes:
    return blake2b(jsontext.encode(value), digest_size=16).digest()

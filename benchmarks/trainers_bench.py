"""What a trainer's adapter adds to `grade_many`, and a batch's latency against plain functions over the libraries.

    python -m benchmarks.trainers_bench [--quick]

Batches of 64 and 512 completions of 1,000 words, none of them seen before. Times are CPU times of this process, figures
medians of rounds, ratios within one run. What an adapter adds is its time outside of the grader. Values are asserted to be equal: the adapters' to `grade_many`'s, to the last bit, and a
library's to ours. rouge-score-rs is left out, and named, where it is not installed.
"""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import json
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import graders
from benchmarks import careful_script as careful
from benchmarks.corpus import words
from benchmarks.timing import table
from graders.adapters import gym, openrlhf, trl, verifiers, verl

SIZES = (64, 512)
WORDS = 1_000


def grader(metric: str) -> dict[str, Any]:
    return {
        "type": "text_similarity", "name": metric, "evaluation_metric": metric,
        "input": "{{ sample.output_text }}", "reference": "{{ item.answer }}",
    }  # fmt: skip


def batch(size: int, seed: int) -> tuple[list[str], list[str]]:
    """Return completions, and an answer for each group of eight; others for another seed."""
    source = words()
    texts = [
        " ".join(source[(seed * 7919 + at * 1371 + one) % len(source)] for one in range(WORDS))
        for at in range(size // 8)
    ]
    answers = [texts[at // 8] for at in range(size)]
    said = [
        " ".join(word for place, word in enumerate(text.split()) if (place * 31 + at) % 11)
        + " and so on" * (at % 40)
        for at, text in enumerate(answers)
    ]
    return said, answers


def adapters(
    loaded: graders.Grader, said: list[str], answers: list[str]
) -> dict[str, Callable[[], list[float]]]:
    """Return how each adapter grades a batch, as its trainer asks: whole, or row by row."""
    lone = openrlhf.reward(loaded, failed="raise")
    by_trl, plugged = trl.reward(loaded), verifiers.reward(loaded)
    scorer = gym.scorer(loaded, failed="raise")
    source = json.dumps(loaded.to_dict())
    prompts = ["Say it again."] * len(said)
    labels = [json.dumps({"answer": one}) for one in answers]

    def row_by_row() -> list[float]:
        return [
            verl.compute_score(
                data_source="d", solution_str=text, ground_truth=None, extra_info={"answer": answer},
                source=source, failed=0.0,
            )["score"]
            for text, answer in zip(said, answers, strict=True)
        ]  # fmt: skip

    async def awaited() -> list[float]:
        calls = (
            plugged({"answer": answer}, _Trace(text))
            for text, answer in zip(said, answers, strict=True)
        )
        return list(await asyncio.gather(*calls))

    return {
        "TRL, the batch": lambda: by_trl(prompts=prompts, completions=said, answer=answers),
        "OpenRLHF, the batch": lambda: lone(said, [""] * len(said), labels)["rewards"],
        "verifiers, all at once": lambda: asyncio.run(awaited()),
        "verl, row by row": row_by_row,
        "NeMo Gym and others, row by row": lambda: [
            scorer({"answer": answer}, text)[0] for text, answer in zip(said, answers, strict=True)
        ],
    }


class _Trace:
    def __init__(self, text: str) -> None:
        self.last_reply = text

    def record_metric(self, name: str, value: float) -> None:
        pass


class Inside:
    """How long graders themselves take: the rest of a call is the adapter's."""

    def __init__(self) -> None:
        self.seconds = 0.0
        many, one = graders.Grader.grade_many, graders.Grader.grade

        def timed_many(grader: Any, *given: Any, **named: Any) -> Any:
            began = time.process_time()
            found = list(many(grader, *given, **named))
            self.seconds += time.process_time() - began
            return iter(found)

        def timed_one(grader: Any, *given: Any, **named: Any) -> Any:
            began = time.process_time()
            found = one(grader, *given, **named)
            self.seconds += time.process_time() - began
            return found

        graders.Grader.grade_many = timed_many  # type: ignore[method-assign,assignment]
        graders.Grader.grade = timed_one  # type: ignore[method-assign,assignment]
        self._taken_from = many, one

    def undo(self) -> None:
        many, one = self._taken_from
        graders.Grader.grade_many = many  # type: ignore[method-assign]
        graders.Grader.grade = one  # type: ignore[method-assign]


def overhead(*, quick: bool) -> None:
    lines = []
    inside = Inside()
    for size in SIZES[: 1 if quick else 2]:
        taken: dict[str, list[tuple[float, float]]] = {}
        for at in range(1 if quick else 7):
            loaded = graders.load(grader("rouge_l"))
            said, answers = batch(size, at)
            for way in adapters(loaded, said, answers):
                with graders.load(grader("rouge_l")) as fresh:  # No text was seen before.
                    call = adapters(fresh, said, answers)[way]
                    inside.seconds, began = 0.0, time.process_time()
                    found = call()
                    whole = time.process_time() - began
                taken.setdefault(way, []).append((whole, inside.seconds))
                rows = [
                    {"item": {"answer": answer}, "sample": text}
                    for text, answer in zip(said, answers, strict=True)
                ]
                assert found == [one.reward for one in loaded.grade_many(rows, chunk=size)], way
        for way, times in taken.items():
            whole = statistics.median(one for one, _ in times)
            added = statistics.median(one / mine - 1 for one, mine in times)
            more = statistics.median(one - mine for one, mine in times)
            lines.append(
                [f"{size}: {way}", f"{1000 * whole:.1f}", f"{100 * added:.1f} %",
                 f"{1e6 * more / size:.0f}"]
            )  # fmt: skip
    inside.undo()
    heads = ["completions: way", "ms a batch", "over the grader's own time", "us a row"]
    table("What adapters add, rouge_l", heads, lines)


def _rouge(scorer: Any, name: str, answer: str, said: str) -> float:
    return float(scorer.score(answer, said)[name].fmeasure)


def libraries(metric: str) -> dict[str, Callable[[str, str], float]]:
    """Return plain functions of (answer, said), as a user writes them over each library that is installed."""
    from rapidfuzz import fuzz

    if metric == "fuzzy_match":
        return {"rapidfuzz": lambda answer, said: fuzz.ratio(said, answer) / 100.0}
    if metric == "bleu":
        from nltk.translate.bleu_score import sentence_bleu

        return {
            "nltk": lambda answer, said: sentence_bleu(
                [careful.tokens(answer)], careful.tokens(said), smoothing_function=careful.SMOOTHING
            )
        }
    name = {"rouge_l": "rougeL"}.get(metric, metric.replace("_", ""))
    found: dict[str, Callable[[str, str], float]] = {}
    for package in ("rouge_score", "rouge_score_rs"):
        if importlib.util.find_spec(package) is not None:
            scorer = importlib.import_module(f"{package}.rouge_scorer").RougeScorer([name])
            found[package.replace("_", "-")] = partial(_rouge, scorer, name)
    return found


def latency(*, quick: bool) -> None:
    lines = []
    for size in SIZES[: 1 if quick else 2]:
        for metric in ("fuzzy_match", "bleu", "rouge_1", "rouge_l"):
            taken: dict[str, list[float]] = {}
            plain = libraries(metric)
            for at in range(1 if quick else 5):
                said, answers = batch(size, at)
                function = trl.reward(grader(metric))
                given: Any = {"prompts": ["Say it."] * size, "completions": said, "answer": answers}
                began = time.process_time()
                wanted = function(**given)
                taken.setdefault("ours", []).append(time.process_time() - began)
                for library, one in plain.items():
                    if at and metric == "rouge_l" and library == "rouge-score":
                        continue  # It takes minutes for long texts: a round is enough to tell.
                    began = time.process_time()
                    found = [one(answer, text) for text, answer in zip(said, answers, strict=True)]
                    taken.setdefault(library, []).append(time.process_time() - began)
                    assert found == wanted, (metric, library)
            ours = statistics.median(taken.pop("ours"))
            for library, times in taken.items():
                theirs = statistics.median(times)
                lines.append(
                    [f"{size}: {metric}", f"{1000 * ours:.0f}", library, f"{1000 * theirs:.0f}",
                     f"{theirs / ours:.1f}x"]
                )  # fmt: skip
    heads = ["completions: metric", "TRL's reward, ms", "plain function", "ms", "ratio"]
    table("A batch by TRL's adapter and by plain functions", heads, lines)
    if importlib.util.find_spec("rouge_score_rs") is None:
        print("\nrouge-score-rs is not installed, and left out.")


def main() -> int:
    quick = "--quick" in sys.argv
    overhead(quick=quick)
    latency(quick=quick)
    return 0


if __name__ == "__main__":
    sys.exit(main())

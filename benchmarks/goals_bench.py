"""What the native core was made for, beside its goals: texts in memory.

    make bench-goals                      these, whole files (`native`) and other harnesses (`peers`)
    python -m benchmarks goals [--quick]  these alone

CPU time of this process, the least of several rounds in turn: other work on the machine only adds to
it. Values are asserted to be equal to the last bit. rouge-score-rs is left out, and named, where it
is not installed.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import graders
from benchmarks import corpus
from benchmarks.metrics_bench import Library, Pair, pairs_of, rouge_name
from benchmarks.timing import table
from graders.metrics import Request, Scorer, bleu, gleu, meteor, native_core

__all__ = ["main"]

_WORDS = (12, 100, 1_000, 10_000)
_SIX = ("rouge_1", "rouge_2", "rouge_3", "rouge_4", "rouge_5", "rouge_l")
_GOALS = {"bleu": (40, 40, 40), "gleu": (25, 25, 25), "meteor": (20, 25, 30)}
_Line = tuple[str, ...]


def least(ways: Mapping[str, Callable[[], Any]], rounds: int) -> dict[str, float]:
    """The least CPU seconds of each way, over rounds in which each is taken once, in turn."""
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            before = time.process_time()
            way()
            taken[name].append(time.process_time() - before)
    return {name: min(times) for name, times in taken.items()}


def _columns(pairs: Sequence[Pair]) -> tuple[list[str], list[str]]:
    return [one for one, _ in pairs], [other for _, other in pairs]


def _ours(requests: Sequence[Request]) -> list[list[float]]:
    return Scorer().score(requests)


def _theirs(scorer: Any, metrics: Sequence[str], pairs: Sequence[Pair]) -> list[list[float]]:
    scores = [scorer.score(theirs, ours) for ours, theirs in pairs]
    return [[one[rouge_name(metric)].fmeasure for one in scores] for metric in metrics]


def _each(score: Callable[[str, str], Any], texts: list[str], others: list[str]) -> list[Any]:
    return list(map(score, texts, others))


def rouge(rounds: int, *, quick: bool) -> None:
    """ROUGE alone and all six, in batch and a pair a call, against rouge-score-rs."""
    if importlib.util.find_spec("rouge_score_rs") is None:
        print("\nrouge-score-rs is not installed, and left out.")
        return
    os.environ.setdefault("RAYON_NUM_THREADS", "1")  # before it is loaded
    peer = importlib.import_module("rouge_score_rs.rouge_scorer").RougeScorer
    batches, singles = [], []
    for words in _WORDS[: 2 if quick else 4]:
        pairs = pairs_of(words, 20 if quick else max(4, 60_000 // words))
        in_batch, in_single = [f"{words:,}"], [f"{words:,}"]
        for metrics in (("rouge_1",), ("rouge_2",), ("rouge_l",), _SIX):
            theirs = peer([rouge_name(metric) for metric in metrics])
            alone = Scorer().pair(metrics)
            columns = _columns(pairs)
            # Made beforehand, as the columns that their batch is given.
            requests = [Request(metric, *columns) for metric in metrics]
            wanted = _ours(requests)
            assert wanted == _theirs(theirs, metrics, pairs), metrics
            assert wanted == [list(one) for one in zip(*_each(alone, *columns), strict=True)]
            assert theirs.score_batch(columns[1], columns[0]) == [
                theirs.score(reference, candidate) for candidate, reference in pairs
            ]

            found = least(
                {
                    "batch": partial(_ours, requests),
                    "single": partial(_each, alone, *columns),
                    "theirs": partial(_each, theirs.score, *columns),
                    "their batch": partial(theirs.score_batch, *columns),
                },
                rounds,
            )
            in_batch.append(f"{found['their batch'] / found['batch']:.2f}")
            in_single.append(f"{found['theirs'] / found['single']:.2f}")
        batches.append(tuple(in_batch))
        singles.append(tuple(in_single))
    heads = ("words", "rouge_1", "rouge_2", "rouge_l", "all six")
    table("rouge-score-rs' time over ours, in batch (goal: 1, all six 3)", heads, batches)
    table("The same, one pair a call (goal: 1, all six 3)", heads, singles)


def translation(rounds: int, *, quick: bool) -> Iterator[_Line]:
    """BLEU, GLEU and METEOR against nltk."""
    library = Library()
    functions = {"bleu": bleu, "gleu": gleu, "meteor": meteor}
    for name, function in functions.items():
        for place, (words, count, part) in enumerate(
            ((12, 4_000, 200), (100, 800, 40), (2_000, 40, 2))
        ):
            pairs = pairs_of(words, part if quick else count)
            some = pairs[:part]
            assert function(*_columns(some)) == library.metric(name, some), name
            found = least(
                {
                    "ours": partial(function, *_columns(pairs)),
                    "theirs": partial(library.metric, name, some),
                },
                rounds,
            )
            ratio = found["theirs"] / len(some) / (found["ours"] / len(pairs))
            yield (
                f"{name} alone, {words:,} words, over nltk",
                f"{_GOALS[name][place]}x",
                f"{ratio:.0f}x",
            )


def _leaf(kind: str) -> dict[str, Any]:
    return {**corpus.GRADER["graders"][kind]}


def rows(rounds: int) -> Iterator[_Line]:
    """`grade_many` over the bare call, `grade` of one row, and a batch of long completions."""
    from rapidfuzz.fuzz import ratio

    source = list(corpus.rows(512, seed=5))
    for kind in ("exact", "fuzzy"):
        loaded = graders.load(_leaf(kind))
        bare: Callable[[str, str], float] = (
            (lambda one, other: float(one == other)) if kind == "exact"
            else (lambda one, other: ratio(one, other) / 100.0)
        )  # fmt: skip
        for count in (64, 512):
            some = source[:count]
            texts = [(row["sample"]["output_text"], row["item"]["reference"]) for row in some]

            def many(loaded: Any = loaded, some: Any = some) -> list[Any]:
                return [one.reward for _ in range(20) for one in loaded.grade_many(some)]

            def plain(bare: Any = bare, texts: Any = texts) -> list[Any]:
                return [bare(*pair) for _ in range(20) for pair in texts]

            assert many() == plain()
            found = least({"ours": many, "bare": plain}, rounds)
            over = (found["ours"] - found["bare"]) / count / 20
            name = loaded.to_dict().get("evaluation_metric", "string_check")
            yield (
                f"grade_many of {name}, {count} rows, over the bare call",
                "3 us a row",
                f"{over * 1e6:.1f} us a row",
            )
    loaded = graders.load(corpus.GRADER)

    def one_by_one() -> list[Any]:
        return [loaded.grade(row["item"], row["sample"]).reward for row in source]

    assert one_by_one() == [one.reward for one in loaded.grade_many(source)]
    found = least({"ours": one_by_one}, rounds)
    yield (
        "grade() of one row, four metrics of 8 to 60 words",
        "150 us",
        f"{found['ours'] / len(source) * 1e6:.0f} us",
    )
    yield _completions(rounds)


def _completions(rounds: int) -> _Line:
    """64 completions of 1,000 words, eight to an answer, by a new grader each time, warm code."""
    words = corpus.words()
    taken = []
    for at in range(rounds + 1):
        some = []
        for row in range(64):
            start = (at * 7919 + row // 8 * 1371) % (len(words) - 1_000)
            text = words[start : start + 1_000]
            said = [word for place, word in enumerate(text) if (place * 31 + row) % 11]
            some.append(
                {"item": {"reference": " ".join(text)}, "sample": {"output_text": " ".join(said)}}
            )
        with graders.load(corpus.GRADER) as loaded:
            before = time.process_time()
            list(loaded.grade_many(some))
            taken.append(time.process_time() - before)
    return "64 completions of 1,000 words, four metrics", "20 ms", f"{min(taken) * 1e3:.1f} ms"


def main(*, quick: bool) -> None:
    """Print the tables."""
    print(f"native core: {native_core().problem or 'in use'}")
    rounds = 2 if quick else 7
    rouge(rounds, quick=quick)
    lines = [*rows(rounds), *translation(min(rounds, 3), quick=quick)]
    table("Alone, and a few rows at a time", ("work", "goal", "reached"), lines)

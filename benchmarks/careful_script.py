"""The script a careful user writes with the libraries directly: rows in, result lines out.

    python benchmarks/careful_script.py rows.jsonl results.jsonl

Everything that can be made once is made once: the ROUGE scorer, the smoothing function, Punkt's
model, the compiled patterns. A row that cannot be scored becomes a result with a failure. The
scores, the formula and the results are those of `graders score` with `benchmarks.corpus.GRADER`.
"""

from __future__ import annotations

import functools
import json
import sys
from typing import Any

import punkt.data.english as english
import regex  # type: ignore[import-untyped, unused-ignore]
from nltk.tokenize.destructive import NLTKWordTokenizer
from nltk.tokenize.punkt import PunktParameters, PunktSentenceTokenizer
from nltk.translate.bleu_score import SmoothingFunction, sentence_bleu
from rapidfuzz import fuzz
from rouge_score.rouge_scorer import RougeScorer

ROUGE = RougeScorer(["rougeL"])
SMOOTHING = SmoothingFunction().method4
WORDS = NLTKWordTokenizer()
OTHER_THAN_LATIN = regex.compile(r"[^ -~\xa0-\xff]")
INTERNATIONAL = (
    (regex.compile(r"(\P{N})(\p{P})"), r"\1 \2 "),
    (regex.compile(r"(\p{P})(\P{N})"), r" \1 \2"),
    (regex.compile(r"(\p{S})"), r" \1 "),
)


def splitter() -> PunktSentenceTokenizer:
    """What `nltk.word_tokenize` splits sentences with, from a package instead of a download."""
    parameters = PunktParameters()
    parameters.abbrev_types = set(english.ABBREV_TYPES)
    parameters.collocations = set(english.COLLOCATIONS)
    parameters.sent_starters = set(english.SENT_STARTERS)
    parameters.ortho_context.update(english.ORTHO_CONTEXT)
    sentences = PunktSentenceTokenizer()
    sentences._params = parameters  # noqa: SLF001
    return sentences


SENTENCES = splitter()


def tokens(text: str) -> list[str]:
    """NLTK's `word_tokenize` for printable Latin-1, the international rule for the rest."""
    if OTHER_THAN_LATIN.search(text) is None:
        return [word for sentence in SENTENCES.tokenize(text) for word in WORDS.tokenize(sentence)]
    for pattern, replacement in INTERNATIONAL:
        text = pattern.sub(replacement, text)
    return text.split()


def exact(output: str, reference: str) -> float:
    return float(output == reference)


def fuzzy(output: str, reference: str) -> float:
    return fuzz.ratio(output, reference) / 100.0


def rouge(output: str, reference: str) -> float:
    score: float = ROUGE.score(reference, output)["rougeL"].fmeasure
    return score


def bleu(output: str, reference: str) -> float:
    score: float = sentence_bleu([tokens(reference)], tokens(output), smoothing_function=SMOOTHING)
    return float(score)


SCORES = {"exact": exact, "fuzzy": fuzzy, "rouge": rouge, "bleu": bleu}


def reward(scores: dict[str, float]) -> float:
    return (
        0.1 * scores["exact"] + 0.2 * scores["fuzzy"] + 0.3 * scores["rouge"] + 0.4 * scores["bleu"]
    )


def grade(line: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
        output, reference = row["sample"]["output_text"], row["item"]["reference"]
        if not isinstance(output, str) or not isinstance(reference, str):
            raise TypeError("output_text and reference are texts")  # noqa: TRY301
        scores = {name: score(output, reference) for name, score in SCORES.items()}
    except (ValueError, LookupError, TypeError) as error:
        nothing = dict.fromkeys(SCORES)
        return {"reward": None, "sub_rewards": nothing, "failures": [repr(error)]}
    return {"reward": reward(scores), "sub_rewards": scores, "failures": []}


def main(source: str, target: str) -> None:
    with open(source, encoding="utf-8") as lines, open(target, "w", encoding="utf-8") as results:  # noqa: PTH123
        results.writelines(
            json.dumps({"index": index, **grade(line)}) + "\n" for index, line in enumerate(lines)
        )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--remember"]:  # A further step a user may take, at the price of memory.
        tokens = functools.cache(tokens)
        del sys.argv[1]
    main(*sys.argv[1:])

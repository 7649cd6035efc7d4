"""Texts to compare on, and the libraries that define the metrics."""

from __future__ import annotations

import functools
import importlib.metadata
import os
import pydoc_data.topics
import random
import re
import sys
import textwrap
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from graders.metrics.definition import Definition

Pair = tuple[str, str]

DATA = Path(os.environ.get("GRADERS_NLTK_DATA", Path(__file__).parents[2] / ".cache/nltk_data"))

# Texts that have broken tokenizers, alphabets or stemmers before, here or elsewhere.
EDGE_CASES = [
    "",
    " ",
    "\n",
    "\t \r\n\x0b\x0c\x1c\x85",
    "\xa0",
    "a\xa0b \xa0 c.",
    "\u2003em space\u3000ideographic space\u2028line",
    "\x00",
    "nul \x00 inside",
    "\ud800",
    "lone \udfff surrogate \ud83d here.",
    "😀",
    "👩‍👩‍👧‍👦 family 👍🏽 thumbs 🇫🇷",
    "K Kelvin, Å Angstrom, ſ long s",
    "İstanbul ISTANBUL ıstanbul istanbul",
    "ΟΔΥΣΣΕΥΣ Οδυσσεύς οδυσσευσ",
    "ﬁne ﬂow ﬃ ligatures",
    "Straße STRASSE ẞ",
    "e\u0301 é combining",
    "日本語のテキスト。これは二番目の文です。",
    "中文 混合 English, 123，456。",
    "Привет, мир! Как дела?",
    "مرحبا بالعالم، كيف حالك؟",
    "नमस्ते दुनिया।",
    "สวัสดีชาวโลก",
    "½ cup ²³ x² '½ ¼'s ¿Qué? ¡Hola! «oui» §5 ¶ £3 €4 ¥5",
    "a" * 500,
    "a" * 70_000,
    "ab " * 2_000,
    "the the the the the the the",
    "y" * 300 + " yyyying",
    "Wow!!!",
    "Wait . . . what? Yes. . .",
    "... !!! ??? .",
    ". . . .",
    'How?! You knew?! "Yes!" (No.) [Maybe.]',
    "He said, \"I can't.\" 'Tis true. 'twas, d'ye, more'n gonna cannot wanna lemme gimme gotta",
    "''quoted'' ``so'' \"and so\" `one'",
    "Dr. Smith of the U.S. Army Inc. met J. Bach at 5 p.m. He left. No. 5 is alive. Mr. X.",
    "It was B. Smith who wrote it. See 5. International law and B. Levine. He left.",
    "3.14 1,000.5 $5 5% a:b a,b a,,b a, ,b 10:30 -5 --x-- a---b 'n' n't",
    "http://example.com/a?b=c&d=e#f user@example.com C:\\path\\file",
    "def f(x: int) -> str:\n    return {'a': [1, 2]}[x]  # comment",
    '<p class="x">It&apos;s &lt;b&gt;</p>',
    "| a | b |\n|---|---|\n| 1 | 2.5 |",
    'x.) y." z.\' w.]} "',
    " leading. And trailing . ",
    "end with quote '",
    "' \" ) .",
    "she said 's 'd 'll 're 've n't 'em '90s",
    "new_york ice_cream snake_case_name",
    "skies dying news proceed innings geology geologi alli rationally controlled",
    "mice geese ran better best wolves boxes churches flies running",
]

_FRAGMENTS = (
    "a the Dr. U.S. etc. e.g. ... . .. ! !!! ?! ? ' '' \" '\" can't cannot 'tis gonna d'ye more'n "
    "( ) [x] ) 3.5 $5 1,000 a,b a,,b : :: -- --- - « » ² ½ é É ß * b. No. 5 Mr. Smith She he x.) 's "
    "n't don't I'll '90s 're ` `a' i.e. Inc. & # @ % ; , 1. 2. A. J. Bach it's its' <a> </b> {x} a/b "
    "\\ _ ^ ~ | wanna gimme lemme gotta ''x \"' ...) ?) !\" \xa0 日本 。 — … “q” ’s 😀 running runs big "
    "large small tiny mouse mice said says"
)


class Corpus:
    """Pairs of texts: edge cases, real text, and nasty mixtures."""

    def __init__(self) -> None:
        self._random = random.Random(20261121)
        self.paragraphs = sorted(set(_paragraphs()))
        self._random.shuffle(self.paragraphs)
        self.sentences = [
            line for paragraph in self.paragraphs for line in textwrap.wrap(paragraph, 70)[:12]
        ]

    def pairs(self, count: int, *, longest: int = 90) -> list[Pair]:
        """Return pairs: every two edge cases, then real and mixed texts of about one line."""
        pairs = [(ours, theirs) for ours in EDGE_CASES for theirs in EDGE_CASES]
        pairs = [pair for pair in pairs if len(pair[0]) + len(pair[1]) < 2_000]
        while len(pairs) < count:
            text = self._random.choice(self.sentences)[:longest]
            kind = self._random.random()
            if kind < 0.3:
                pairs.append((text, self._edited(text)))
            elif kind < 0.5:
                pairs.append((text, self._random.choice(self.sentences)[:longest]))
            elif kind < 0.6:
                pairs.append((text, text))
            elif kind < 0.7:
                repeated = " ".join(self._random.choices(text.split() or ["a"], k=12))
                pairs.append((repeated, text))
            else:
                pairs.append((self._mixture(), self._mixture()))
        return pairs

    def long_pairs(self, count: int, words: int) -> list[Pair]:
        """Return pairs of texts of about so many words, every other one an edited copy."""
        pairs = []
        for number in range(count):
            text = self._long(words)
            pairs.append((text, self._edited(text) if number % 2 else self._long(words)))
        return pairs

    def _long(self, words: int) -> str:
        parts: list[str] = []
        while sum(len(part.split()) for part in parts) < words:
            parts.append(self._random.choice(self.paragraphs))
        text = self._random.choice((" ", "\n\n")).join(parts)
        return text if self._random.random() < 0.5 else " ".join(text.split())

    def _mixture(self) -> str:
        pieces = self._random.choices(_FRAGMENTS.split(" "), k=self._random.randint(0, 10))
        spaces = (" ", " ", " ", " ", "", "  ", "\n") if self._random.random() < 0.3 else (" ", "")
        return "".join(piece + self._random.choice(spaces) for piece in pieces)

    def _edited(self, text: str) -> str:
        """Return the text with some words left out, changed or moved."""
        edited = []
        for original in text.split(" "):
            word = original
            kind = self._random.random()
            if kind < 0.1:
                continue
            if kind < 0.2:
                word += self._random.choice(("s", "ing", "ed", "ly", ",", ".", "!"))
            elif kind < 0.25:
                word = word.upper()
            edited.append(word)
            if kind > 0.9:
                self._random.shuffle(edited)
        return " ".join(edited)


def _paragraphs() -> Iterator[str]:
    """Yield real text that every environment has: manuals, licences, docstrings, source."""
    for topic in pydoc_data.topics.topics.values():
        yield from topic.split("\n\n")
    for name in ("numpy", "pydantic", "nltk", "hypothesis", "rapidfuzz", "pytest"):
        for file in importlib.metadata.files(name) or ():
            if file.name.upper().startswith(("LICENSE", "METADATA", "NOTICE")):
                text = file.read_text(encoding="utf-8")
                yield from text.split("\n\n")
    for name in ("argparse", "decimal", "datetime", "typing", "inspect", "difflib", "random"):
        file_name = __import__(name).__file__
        assert file_name is not None
        source = Path(file_name).read_text(encoding="utf-8")
        yield from re.findall(r'"""(.+?)"""', source, re.DOTALL)
        yield from source.split("\n\n")[:100]


@pytest.fixture(scope="session")
def corpus() -> Corpus:
    return Corpus()


@pytest.fixture(scope="session")
def edge_cases() -> list[str]:
    return EDGE_CASES


def data_or_skip(folder: str) -> Path:
    """Return a folder of NLTK's data; without it, skip, or fail where GRADERS_CI is set."""
    if not (DATA / folder).exists():
        message = f"no {folder} in {DATA}; run: python tools/fetch_nltk_data.py"
        if os.environ.get("GRADERS_CI") == "1":
            pytest.fail(message)
        pytest.skip(message)
    import nltk.data

    if str(DATA) not in nltk.data.path:
        nltk.data.path.insert(0, str(DATA))
    return DATA / folder


@pytest.fixture(scope="session")
def wordnet() -> Any:
    """NLTK's own reader over WordNet 3.0."""
    data_or_skip("corpora/wordnet")
    import warnings

    from nltk.corpus.reader.wordnet import WordNetCorpusReader

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it wants the multilingual data too, and says so
        return WordNetCorpusReader(str(DATA / "corpora/wordnet"), None)


@pytest.fixture(scope="session")
def punkt_data() -> Path:
    return data_or_skip("tokenizers/punkt_tab/english")


class Library(Definition):
    """Each metric as its library computes it; the international rule once more, by other means."""

    def intl(self, text: str) -> list[str]:
        """The international rule, with Unicode categories from the standard library."""
        # Newer characters than Python knows have no category here: see test_tokenize.
        kinds = "".join(unicodedata.category(character)[0] for character in text)
        parts = list(text)
        consumed = -1
        # ([^N])([P]) -> \1 \2_ , non-overlapping from the left
        for place in range(1, len(text)):
            if kinds[place] == "P" and kinds[place - 1] != "N" and place - 1 > consumed:
                parts[place - 1] += " "
                parts[place] += " "
                consumed = place
        text = "".join(parts)
        kinds = "".join(unicodedata.category(character)[0] for character in text)
        parts = list(text)
        consumed = -1
        for place in range(len(text) - 1):
            if kinds[place] == "P" and kinds[place + 1] != "N" and place > consumed:
                parts[place] = f" {parts[place]} "
                consumed = place + 1
        text = "".join(parts)
        return "".join(
            f" {character} " if unicodedata.category(character)[0] == "S" else character
            for character in text
        ).split()

    def rouge(
        self, candidate: str, reference: str, *, metrics: Sequence[str], stemmer: bool = False
    ) -> dict[str, Any]:
        return {
            f"rouge_{name[-1].lower()}": score
            for name, score in self._rouge_scorer(tuple(metrics), stemmer)
            .score(reference, candidate)
            .items()
        }

    @functools.cache  # noqa: B019 - one library a session
    def _rouge_scorer(self, metrics: tuple[str, ...], stemmer: bool) -> Any:
        from rouge_score.rouge_scorer import RougeScorer

        names = [metric.replace("_l", "L").replace("_", "") for metric in metrics]
        return RougeScorer(names, use_stemmer=stemmer)


@pytest.fixture(scope="session")
def library() -> Library:
    return Library()


@pytest.fixture
def fresh_python() -> Callable[[str], str]:
    """Run code in a new interpreter and return what it printed."""
    import subprocess

    def run(code: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
        assert done.stderr == ""
        return done.stdout.strip()

    return run

"""The synonym table of the package says what NLTK's WordNet reader says.

These tests need WordNet's dictionary files: python tools/fetch_nltk_data.py
"""

from __future__ import annotations

import random
import runpy
import time
from pathlib import Path
from typing import Any

import pytest

from graders.metrics.stem import stem
from graders.metrics.synonym import SynonymTable, load

SUFFIX_LIST = "s es ies ed d ied ing er est men ves ses xes zes ches shes ly ness"


def nltk_synonyms(wordnet: Any, word: str) -> set[str]:
    """The names METEOR can match: of one word, without capitals."""
    names = {lemma.name() for synset in wordnet.synsets(word) for lemma in synset.lemmas()}
    return {name for name in names if "_" not in name and name == name.lower()}


def test_the_table_equals_nltk_on_every_lemma(wordnet: Any) -> None:
    table = load()
    lemmas = list(wordnet.all_lemma_names())
    assert len(lemmas) > 140_000
    different = [word for word in lemmas if table.synonyms(word) != nltk_synonyms(wordnet, word)]
    assert different == []


def test_the_table_equals_nltk_on_every_irregular_form(wordnet: Any) -> None:
    table = load()
    forms = {form for part in "nvar" for form in wordnet._exception_map[part]}
    assert len(forms) > 5_000
    assert [form for form in forms if table.synonyms(form) != nltk_synonyms(wordnet, form)] == []


def test_the_table_equals_nltk_on_inflected_words_and_stems(wordnet: Any, corpus: Any) -> None:
    table = load()
    random_ = random.Random(3)
    lemmas = [lemma for lemma in wordnet.all_lemma_names() if "_" not in lemma]
    words = {random_.choice(lemmas) + random_.choice(SUFFIX_LIST.split()) for _ in range(40_000)}
    words |= {
        word.strip('.,:;()"`*').lower() for text in corpus.paragraphs for word in text.split()
    }
    words |= {stem(word) for word in words}
    words |= {"", "İ", "K", "Cats", "DOGS", "a\tb", "x" * 300, "\ud800"}
    different = [word for word in words if table.synonyms(word) != nltk_synonyms(wordnet, word)]
    assert different == []


def test_the_file_is_what_the_builder_makes(wordnet: Any) -> None:
    tool = Path(__file__).parents[2] / "tools/build_wordnet_table.py"
    builder = runpy.run_path(str(tool))
    built = builder["text"](builder["fields"](wordnet))
    assert SynonymTable(built.encode())._table == load()._table


def test_meteor_gives_the_score_nltk_documents() -> None:
    from graders.metrics import meteor

    candidate = (
        "It is a guide to action which ensures that the military always obeys the commands of "
        "the party"
    )
    reference = (
        "It is a guide to action that ensures that the military will forever heed Party commands"
    )
    assert round(meteor([candidate], [reference])[0], 4) == 0.6944


def test_meteor_equals_nltk_with_its_own_wordnet(wordnet: Any, corpus: Any, library: Any) -> None:
    from nltk.translate.meteor_score import single_meteor_score

    from graders.metrics import meteor

    pairs = corpus.pairs(6_000)[-3_000:] + corpus.long_pairs(20, 100)
    found = meteor([pair[0] for pair in pairs], [pair[1] for pair in pairs])
    for (candidate, reference), score in zip(pairs, found, strict=True):
        ours, theirs = library.tokens(candidate), library.tokens(reference)
        assert score == single_meteor_score(theirs, ours, wordnet=wordnet)


def test_the_table_loads_in_well_under_a_tenth_of_a_second() -> None:
    times = []
    for _ in range(5):
        load.cache_clear()
        start = time.process_time()
        load()
        times.append(time.process_time() - start)
    assert min(times) < 0.1


@pytest.mark.parametrize("word", ["mice", "running", "better", "wolves"])
def test_inflected_words_have_the_synonyms_of_their_base(word: str) -> None:
    bases = {"mice": "mouse", "running": "run", "better": "good", "wolves": "wolf"}
    assert bases[word] in load().synonyms(word)

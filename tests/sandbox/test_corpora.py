"""NLTK's data that is there without a network."""

from __future__ import annotations

from pathlib import Path

import pytest
from nltk.tokenize.punkt import PunktTokenizer

from graders.calls import PythonCall
from graders.metrics.sentence import punkt_model
from graders.sandbox import PythonSandbox
from graders.sandbox.corpora import nltk_data
from tests.sandbox.conftest import needs_standard

TEXT = "Dr. Smith left at 5 p.m. on Jan. 3. Why? He was in the U.S. Senate. He left."


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_nltk_reads_what_was_written_as_the_model_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    written = nltk_data()
    assert written is not None
    monkeypatch.setattr("nltk.data.path", [str(written)])
    tokenizer, model = PunktTokenizer("english"), punkt_model()
    assert set(tokenizer._params.abbrev_types) == model.abbreviations
    assert set(tokenizer._params.collocations) == model.collocations
    assert set(tokenizer._params.sent_starters) == model.starters
    assert dict(tokenizer._params.ortho_context) == model.seen
    assert len(tokenizer.tokenize(TEXT)) == 4


def test_it_is_written_once(monkeypatch: pytest.MonkeyPatch) -> None:
    first = nltk_data()
    monkeypatch.setattr("graders.sandbox.corpora._write", None)
    assert nltk_data() == first


def test_without_a_place_there_is_none(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    assert nltk_data() is None


@pytest.mark.more
@needs_standard
def test_a_grader_cuts_words_as_in_the_hosted_image() -> None:
    source = "import nltk\ndef grade(sample, item):\n    return len(nltk.word_tokenize(sample['output_text']))\n"
    with PythonSandbox() as sandbox:
        (reply,) = sandbox.perform(PythonCall(source, [{"output_text": "It's 5 p.m. Go."}], [{}]))
    assert (reply.error, reply.score) == (None, 6.0)

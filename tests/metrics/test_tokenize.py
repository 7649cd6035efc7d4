"""Tokens are NLTK's for printable Latin-1 text and the international rule's for any other."""

from __future__ import annotations

import itertools
import lzma
import re
import runpy
import unicodedata
from pathlib import Path
from typing import Any

import pytest
import regex  # type: ignore[import-untyped, unused-ignore]
from hypothesis import given, settings
from hypothesis import strategies as st

import graders
from graders.metrics.alphabet import Alphabet
from graders.metrics.definition import Definition
from graders.metrics.latin import LatinTexts
from graders.metrics.sentence import SentenceSplitter, punkt_model
from graders.metrics.tokenizer import Tokenizer
from tests.examples import examples

LATIN = re.compile(r"[ -~\xa0-\xff]*")
LATIN_CHARACTERS = "".join(map(chr, [*range(0x20, 0x7F), *range(0xA0, 0x100)]))


def remembered(tokenizer: Tokenizer, text: str) -> list[Any]:
    """The tokens by way of the code points, that is of the remembered pieces."""
    return [tokenizer.alphabet.tokens[ord(code)] for code in tokenizer.codes([text])[0]]


def latin(texts: list[str]) -> list[str]:
    """Each text that is printable Latin-1, and of any other its lines made so."""
    lines = [text if LATIN.fullmatch(text) else " ".join(text.split()) for text in texts]
    return [line for line in lines if LATIN.fullmatch(line)]


@pytest.fixture(scope="module", params=[12, pytest.param(1, marks=pytest.mark.slow)])
def texts(corpus: Any, edge_cases: list[str], request: pytest.FixtureRequest) -> list[str]:
    """All edge cases, and every twelfth of the other texts."""
    pairs = corpus.pairs(12_000 // request.param)
    found = sorted({text for pair in pairs for text in pair} | set(corpus.paragraphs))
    return edge_cases + found[:: request.param]


def test_word_tokens_equal_nltk(texts: list[str], library: Any) -> None:
    tokenizer = Tokenizer()
    some = latin(texts)
    assert len(some) > 250
    for text in some:
        wanted = library.word_tokenize(text)
        assert remembered(tokenizer, text) == wanted
        assert tokenizer.tokens(text) == wanted


def test_word_tokens_equal_nltk_with_its_own_punkt_model(
    texts: list[str], punkt_data: Path
) -> None:
    from nltk.tokenize import sent_tokenize, word_tokenize

    tokenizer, splitter = Tokenizer(), SentenceSplitter()
    for text in latin(texts):
        assert splitter.sentences(text) == sent_tokenize(text)
        assert remembered(tokenizer, text) == word_tokenize(text)


def test_the_packaged_punkt_model_is_nltk_s(punkt_data: Path) -> None:
    from nltk.tokenize.punkt import PunktTokenizer

    parameters, model = PunktTokenizer()._params, punkt_model()
    assert parameters.abbrev_types == model.abbreviations
    assert parameters.collocations == model.collocations
    assert parameters.sent_starters == model.starters
    assert dict(parameters.ortho_context) == model.seen
    tool = Path(__file__).parents[2] / "tools/build_punkt_table.py"
    table = (Path(graders.__file__).parent / "metrics/data/punkt-english.txt.xz").read_bytes()
    built = "\n".join(runpy.run_path(str(tool))["lines"](punkt_data))
    assert lzma.decompress(table).decode() == built


def test_the_packaged_punkt_model_is_the_one_that_others_package() -> None:
    import punkt.data.english as theirs

    ours = punkt_model()
    assert ours.abbreviations == theirs.ABBREV_TYPES
    assert ours.collocations == theirs.COLLOCATIONS
    assert ours.starters == theirs.SENT_STARTERS
    assert ours.seen == dict(theirs.ORTHO_CONTEXT)


@settings(max_examples=examples(700))
@given(st.text(st.sampled_from(LATIN_CHARACTERS + "..''\"\",:  " * 5), max_size=40))
def test_word_tokens_equal_nltk_on_any_latin_text(library: Any, text: str) -> None:
    tokenizer = Tokenizer()
    wanted = library.word_tokenize(text)
    assert tokenizer.tokens(text) == wanted
    assert remembered(tokenizer, text) == wanted


# Pieces whose tokens depend on what stands around them, next to plain ones.
PIECES = """
e.g. U.S. Mr. J. etc. 3. 5 3.14 ... .. . ! ?! " ' '' "" ) ] > ). .) "Foo" 'foo' "No." (No.) what?)
a.> x> -- '-- "--foo )-- s' '.' . a foo Foo foo. Foo. foo, The No. cannot « »
"""


@settings(max_examples=examples(350))
@given(
    st.lists(st.lists(st.sampled_from([*PIECES.split(), ""]), max_size=8).map(" ".join), max_size=5)
)
def test_word_tokens_do_not_depend_on_the_texts_coded_together(
    library: Any, texts: list[str]
) -> None:
    tokenizer = Tokenizer()
    for text, codes in zip(texts, tokenizer.codes(texts), strict=True):
        wanted = library.word_tokenize(text)
        assert [tokenizer.alphabet.tokens[ord(code)] for code in codes] == wanted


# What words are made of, and all that stands at their edges.
PARTS = [
    *"aF1é²ª.,:;?!()[]{}<>\"'`«»-_/\\=+$%&*#@~^|", "--", "..", "foo", "Bar", "22", "cannot", "Wanna", "n't",
    "N'T", "'s", "'S", "'ll", "'", "Mr", "etc", "e.g", "u.s", "can", "not", "d'ye",
]  # fmt: skip


@settings(max_examples=examples(300))
@given(st.lists(st.lists(st.sampled_from(PARTS), min_size=1, max_size=4).map("".join), max_size=60))
def test_pieces_that_are_plain_are_coded_as_by_the_rules(pieces: list[str]) -> None:
    known = LatinTexts(Alphabet())._known
    known.meet(pieces)
    assert dict(known) == {piece: known.find(piece) for piece in known}
    words = [piece for piece in pieces if piece.isalpha() and "n" not in piece.lower()]
    assert known.keys() >= set(words)


def test_other_texts_follow_the_international_rule(texts: list[str], library: Any) -> None:
    tokenizer = Tokenizer()
    some = [text for text in texts if not LATIN.fullmatch(text)]
    assert len(some) > 100
    for text in some:
        wanted = library.intl(text)
        assert tokenizer.tokens(text) == wanted
        assert remembered(tokenizer, text) == wanted


def tokens_of(tokenizer: Tokenizer, texts: list[str]) -> list[list[Any]]:
    """The tokens of texts that are coded together."""
    coded = tokenizer.codes(texts)
    names = tokenizer.alphabet.tokens
    return [[names[ord(code)] for code in codes] for codes in coded]


@pytest.mark.parametrize("size", [4, 5, pytest.param(6, marks=pytest.mark.slow)])
def test_runs_of_punctuation_part_as_by_substitution(library: Any, size: int) -> None:
    # Every text over one character of each kind, alone and behind the others.
    texts = [f"\u3042 {''.join(one)}" for one in itertools.product("a1.$ ", repeat=size)]
    bare = ["".join(one) for one in itertools.product("あ1。$", repeat=size)]
    wanted = [library.intl(text) for text in texts + bare]
    assert tokens_of(Tokenizer(), texts + bare) == wanted
    alone = Tokenizer()
    assert [alone.tokens(text) for text in texts] == wanted[: len(texts)]


@settings(max_examples=examples(300))
@given(
    st.lists(
        st.text(
            st.characters(exclude_categories=["Cn", "Cs"]) | st.sampled_from("a1.,$½\n\u3000。、€"),
            max_size=12,
        ),
        max_size=6,
    )
)
def test_other_texts_do_not_depend_on_the_texts_coded_together(
    library: Any, texts: list[str]
) -> None:
    # A newline makes each one such a text, whatever else it holds that this Python knows.
    texts = [f"{text}\n" for text in texts]
    assert tokens_of(Tokenizer(), texts) == [library.intl(text) for text in texts]


KNOWN = st.characters(exclude_categories=["Cn"])


@settings(max_examples=examples(500))
@given(st.text(KNOWN | st.sampled_from("1a.,$ \n日。€"), max_size=30))
def test_any_other_text_follows_the_international_rule(library: Any, text: str) -> None:
    text = f"{text}\u3042"
    tokenizer = Tokenizer()
    # `regex` may know newer characters than this Python; those are not what is tested here.
    if all(unicodedata.category(character) != "Cn" for character in text):
        assert tokenizer.tokens(text) == library.intl(text)
        assert remembered(tokenizer, text) == library.intl(text)


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("Good muffins cost $3.88.", ["Good", "muffins", "cost", "$", "3.88", "."]),
        ("He can't. She did.", ["He", "ca", "n't", ".", "She", "did", "."]),
        ("Dr. Who left.", ["Dr.", "Who", "left", "."]),
        # A newline sends the same text to the other tokenizer.
        ("He can't.\nDr. Who", ["He", "can", "'", "t", ".", "Dr", ".", "Who"]),
        ("1,000.5 (2) x.\n", ["1,000.5", "(", "2", ")", "x", "."]),
        ("日本語。テスト", ["日本語", "。", "テスト"]),
        ("&lt;b&gt; A\n", ["&", "lt", ";", "b", "&", "gt", ";", "A"]),
    ],
)
def test_tokens_of_typical_texts(text: str, tokens: list[str]) -> None:
    assert Tokenizer().tokens(text) == tokens
    assert remembered(Tokenizer(), text) == tokens


def test_a_long_text_is_split_in_blocks_like_a_short_one(monkeypatch: pytest.MonkeyPatch) -> None:
    from graders.metrics import alphabet, intl_tokenizer, latin

    text = 'A (short) text, isn\'t it? Dr. Who said "no." Yes. ' * 20
    other = text + "\n 1. 日本。 (1) 2."
    whole = Tokenizer()
    wanted = [remembered(whole, text), remembered(whole, other)]
    monkeypatch.setattr(alphabet, "BLOCK", 7)
    monkeypatch.setattr(intl_tokenizer, "BLOCK", 7)
    monkeypatch.setattr(latin, "BLOCK", 7)
    cut = Tokenizer()
    assert [remembered(cut, text), remembered(cut, other)] == wanted
    assert Alphabet().codes_of(b"a b  c d" * 9) == Alphabet().codes((b"a b  c d" * 9).split())


@settings(max_examples=examples(600))
@given(st.text(st.sampled_from("aé1½.,-!?$+€ 。、漢ا\u0660\u202f\n😀"), max_size=30))
def test_the_definition_cuts_by_the_international_rule(library: Any, text: str) -> None:
    assert Definition().intl(text) == library.intl(text)


@settings(max_examples=examples(400))
@given(st.lists(st.text(st.characters(exclude_categories=()), max_size=20), min_size=1, max_size=5))
def test_other_texts_part_as_regex_substitutes(texts: list[str]) -> None:
    # Characters that are newer than this Python, too, and halves of surrogate pairs.
    rules = (
        (r"(\P{N})(\p{P})", r"\1 \2 "),
        (r"(\p{P})(\P{N})", r" \1 \2"),
        (r"(\p{S})", r" \1 "),
    )
    wanted = []
    texts = [f"{text}\n" for text in texts]
    for text in texts:
        for pattern, replacement in rules:
            text = regex.sub(pattern, replacement, text)  # noqa: PLW2901
        wanted.append(text.split())
    assert tokens_of(Tokenizer(), texts) == wanted

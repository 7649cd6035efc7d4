"""Exceptions and the small words their messages are made of."""

from __future__ import annotations

from pathlib import Path

import pytest

from graders import errors
from graders.errors import (
    ConfigError,
    Fault,
    FormulaError,
    GradersError,
    TemplateError,
    caret,
    nearest,
    nearest_path,
    quoted,
    shown,
    suggestion,
)
from tests.waiting import at_most


@pytest.mark.parametrize(
    ("name", "builtin"),
    [
        ("ConfigError", ValueError),
        ("TemplateError", ValueError),
        ("FormulaError", ValueError),
        ("RowsError", ValueError),
        ("OptionError", ValueError),
        ("UnavailableError", RuntimeError),
    ],
)
def test_every_exception_is_ours_and_a_builtin_one(name, builtin):
    kind = getattr(errors, name)
    assert issubclass(kind, GradersError)
    assert issubclass(kind, builtin)


def test_a_config_error_lists_every_fault():
    error = ConfigError(
        [Fault("$.name", "text is needed"), Fault("$.a", "bad\nline\n^", "formula_parse_error", 3)],
        source="grader.json",
    )
    assert str(error) == (
        "grader.json: 2 faults\n  $.name: text is needed\n  $.a (line 3): bad\n    line\n    ^"
    )
    assert len(error.faults) == 2
    assert str(ConfigError([Fault("$", "x")])).startswith("grader: 1 fault\n")


@pytest.mark.parametrize("kind", [TemplateError, FormulaError])
def test_a_text_error_shows_its_place(kind):
    error = kind("wrong", text="one two three", start=4, end=7)
    assert str(error) == "wrong\none two three\n    ^^^"
    assert (error.message, error.start, error.end) == ("wrong", 4, 7)
    assert kind("wrong", text="one", start=3).end == 4


@pytest.mark.parametrize(
    ("text", "start", "end", "expected"),
    [
        ("abc", 1, 2, "abc\n ^"),
        ("abc", 3, 4, "abc\n   ^"),
        ("", 0, 1, "\n^"),
        ("one\ntwo\nthree", 4, 7, "two\n^^^"),
        ("one\ntwo", 3, 4, "one\n   ^"),
        ("a\tb", 2, 3, "a b\n  ^"),
        ("a\x1b[0mb", 0, 1, "a [0mb\n^"),
        ("one\ntwo", 1, 7, "one\n ^^"),
    ],
)
def test_a_caret_stands_under_its_text(text, start, end, expected):
    assert caret(text, start, end) == expected


def test_a_caret_in_a_long_line_shows_its_surroundings():
    line, mark = caret("x" * 1000 + "HERE" + "y" * 1000, 1000, 1004).split("\n")
    assert line.startswith("…")
    assert line.endswith("…")
    assert line[mark.index("^") : mark.rindex("^") + 1] == "HERE"
    assert len(line) <= 78


@pytest.mark.parametrize(
    ("word", "known", "found"),
    [
        ("exakt", ["exact", "fuzzy"], "exact"),
        ("EXACT", ["exact"], "exact"),
        ("nothing", ["exact", "fuzzy"], None),
        ("", ["exact"], None),
        ("x", [], None),
        ("a" * 101, ["a" * 101], None),
    ],
)
def test_the_nearest_word_is_near_or_none(word, known, found):
    assert nearest(word, known) == found


def test_a_suggestion_is_the_nearest_word_or_all_words_there_are():
    assert suggestion("rewrd", ("item", "reward"), "they are:") == "did you mean reward?"
    assert suggestion("x", ("item", "reward"), "they are:") == "they are: item, reward"


@pytest.mark.parametrize("many", [500, pytest.param(30_000, marks=pytest.mark.slow)])
def test_the_nearest_of_very_many_words_is_found_in_time(many):
    with at_most():
        nearest("ab" * 50, ["ba" * 50 + str(n) for n in range(many)])
        nearest("ab", ["x" * 1_000_000] * (many // 100))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (True, "true"),
        (False, "false"),
        (5, "5"),
        (0.5, "0.5"),
        ("text", '"text"'),
        ('say "x" \\ y\n', '"say \\"x\\" \\\\ y\\n"'),
        ("\ud800\x1b\u202e", '"\\ud800\\u001b\\u202e"'),
        ("é 名", '"é 名"'),
        ("x" * 100, '"' + "x" * 79 + '…"'),
        ([], "a list of 0"),
        ((1, 2), "a list of 2"),
        ({}, "an empty object"),
        ({"a": 1}, "an object"),
        (b"x", "a bytes"),
        ({1}, "a set"),
        (10**100, "a very large number"),
    ],
)
def test_a_value_is_quoted_as_json_shortly(value, text):
    assert quoted(value) == text


def test_shown_text_is_printable_and_short():
    assert shown("plain é") == "plain é"
    assert shown("a\x00b\n") == "a\\u0000b\\n"
    assert shown("abc", 2) == "a…"
    assert shown("\U000e0001").isprintable()


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        ("grader.jsn", "grader.json"),
        ("sub/grader.jsn", "sub/grader.json"),
        ("sab/grader.json", "sub/grader.json"),
        ("sab/grader.jsn", "sub/grader.json"),
        ("nothing/like/it.json", None),
        ("paper.json", None),
        ("grader", "grader.json"),
        ("x" * 5000, None),
        ("sub/grader.json/grader.json", None),
    ],
)
def test_the_nearest_path_is_a_file_that_is_there(tmp_path, monkeypatch, asked, meant):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sub" / "grader.jsn").mkdir(parents=True)
    (tmp_path / "grader.json").write_text("{}")
    (tmp_path / "sub" / "grader.json").write_text("{}")
    found = nearest_path(Path(asked), Path.is_file)
    assert (str(found) if found else None) == meant

"""Texts of configs: JSON and YAML, read strictly, and the line of every place."""

from __future__ import annotations

import json

import pytest

from graders.config import document
from graders.config.document import lines, parse, unfit
from graders.errors import ConfigError, Fault
from tests.waiting import at_most


def refused(text: str) -> Fault:
    with pytest.raises(ConfigError) as caught:
        parse(text, "grader")
    [fault] = caught.value.faults
    return fault


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": [1, 2.5, null, true, "x"]}', {"a": [1, 2.5, None, True, "x"]}),
        ("\ufeff [1]", [1]),
        ("a: 1\nb: [x, 'y']\n", {"a": 1, "b": ["x", "y"]}),
        ("a: &x {b: 1}\nc: *x\n", {"a": {"b": 1}, "c": {"b": 1}}),
        ("a: &x {b: 1}\nc:\n  <<: *x\n  d: 2\n", {"a": {"b": 1}, "c": {"b": 1, "d": 2}}),
        ("# comment\n---\na: |\n  x\n  y\n", {"a": "x\ny\n"}),
        ('{"a": "\\ud83d\\ude00 \u2028 \x7f"}', {"a": "😀 \u2028 \x7f"}),
    ],
)
def test_json_and_yaml_are_read(text, value):
    assert parse(text, "grader") == value


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("{'a': 1}", 1, "not JSON: a single quote; JSON puts texts and keys in double quotes (column 2)\n{'a': 1}\n ^"),
        ('{"a": 1,\n}', 1, 'not JSON: a trailing comma; JSON has none before } (column 8)\n{"a": 1,\n       ^'),
        ('{"a": [{"b": "c"} , ]}', 1, "not JSON: a trailing comma; JSON has none before ] (column 19)"),
        ('{"a": 1, # one\n"b": 2}', 1, "not JSON: a comment; JSON has none (column 10)"),
        ('{"a": 1 // one\n}', 1, "not JSON: a comment; JSON has none (column 9)"),
        ('/* a */\n{"b": 1}', 1, "not JSON: a comment; JSON has none, and YAML begins one with #"),
        ('{"a": True}', 1, "not JSON: True is Python's; JSON writes true (column 7)"),
        ('{"a": [None]}', 1, "not JSON: None is Python's; JSON writes null (column 8)"),
        ('{"a": nan}', 1, "not JSON: JSON has finite numbers only (column 7)"),
        ("{a: 1}", 1, "not JSON: a key without quotes; JSON puts keys in double quotes (column 2)"),
        ("{\u201ca\u201d: 1}", 1, 'not JSON: a typographic quote; JSON has the plain " (column 2)'),
        ('{"a": "\\d+"}', 1, "not JSON: \\d is no escape in JSON; write \\\\ for a backslash (column 8)"),
        ('{"a": "x\ny"}', 1, "not JSON: a line break inside a text; write \\n (column 9)"),
        ('{"a" 1}', 1, "not JSON: Expecting ':' delimiter (column 6)"),
        ('{"a": 1}}', 1, 'not JSON: Extra data (column 9)\n{"a": 1}}\n        ^'),
        ('{"a": ', 1, 'not JSON: Expecting value (column 7)\n{"a": \n      ^'),
        ('{"NaN":\n "NaN", "a": NaN}', 2, "NaN is not a JSON number; write a number, or null\n"),
        ('{"a": [-Infinity]}', 1, "-Infinity is not a JSON number; write a number, or null\n"),
        ('{"a": ' + "9" * 5_000 + "}", None, "a number has more digits than can be read"),
        ("a:\n\tb: 1", 2, "not YAML: a tab cannot indent; indent with spaces\n b: 1\n^"),
        ("a: 1\n---\nb: 2", 2, "not YAML: a second document begins here; one is expected\n---\n^"),
        ("a: *nowhere", 1, "not YAML: the alias *nowhere names no anchor before it\na: *nowhere\n   ^"),
        ("a: &a\n  b: *a\n", None, "not YAML: an alias contains itself (line 1)"),
        ("a: !!python/object/apply:os.getcwd []", 1, 'not YAML: the tag "!!python/object/apply:os.getcwd" means nothing here\n'),
        ("? [a]\n: 1\n", 1, "not YAML: a key is text, got a list\n? [a]\n  ^"),
        ("a: 2020-99-99\n", 1, 'not YAML: "2020-99-99" is no date\n'),
        ("a: " + "9" * 5_000, None, "not YAML: a number has more digits than can be read"),
        ("a: \x01", 1, "not YAML: the character U+0001 cannot stand in YAML\na:  \n   ^"),
        ("a: {{ item.b }}\n", 1, "not YAML: a text that begins with {{ stands in quotes: '{{ … }}'\na: {{ item.b }}\n   ^"),
        ("a:\n  - b: {{item.b}} m\n", 2, "not YAML: a text that begins with {{ stands in quotes: '{{ … }}'\n"),
        ("a: '{{ item.b }}' m\n", 1, "not YAML: the text cannot go on like this"),
        ("", None, "the text is empty; a grader is expected"),
    ],
)  # fmt: skip
def test_a_text_that_is_neither_is_refused_with_its_line(text, line, message):
    fault = refused(text)
    assert fault.path == "$"
    assert fault.message.startswith(message)
    assert fault.line == line


@pytest.mark.parametrize(
    ("text", "path", "line"),
    [
        ('{"a": 1,\n "a": 2}', "$", 2),
        ('{"m": {"k": 1,\n\n"k": 1}}', "$.m", 3),
        ('{"m": [0, {"odd key": {"k": 1,\n\t"k": 1}}]}', '$.m[1]["odd key"]', 2),
        ("a: 1\nb: 2\na: 3\n", "$", 3),
        ("m:\n  - k: 1\n    k: 2\n", "$.m[0]", 3),
    ],
)
def test_a_key_that_stands_twice_is_refused_at_its_place(text, path, line):
    fault = refused(text)
    assert (fault.path, fault.line) == (path, line)
    assert "stands twice in one object" in fault.message


BOMB = "a: &a [1,1,1,1,1,1,1,1,1]\n" + "".join(
    f"{here}: &{here} [{','.join(['*' + there] * 9)}]\n"
    for there, here in zip("abcdefghi", "bcdefghij", strict=True)
)


def many_keys(count: int) -> str:
    """So many keys, the last of which stands there twice."""
    return "{" + "".join(f'"k{n}": 1, ' for n in range(count)) + f'"k{count - 1}": 1}}'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (BOMB, "its aliases stand for too many values"),
        ("[" * 100_000, "nests too deeply"),
        ('{"a":' * 100_000, "nests too deeply"),
        ("a: " + "[" * 100_000, "nests too deeply"),
        ("a: " + "{b: " * 5_000, "nests too deeply"),
        ("".join(f"{' ' * n}a:\n" for n in range(500)), "nests too deeply"),
        (many_keys(5_000), "stands twice"),
        pytest.param(many_keys(50_000), "stands twice", marks=pytest.mark.slow),
    ],
)
def test_a_hostile_text_is_refused_in_time(text, message):
    with at_most():
        assert message in refused(text).message


def test_aliases_in_a_long_chain_do_no_harm():
    chain = "k0: &a0 [1]\n" + "".join(f"k{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 3_000))
    with at_most(), pytest.raises(ConfigError):
        parse(chain, "grader")


TEXT = '{\n\t"a": {\n\t\t"b": [1,\n\t\t2],\n"odd \u2028key": "x\u2028y\x7f"},\r\n"c": "\\n"\n}'


def test_every_place_has_its_line():
    places = [
        (),
        ("a",),
        ("a", "b"),
        ("a", "b", 1),
        ("a", "nothing"),
        ("c",),
        ("a", "b", 9),
        ("c", 0),
    ]
    assert list(lines(TEXT, places).values()) == [1, 2, 3, 4, 2, 6, 3, 6]
    assert list(lines("a:\n  b: 1\n1: 2\n", [("a", "b"), ("1",), (1,)]).values()) == [2, 3, 1]


@pytest.mark.parametrize("text", ["a: [", "", "[" * 200])
def test_where_lines_cannot_be_told_there_are_none(text):
    assert lines(text, [("a",)]) == {}


def test_what_json_can_hold_is_fit():
    value = {"a": [1, "x", None, {"b": 2.5}], "c": ()}
    assert list(unfit(value)) == []
    assert list(unfit(json.loads("[" * 99 + "]" * 99))) == []


def test_what_json_cannot_hold_is_told_with_its_place():
    assert [place for place, _ in unfit({"a": {1: 2}, "b": [{None: 1}]})] == [("a",), ("b", 0)]
    [(place, problem)] = unfit(json.loads("[" * 200 + "]" * 200))
    assert (place, problem) == ((), "the config nests deeper than 100 levels")


def test_an_object_that_stands_in_many_places_is_looked_at_once():
    value: list[object] = []
    for _ in range(90):
        value = [value, value]
    with at_most():
        assert list(unfit(value)) == []


JSON_TEXT = """{
  "name": "x",
  "graders": {"a": {"source": "one\\ntwo \\u00e9\\ud83d\\ude00 end"}},
  "list": [1, {"k": "v"}]
}"""
YAML_TEXT = """name: x
source: |
  one
    two
plain: some words
'q': 'single'
"""


@pytest.mark.parametrize(
    ("text", "place", "offset", "at"),
    [
        (JSON_TEXT, (), None, (1, 1)),
        (JSON_TEXT, ("name",), None, (2, 3)),
        (JSON_TEXT, ("graders", "a"), None, (3, 15)),
        (JSON_TEXT, ("graders", "a", "source"), 0, (3, 32)),
        (JSON_TEXT, ("graders", "a", "source"), 4, (3, 37)),
        (JSON_TEXT, ("graders", "a", "source"), 9, (3, 47)),
        (JSON_TEXT, ("graders", "a", "source"), 10, (3, 59)),
        (JSON_TEXT, ("list", 1, "k"), None, (4, 16)),
        (JSON_TEXT, ("list", 1), 3, (4, 15)),
        (JSON_TEXT, ("list", 9), None, (4, 3)),
        (JSON_TEXT, ("graders", "missing"), None, (3, 3)),
        ("\ufeff" + JSON_TEXT, ("name",), None, (2, 3)),
        (JSON_TEXT.replace("  ", "\t"), ("name",), None, (2, 2)),
        (JSON_TEXT.replace("\n", "\r\n"), ("name",), None, (2, 3)),
        (YAML_TEXT, ("source",), None, (2, 1)),
        (YAML_TEXT, ("source",), 0, (3, 3)),
        (YAML_TEXT, ("source",), 4, (4, 3)),
        (YAML_TEXT, ("source",), 6, (4, 5)),
        (YAML_TEXT, ("plain",), 5, (5, 13)),
        (YAML_TEXT, ("q",), 2, (6, 9)),
    ],
)
def test_a_place_has_a_line_and_a_column(
    text: str, place: document.Place, offset: int | None, at: tuple[int, int]
) -> None:
    assert document.spots(text, [(place, offset)]) == {(place, offset): at}


def test_a_text_that_yaml_cannot_read_has_no_spots() -> None:
    assert document.spots("{", [((), None)]) == {}

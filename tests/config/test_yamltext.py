"""YAML: the same values and sentences from every parser and every release, within bounds."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
import yaml

from graders.config import document, yamltext
from graders.config.yamltext import YamlError, compose, construct
from graders.errors import ConfigError


@pytest.fixture(params=["C", "Python"])
def parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """YAML's parser in C, and the one in Python that stands in where it was not built."""
    if request.param == "Python":
        monkeypatch.delattr(yaml, "CSafeLoader", raising=False)
    elif not hasattr(yaml, "CSafeLoader"):
        pytest.skip("PyYAML was built without its parser in C")
    return str(request.param)


@pytest.fixture
def reworded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let PyYAML say something else, as another release may."""
    init = yaml.MarkedYAMLError.__init__

    def other(self: Any, *given: Any, **named: Any) -> None:
        init(self, *given, **named)
        self.context = self.problem = self.note = "colourless green ideas"

    monkeypatch.setattr(yaml.MarkedYAMLError, "__init__", other)


def value(text: str) -> Any:
    return construct(compose(text))


def problem(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        document.parse(text, "grader")
    [fault] = caught.value.faults
    return fault.message


UNREADABLE = {
    "a: @x": "a value cannot begin with @; put it in quotes\na: @x\n   ^",
    "a: `x": "a value cannot begin with `; put it in quotes\na: `x\n   ^",
    "a: ,": "a value cannot begin with ,; put it in quotes\na: ,\n   ^",
    "a: ]": "this ] closes nothing\na: ]\n   ^",
    "a: [1, 2": "the [ of line 1 is never closed\na: [1, 2\n   ^",
    "a:\n  {b: 1,\n": "the { of line 2 is never closed\n  {b: 1,\n  ^",
    "a: [1, 2\nb: 3": "here , or ] is needed: the [ of line 1 is open\nb: 3\n ^",
    "- {a: 1]": "here , or } is needed: the { of line 1 is open\n- {a: 1]\n       ^",
    "a: 'b\nc: 1\n": "the quote that opens here is never closed\na: 'b\n   ^",
    'a: "b\n---\n': 'the quote that opens here is never closed\na: "b\n   ^',
    'a: "\\q"': '\\q is no escape in YAML; write \\\\ for a backslash\na: "\\q"\n    ^',
    'a: "\\xZZ"': '\\x is not followed by the hexadecimal digits of a character\na: "\\xZZ"\n    ^',
    "a: b: c": (
        "no key can stand here; put a text that holds : in quotes, or see the indentation and "
        "the line before\na: b: c\n    ^"
    ),
    "a: 1\n- b": "no list can begin here; see the indentation and the line before\n- b\n^",
    "a: ? b": "no key can begin here; see the indentation and the line before\na: ? b\n   ^",
    "a: 1\nb\n": "no : follows the key that begins here\nb\n^",
    "a: 'x' y": (
        "the text cannot go on like this; see the indentation and the line before\na: 'x' y\n       ^"
    ),
    "\ta: 1": "a tab cannot indent; indent with spaces\n a: 1\n^",
    "a: 1\n\t\nb: 2": "a tab cannot indent; indent with spaces\n \n^",
    "a: !<x": "this tag cannot be read\na: !<x\n      ^",
    "a: !x!y z": "this tag cannot be read\na: !x!y z\n   ^",
    "a: |x\n  b": "this block of text cannot be read\na: |x\n    ^",
    "a: &\n": "this anchor cannot be read\na: &\n    ^",
    "a: *\n": "this alias cannot be read\na: *\n    ^",
    "%YAML 3.0\n---\na": "this directive cannot be read\n%YAML 3.0\n^",
    "a: \ud800": "the character U+D800 cannot stand in YAML\na:  \n   ^",
    "a: b\ufeff": "the character U+FEFF cannot stand in YAML\na: b \n    ^",
    "a: &x 1\nb: &x 2": "the anchor &x stands twice, first in line 1\nb: &x 2\n   ^",
    "a: [*x]": "the alias *x names no anchor before it\na: [*x]\n    ^",
    "--- a\n--- b": "a second document begins here; one is expected\n--- b\n^",
    "a: !!set {b}": 'the tag "!!set" means nothing here\na: !!set {b}\n   ^',
    "a: !own b": 'the tag "!own" means nothing here\na: !own b\n   ^',
    "a: !!int b": '"b" is no whole number\na: !!int b\n   ^',
    "a: 0x_": '"0x_" is no whole number\na: 0x_\n   ^',
    "a: !!float b": '"b" is no number\na: !!float b\n   ^',
    "a: !!bool b": '"b" is no truth value\na: !!bool b\n   ^',
    "a: !!timestamp b": '"b" is no date\na: !!timestamp b\n   ^',
    "a: 2001-01-01t1:01:01-99:00": '"2001-01-01t1:01:01-99:00" is no date\na: 2001-01-01t1:01:01-99:00\n   ^',
    "a: !!binary b": '"b" is no base64\na: !!binary b\n   ^',
    "a: !!map b": "a single value cannot be a !!map\na: !!map b\n   ^",
    "a: !!str [b]": "a list cannot be a !!str\na: !!str [b]\n   ^",
    "? {a: 1}\n: 1": "a key is text, got an object\n? {a: 1}\n  ^",
    "<<: 1": "<< merges an object or a list of objects\n<<: 1\n    ^",
    "<<: [{a: 1}, 1]": "<< merges an object or a list of objects\n<<: [{a: 1}, 1]\n             ^",
    "a: " + "9" * 5_000: "a number has more digits than can be read",
    "a: 1" + ":59" * 5_000: "a number has more digits than can be read",
    "a: 1_" + "0" * 5_000 + ".5": "a number has more digits than can be read",
}  # fmt: skip


@pytest.mark.parametrize("text", UNREADABLE, ids=lambda text: repr(text[:20]))
def test_what_is_wrong_is_said_in_one_way_whatever_the_parser(text: str, parser: str) -> None:
    assert problem(text) == f"not YAML: {UNREADABLE[text]}"


@pytest.mark.parametrize("text", UNREADABLE, ids=lambda text: repr(text[:20]))
def test_no_sentence_holds_the_parser_s_words(text: str, parser: str, reworded: None) -> None:
    assert problem(text) == f"not YAML: {UNREADABLE[text]}"


def test_an_escape_of_no_character_is_refused(parser: str) -> None:
    for escape in ("\\ud800", "\\U00110000", "\\Uffffffff"):
        with pytest.raises(YamlError):
            value(f'a: "{escape}"')


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("a: 1_000\nb: 0b11\nc: 0x1F\nd: 017\ne: 1:30\nf: -0", [1000, 3, 31, 15, 90, 0]),
        ("a: 1.5\nb: .5e+1\nc: -.inf\nd: 1:30.5\ne: 1e3", [1.5, 5.0, float("-inf"), 90.5, "1e3"]),
        ("a: yes\nb: Off\nc: ~\nd:\ne: 'no'", [True, False, None, None, "no"]),
        ("a: !!str 1\nb: !!int '1'\nc: =\nd: <<\ne: 0o7", ["1", 1, "=", "<<", "0o7"]),
        ("a: 2001-12-14\nb: !!binary aGk=", [dt.date(2001, 12, 14), b"hi"]),
        ("a: |\n  b\n  c\n\nd: >-\n  e\n  f\n", ["b\nc\n", "e f"]),
    ],
)
def test_values_are_those_of_yaml(text: str, read: list[Any], parser: str) -> None:
    assert list(value(text).values()) == read


def test_an_alias_is_the_value_it_names(parser: str) -> None:
    found = value("a: &a {b: [1]}\nc: *a\nd: [*a, *a]\n")
    assert found == {"a": {"b": [1]}, "c": {"b": [1]}, "d": [{"b": [1]}, {"b": [1]}]}
    assert found["a"] is found["c"] is found["d"][1]


MERGE = """\
a: &a {x: 1, name: of a}
b: &b {x: 2, name: of b}
"""


@pytest.mark.parametrize(
    ("merged", "read"),
    [
        ("{<<: *a, name: own}", {"x": 1, "name": "own"}),
        ("{name: own, <<: *a}", {"x": 1, "name": "own"}),
        ("{<<: [*a, *b]}", {"x": 1, "name": "of a"}),
        ("{<<: [*b, *a], y: 3}", {"x": 2, "name": "of b", "y": 3}),
        ("{<<: *a, <<: *b}", {"x": 2, "name": "of b"}),
        ("{<<: {<<: *b, x: 3}}", {"x": 3, "name": "of b"}),
    ],
)
def test_a_merge_means_the_same_with_every_release(merged: str, read: Any, parser: str) -> None:
    """PyYAML 6.0.4 takes the last object's long keys and the first one's short keys."""
    assert value(f"{MERGE}c: {merged}")["c"] == read


def nested(opening: str, count: int) -> str:
    return f"a: {opening * count}"


HOSTILE = {
    "lists": (nested("[", 20_000), "nests too deeply"),
    "objects": (nested("{b: ", 20_000), "nests too deeply"),
    "lists in blocks": ("- " * 20_000, "nests too deeply"),
    "keys of keys": ("? " * 20_000, "nests too deeply"),
    "aliases": (
        "a: &a0 [1, 1]\n"
        + "".join(f"k{n}: &a{n} [{f'*a{n - 1},' * 9}]\n" for n in range(1, 60)),
        "its aliases stand for too many values",
    ),
    "a chain of aliases": (
        "a: &a0 [1]\n" + "".join(f"k{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 400)),
        "nests too deeply",
    ),
    "merges": (
        "a: &a0 {x: 1, y: 2}\n"
        + "".join(f"k{n}: &a{n} {{<<: [{f'*a{n - 1},' * 9}]}}\n" for n in range(1, 60)),
        "its aliases stand for too many values",
    ),
    "an alias in itself": ("a: &a [[*a]]", "an alias contains itself (line 1)"),
    "a merge of itself": ("a: &a {<<: *a}", "an alias contains itself (line 1)"),
    "many documents": ("--- a\n" * 100_000, "a second document begins here"),
    "many anchors": ("a: " + "&a " * 100_000, "the text cannot go on like this"),
    "a long key": ("a" * 50_000 + ": 1", "no key can stand here"),
    "a long text": ("a: |\n" + " b\n" * 2_000_000, "has at most 4 million characters"),
    "a NUL": ("a: \0" + "b" * 1_000_000, "the character U+0000 cannot stand in YAML"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_yaml_is_refused_before_it_is_made(name: str, parser: str) -> None:
    text, message = HOSTILE[name]
    assert message in problem(text)


def test_values_are_counted_as_they_come(parser: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yamltext, "_MAX_NODES", 1_000)
    assert len(value(f"[{'1, ' * 999}]")) == 999
    assert problem(f"a: [{'1, ' * 999}]") == "not YAML: it holds too many values"
    merges = "a: " + "{<<: " * 50 + "{" + ", ".join(f"k{n}: 1" for n in range(50)) + "}" * 51
    assert problem(merges) == "not YAML: its merges stand for too many values"


def test_depth_is_what_is_open_in_brackets_and_blocks(parser: str) -> None:
    begun = nested("[", 200)
    rest = "\n]]]} {: @" * 1_000
    assert problem(begun + rest) == "the text nests too deeply"
    assert value(nested("[", 99) + "]" * 99)
    assert problem(nested("[", 100) + "]" * 100) == "the text nests too deeply"

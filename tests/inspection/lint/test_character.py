"""What characters give away, and what they do not."""

from __future__ import annotations

import json

import pytest

from graders.inspection.lint.character import blind_to, control_in, form_between, strings_in


@pytest.mark.parametrize(
    ("text", "at", "says"),
    [
        (
            "so \x08oxed{4}",
            3,
            "\\boxed with one backslash, which is the character U+0008 and 'oxed'",
        ),
        ("\x0crac{1}{2}", 0, "\\frac with one backslash"),
        ("x \times y", 2, "\\times with one backslash"),
        ("a \text{km}", 2, "\\text with one backslash"),
        ("\right)", 0, "\\right with one backslash"),
        ("a \neq b", 2, "\\neq with one backslash"),
        ("\x00", 0, "the control character U+0000"),
        ("a\x1bb", 1, "the control character U+001B"),
    ],
)
def test_an_escape_gone_wrong_is_found(text: str, at: int, says: str) -> None:
    found = control_in(text)
    assert found is not None
    assert (found[0], found[1].startswith(says)) == (at, True)


@pytest.mark.parametrize(
    "text",
    ["", "a\tb\tc", "one\ntwo\r\nthree", "\\boxed{4}", "\tto do\n\ttime", "naïve\u00a0x", "\next"],
)
def test_ordinary_white_space_is_no_escape(text: str) -> None:
    assert control_in(text) is None


@pytest.mark.parametrize(
    ("text", "reference", "form"),
    [
        ("x ", "x", "blanks at the ends"),
        ("caf\u0065\u0301", "caf\u00e9", "Unicode normal form"),
        ("5\u00a0m", "5 m", "characters that look alike in Unicode"),
        ("it\u2019s", "it's", "characters that look alike in Unicode"),
        ("1\u20132", "1-2", "characters that look alike in Unicode"),
        ("\u200bx", "x", "characters that look alike in Unicode"),
        ("a\r\nb", "a\nb", "blanks and line ends"),
        ("Yes", "yes", "upper and lower case"),
        (" Caf\u0065\u0301\u00a0Noir", "caf\u00e9 noir", "case, blanks and Unicode form together"),
        ('{"b": 2, "a": [1]}', '{"a":[1],"b":2.0}', "spelling of JSON"),
        ('{"a": "\\u00e9"}', '{"a": "é"}', "spelling of JSON"),
        ("1.0", "1", "spelling of a number"),
        ("1e3", "1000", "spelling of a number"),
        ("true", "1", None),
        ("[]", "{}", None),
        ("x y", "xy", None),
        ("", "x", None),
        ("[" * 5000, "[", None),
    ],
)
def test_the_form_that_makes_the_difference_is_named(text: str, reference: str, form: str) -> None:
    assert form_between(text, reference, "eq") == form


def test_a_search_misses_by_form_too() -> None:
    assert (
        form_between("it is 5\u202fm long", "5 m", "like")
        == "characters that look alike in Unicode"
    )
    assert form_between("nothing", "\u200b", "like") is None


@pytest.mark.parametrize(
    ("metric", "text", "blind"),
    [
        ("rouge_1", "是 2024", True), ("rouge_l", "вода кипит", True), ("rouge_2", "naïve idée", False),
        ("rouge_1", "...", False), ("bleu", "水在一百度沸腾", True), ("meteor", "вода кипит", False),
        ("gleu", "น้ำเดือด", True), ("fuzzy_match", "水", False), ("cosine", "水", False),
    ],
)  # fmt: skip
def test_a_metric_that_cannot_see_a_script_is_named(metric: str, text: str, blind: bool) -> None:
    assert bool(blind_to(metric, text)) is blind


def test_every_text_of_an_item_is_looked_at() -> None:
    item = {"a": ["x", {"b": "y"}], "c": 1, "d": None, "e": "z"}
    assert list(strings_in(json.loads(json.dumps(item)))) == ["x", "y", "z"]

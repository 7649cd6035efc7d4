"""JSON text: the standard library's values exactly, and every value back again."""

from __future__ import annotations

import io
import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graders import jsontext
from tests.examples import examples
from tests.waiting import at_most

characters = st.characters() | st.characters(categories=["Cs"])
texts = st.text(characters)
integers = (
    st.integers()
    | st.integers(-(2**70), 2**70)
    | st.sampled_from(
        [2**53 + 1, 2**63 - 1, 2**63, 2**64 - 1, 2**64, -(2**63), -(2**63) - 1, 10**40]
    )
)
values = st.recursive(
    st.none() | st.booleans() | integers | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


def same(left: Any, right: Any) -> bool:
    """Equal, with types, signs of zero and order of keys."""
    return repr(left) == repr(right)


@given(values, st.booleans(), st.sampled_from([None, 2]))
@settings(max_examples=examples(400))
def test_decode_gives_what_the_standard_library_gives(value, ascii_only, indent):
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    expected = json.loads(text)
    assert same(jsontext.decode(text), expected)
    assert same(jsontext.decode(text, allow_nan=True), expected)
    if ascii_only:
        assert same(jsontext.decode(text.encode()), expected)


@given(values, st.booleans())
@settings(max_examples=examples(400))
def test_encode_and_decode_give_every_value_back(value, indent):
    data = jsontext.encode(value, indent=indent)
    data.decode()  # It is UTF-8.
    # Two lone surrogates in a row become the character they spell, in any JSON.
    expected = json.loads(json.dumps(value))
    assert same(json.loads(data), expected)
    assert same(jsontext.decode(data), expected)


@given(st.text(st.sampled_from('{}[]",:0123456789.eE+- \\untrlasf\n') | characters, max_size=20))
@settings(max_examples=examples(500))
def test_decode_refuses_what_the_standard_library_refuses(text):
    try:
        expected = json.loads(text)
    except ValueError:
        with pytest.raises(ValueError):
            jsontext.decode(text)
    else:
        assert same(jsontext.decode(text, allow_nan=True), expected)


@pytest.mark.parametrize(
    "text",
    [
        "-0",
        "-0.0",
        "1E2",
        "5e-324",
        "0.1234567890123456789",
        "18446744073709551616",
        "-9223372036854775809",
        '"\\ud800"',
        '"\\ud83d\\ude00"',
        '"\\u0000"',
        '{"a": 1, "a": 2}',
        "[" * 500 + "]" * 500,
    ],
)
def test_corner_cases_are_the_standard_librarys(text):
    assert same(jsontext.decode(text), json.loads(text))
    assert same(jsontext.decode(text.encode()), json.loads(text))


@pytest.mark.parametrize("name", ["NaN", "Infinity", "-Infinity"])
def test_nan_is_read_only_where_allowed(name):
    with pytest.raises(ValueError, match=f"^{name} is not JSON$"):
        jsontext.decode(f'{{"a": {name}}}')
    assert not math.isfinite(jsontext.decode(name, allow_nan=True))
    assert not math.isfinite(jsontext.decode(name.encode(), allow_nan=True))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("", "Expecting value at column 1"),
        ("[1,]", "column 3: a trailing comma; JSON has none before ]"),
        ("{'a': 1}", "column 2: a single quote; JSON puts texts and keys in double quotes"),
        ('{"a": 1,\n"b": None}', "line 2: None is Python's; JSON writes null"),
        ('{"a": 1\n"b": 2}', "Expecting ',' delimiter at line 2"),
        (b'"\xff"', "not UTF-8 at byte 2"),
        ("[" * 100_000, "it nests too deeply"),
        ("1" * 5_000, "a number has more digits than can be read"),
        ("\ufeff1", "Unexpected UTF-8 BOM (decode using utf-8-sig) at column 1"),
    ],
)
def test_a_refusal_says_where(data, message):
    with pytest.raises(ValueError) as caught:
        jsontext.decode(data)
    assert str(caught.value) == message


@pytest.mark.parametrize("escape", ["\\u00", "\\u", "\\ud8zz", "\\x", '\\u12"'])
@pytest.mark.parametrize(
    "before",
    ["", "a", "\\n" * 999, "\\u00e9" * 1000, "a\\n" * 2500, "\\ud800"],
    ids=["nothing", "a character", "999 escapes", "1,000 characters", "both", "half a pair"],
)
def test_a_bad_escape_is_found_where_it_begins(before, escape):
    # Also by a Python whose possessive groups end inside of it (before 3.11.5), and behind many good ones.
    found = jsontext.fault_of(f'["{before}{escape}"]')
    assert found is not None
    assert found[0] == 2 + len(before) + (escape[1] == "u")


def test_long_numbers_are_found_wherever_they_stand():
    assert jsontext.has_long_number(b'{"a": 18446744073709551616}')
    assert jsontext.has_long_number(b"-9223372036854775809")
    assert not jsontext.has_long_number(b'{"a": 123456789012345678, "b": 1}')
    assert jsontext.decode(b"18446744073709551616", exact=True) == 2**64


@pytest.mark.parametrize("before", [b"", b"[123456789012345678, 1, 17, 4], " * 100])
def test_long_numbers_are_found_at_every_place(before):
    for place in range(40):
        for size in range(17, 22):
            text = before + b'"' + b"x" * place + b'",' + b"1" * size + b",1"
            assert jsontext.has_long_number(text) is (size >= 19), (place, size)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (b"[0.00001234567890123456789, 1]", False),
        (b"0.00001234567890123456789", False),
        (b"[0.00001234567890123456789, 18446744073709551616]", True),
        (b"[0.00001234567890123456789, 0.1, 2.0000000000000000001]", False),
        (b"[1e0000000000000000000005]", True),
    ],
)
def test_digits_behind_a_point_are_no_long_number(text, found):
    assert jsontext.has_long_number(text) is found
    assert same(jsontext.decode(text), json.loads(text))


def test_many_texts_are_read_up_to_the_first_that_is_none():
    texts = [b"1", b'{"a": 0.5}', b'"\\ud800"', b"18446744073709551616", b"{", b"2"]
    assert jsontext.decode_all(texts) == [1, {"a": 0.5}, "\ud800", 2**64]
    assert jsontext.decode_all(texts[:2], exact=False, bounded=True) == [1, {"a": 0.5}]
    assert jsontext.decode_all(texts[:3], exact=False, bounded=True) == [1, {"a": 0.5}, "\ud800"]
    assert jsontext.decode_all([b"1", b"1e999"]) == [1]


def test_nan_is_written_as_null_on_either_way():
    assert jsontext.encode({"a": math.nan}) == b'{"a":null}'
    assert (
        jsontext.encode({"a": [math.inf], "b": 2**70}) == b'{"a":[null],"b":1180591620717411303424}'
    )


def test_lone_surrogates_are_written_as_escapes_in_keys_and_values():
    assert jsontext.encode({"\ud800": "é\udc80"}) == '{"\\ud800":"é\\udc80"}'.encode()


def test_deep_values_are_written_and_endless_ones_refused():
    deep: list[object] = []
    for _ in range(400):
        deep = [deep]
    assert json.loads(jsontext.encode(deep)) == deep
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(ValueError, match="nests too deeply"):
        jsontext.encode(deep)


def test_what_is_no_json_value_is_refused():
    with pytest.raises(TypeError):
        jsontext.encode({"a": object()})


def test_indented_text_is_the_same_on_either_way():
    assert jsontext.encode({"a": [1], "b": {}, "c": []}, indent=True) == (
        jsontext.encode({"a": [1], "b": {}, "c": [], "d": 2**70}, indent=True).replace(
            b',\n  "d": 1180591620717411303424', b""
        )
    )


def test_a_text_of_the_most_bytes_is_read_and_of_one_more_refused():
    """A file may be as long as it is said it may be, and one that never ends is left soon."""
    assert jsontext.read_whole(io.BytesIO(b"x" * 2048), 2048) == b"x" * 2048
    endless = io.BytesIO(b"x" * 5000)
    with pytest.raises(ValueError, match=r"^it is longer than 2 kB, and may never end$"):
        jsontext.read_whole(endless, 2048)
    assert endless.tell() == 2049
    with pytest.raises(ValueError, match="longer than 2 kB"):
        jsontext.read_whole(io.BytesIO(b"x" * 2049), 2048)


def test_five_megabytes_are_decoded_soon():
    text = json.dumps({"text": "word " * 1_000_000, "digits": "9" * 100})
    with at_most():
        jsontext.decode(text)


def test_a_string_that_never_ends_is_looked_through_once():
    # To begin anew at each of its quotes would take hours here.
    with pytest.raises(ValueError, match="Unterminated string"):
        jsontext.decode('"' + "[" * 501 + '\\"' * 2_000_000)


@pytest.mark.parametrize(
    "text", ["1e400", "[-1E999]", '{"a": [1.5, {"b": 2e308}]}', "9" * 400 + ".0"]
)
def test_a_number_beyond_all_floats_is_infinity_where_there_may_be_one_and_else_none(text):
    assert jsontext.decode(text, allow_nan=True) == json.loads(text)
    with pytest.raises(jsontext.ConstantError, match="larger than any float"):
        jsontext.decode(text)
    assert jsontext.decode('"1e999"') == "1e999"
    assert jsontext.decode("1e308") == 1e308

"""What a suite can expect of a number or a failure."""

from __future__ import annotations

from typing import Any

import pytest

from graders.grade import Failure
from graders.suite.expectation import read_expected, read_failure

FORMS: list[tuple[Any, list[float | None], list[float | None]]] = [
    (0.5, [0.5], [0.5000001, None, 0.0]),
    (1, [1.0], [0.999]),
    ("1e-3", [0.001], [0.0011]),
    ("== 0.5", [0.5], [0.6]),
    ({"about": 0.5, "within": 0.01}, [0.5, 0.505, 0.495], [0.52, None]),
    ({"about": "0.5", "within": "1e-2"}, [0.505], [0.52]),
    (">= 0.5", [0.5, 1.0], [0.4999, None]),
    (" > 0.5", [0.6], [0.5]),
    ("<=0.5", [0.5, -1.0], [0.6]),
    ("< 1", [0.9], [1.0]),
    ({"at_least": 0.2, "below": 0.5}, [0.2, 0.4], [0.5, 0.1]),
    ({"at_most": 0.2}, [0.2], [0.3]),
    ({"above": -1}, [0.0], [-1.0]),
    (None, [None], [0.0, 1.0]),
    (pytest.approx(0.5, abs=0.1), [0.45], [0.7]),
]


@pytest.mark.parametrize(("form", "fit", "unfit"), FORMS, ids=lambda value: str(value)[:30])
def test_a_form_holds_for_what_it_says(
    form: Any, fit: list[float | None], unfit: list[float | None]
) -> None:
    expected = read_expected(form)
    assert [expected.holds(one) for one in fit] == [True] * len(fit)
    assert [expected.holds(one) for one in unfit] == [False] * len(unfit)


def test_a_default_tolerance_is_that_of_plain_numbers_only() -> None:
    assert read_expected(0.5, 0.1).holds(0.55)
    assert not read_expected(">= 0.6", 0.1).holds(0.55)
    assert not read_expected({"about": 0.5, "within": 0}, 0.1).holds(0.55)


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ("half", "a number"),
        (True, "got true"),
        (float("nan"), "a number"),
        (10**400, "a number"),
        ("> 1e999", "a number"),
        ([0.5], "a list of 1"),
        ({}, "an empty object"),
        ({"about": 0.5}, "about and within stand together"),
        ({"within": 0.5}, "about and within stand together"),
        ({"about": 0.5, "within": -1}, "at least 0"),
        ({"about": 0.5, "within": 0.1, "above": 0}, "both"),
        ({"atleast": 0.5}, "did you mean at_least?"),
        ({"above": "x"}, "above is a number"),
    ],
)
def test_what_is_of_no_form_is_refused_with_a_sentence(form: Any, said: str) -> None:
    with pytest.raises(ValueError, match=r"\w") as caught:
        read_expected(form)
    assert said in str(caught.value)


def test_a_failure_is_told_by_code_place_and_message() -> None:
    found = [Failure("other_error", "no"), Failure("sample_parse_error", "Not JSON", "name")]
    assert read_failure("sample_parse_error").among(found)
    assert read_failure({"code": "sample_parse_error", "where": "name"}).among(found)
    assert not read_failure({"code": "sample_parse_error", "where": "email"}).among(found)
    assert read_failure({"code": "sample_parse_error", "message": "not json"}).among(found)
    assert not read_failure({"code": "other_error", "message": "yes"}).among(found)
    assert not read_failure("other_error").among([])


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("sample_parse_eror", "did you mean sample_parse_error?"),
        ({"where": "x"}, "code is required"),
        ({"code": "other_error", "were": "x"}, "did you mean where?"),
        ({"code": 5}, "code is text"),
        (5, "a failure is a code"),
    ],
)
def test_an_unknown_failure_is_refused_with_a_sentence(value: Any, said: str) -> None:
    with pytest.raises(ValueError, match=r"\w") as caught:
        read_failure(value)
    assert said in str(caught.value)

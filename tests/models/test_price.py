"""A table of prices: what it may hold, and what tokens come to by it."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from graders.errors import OptionError
from graders.grade import Usage
from graders.models.price import Prices, dollars


def test_a_cost_is_exact_and_cached_tokens_have_their_own_price(tmp_path: Path) -> None:
    file = tmp_path / "p.json"
    file.write_text('{"m": {"prompt": 0.1, "cached": 0.01, "completion": 10}, "n": '
                    '{"prompt": 2, "completion": 3e0}}')  # fmt: skip
    prices = Prices.read(file)
    usage = Usage(prompt_tokens=1000, completion_tokens=10, total_tokens=1010, cached_tokens=400)
    assert prices.cost("m", usage) == Fraction(600 + 40 + 1000, 10**7)
    assert prices.cost("n", usage) == Fraction(2030, 10**6)
    assert prices.cost("m-2026-01-31", usage) == prices.cost("m", usage)
    assert prices.cost("m", Usage(5, 0, 5, 50)) == Fraction(5, 10**8)  # No more than the prompt.


def test_a_model_without_a_price_is_one_sentence() -> None:
    prices = Prices({"gpt-4o": {"prompt": 1, "completion": 2}}, "prices.json")
    prices.check(["gpt-4o", "gpt-4o-2024-08-06"])
    with pytest.raises(OptionError) as told:
        prices.check(["gpt-4x"])
    assert str(told.value) == ("prices.json has no price of the model gpt-4x; did you mean gpt-4o?")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[]", "is not an object such as"),
        ('{"m": 3}', "m is an object with prompt and completion, got 3"),
        ('{"m": {"prompt": 1}}', "m has no completion: dollars for a million tokens"),
        ('{"m": {"prompt": 1, "completion": 1, "cache": 1}}', '"cache"; did you mean cached?'),
        ('{"m": {"prompt": -1, "completion": 1}}', "m: prompt is from 0 to 1,000,000,000 dollars"),
        ('{"m": {"prompt": "1", "completion": 1}}', 'is a number of dollars for a million tokens, got "1"'),
        ('{"m": {"prompt": true, "completion": 1}}', "got true"),
        ('{"m": {"prompt": 1e400, "completion": 1}}', "m: prompt is from 0 to"),
        ('{"m": {"prompt": NaN, "completion": 1}}', "is not JSON: it holds NaN"),
        ("{", "is not JSON"),
        ("\ufeff{}x", "is not JSON"),
    ],
)  # fmt: skip
def test_what_is_no_table_is_said_in_a_sentence(tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "p.json"
    file.write_text(text)
    with pytest.raises(OptionError) as told:
        Prices.read(file)
    assert says in str(told.value)
    assert str(file) in str(told.value)
    assert "\n" not in str(told.value)


def test_dollars_are_written_as_fine_as_they_are() -> None:
    amounts = [Fraction(0), Fraction(1, 10**5), Fraction(1, 3), Fraction(4999), Fraction(10**7)]
    assert [*map(dollars, amounts)] == [
        "$0.00",
        "$0.000010",
        "$0.3333",
        "$4,999.00",
        "$10,000,000.00",
    ]

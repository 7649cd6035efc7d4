"""What tokens cost: a table of prices that the user gives, for nobody else knows them for long."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final

from graders import jsontext
from graders.errors import OptionError, nearest, quoted, shown
from graders.grade import Usage
from graders.remote import Place

__all__ = ["Price", "Prices", "dollars", "paid_text"]

_MILLION: Final = 1_000_000
_FIELDS: Final = ("prompt", "cached", "completion")
_DATE: Final = re.compile(r"-20\d\d-\d\d-\d\d$")
_HIGHEST: Final = 10**9
_FINEST: Final = Decimal("1e-15")


@dataclass(frozen=True, slots=True)
class Price:
    """What a model costs, in dollars for a million tokens.

    Attributes:
        prompt: of a prompt.
        completion: of what it answers, its thoughts included.
        cached: of those tokens of a prompt that its server had cached.
    """

    prompt: Fraction
    completion: Fraction
    cached: Fraction

    def of(self, usage: Usage) -> Fraction:
        """Return what tokens cost, in dollars."""
        cached = min(usage.cached_tokens, usage.prompt_tokens)
        fresh = usage.prompt_tokens - cached
        total = fresh * self.prompt + cached * self.cached
        return (total + usage.completion_tokens * self.completion) / _MILLION


class Prices:
    """The price of each model.

    Args:
        table: by a model's name `prompt` and `completion`, and `cached` where that is not the
            prompt's: dollars for a million tokens, from 0. A name without a date counts for every
            date of the model.
        called: what messages call the table.

    Raises:
        OptionError: it is no such table.
    """

    def __init__(self, table: Any, called: str = "prices") -> None:
        self._called = called
        if not isinstance(table, Mapping):
            raise OptionError(
                f'{called} is not an object such as {{"gpt-4o": {{"prompt": 2.5, "completion": 10}}}}, '
                f"got {quoted(table)}"
            )
        self._table = {str(model): self._price(str(model), one) for model, one in table.items()}

    @classmethod
    def read(cls, path: Place) -> Prices:
        """Return the table of a JSON file, here or elsewhere.

        Raises:
            OptionError: it cannot be read, or is none.
        """
        try:
            with path.open("rb") as file:
                text = jsontext.read_whole(file, 1 << 20).decode("utf-8-sig")
            # As decimals, which is what was meant: 0.1 is a tenth.
            table = json.loads(text, parse_float=Decimal, parse_constant=_refuse)
        except OSError as error:
            raise OptionError(f"{path} cannot be read: {error.strerror or error}") from None
        except (ValueError, RecursionError) as error:
            raise OptionError(f"{path} is not JSON: {shown(str(error), 120)}") from None
        return cls(table, str(path))

    def of(self, model: str) -> Price | None:
        """Return the price of a model, None where the table has none."""
        return self._table.get(model) or self._table.get(_DATE.sub("", model))

    def check(self, models: Iterable[str]) -> None:
        """See whether every model has its price.

        Raises:
            OptionError: one has none.
        """
        for model in models:
            if self.of(model) is None:
                near = nearest(model, self._table)
                hint = (
                    f"did you mean {near}?"
                    if near
                    else f"it has {', '.join(self._table) or 'none'}"
                )
                raise OptionError(f"{self._called} has no price of the model {model}; {hint}"[:400])

    def cost(self, model: str, usage: Usage) -> Fraction:
        """Return what tokens of a model cost, in dollars; 0 where it has no price."""
        price = self.of(model)
        return Fraction(0) if price is None else price.of(usage)

    def _price(self, model: str, found: Any) -> Price:
        where = f"{self._called}: {shown(model, 60)}"
        if not isinstance(found, Mapping):
            raise OptionError(
                f"{where} is an object with prompt and completion, got {quoted(found)}"
            )
        for name in found:
            if name not in _FIELDS:
                near = nearest(str(name), _FIELDS)
                hint = f"did you mean {near}?" if near else f"there are {', '.join(_FIELDS)}"
                raise OptionError(f"{where} has {quoted(name)}; {hint}")
        for name in ("prompt", "completion"):
            if name not in found:
                raise OptionError(f"{where} has no {name}: dollars for a million tokens")
        read = {name: _amount(f"{where}: {name}", value) for name, value in found.items()}
        return Price(read["prompt"], read["completion"], read.get("cached", read["prompt"]))


def dollars(amount: Fraction | float) -> str:
    """Return an amount as people write it, to four digits more than cents where it is small."""
    digits = 2 if amount >= 100 or not amount else 4 if amount >= Fraction(1, 100) else 6
    return f"${float(amount):,.{digits}f}"


def paid_text(paid: Mapping[str, Any]) -> str:
    """Return what was paid in words, given as `Paid.to_dict` has it."""
    used, more = paid["tokens"], paid["perhaps_tokens"]
    if paid["dollars"] is None:
        text = f"{used:,} tokens paid for"
        text += f", perhaps {more:,} more" if more else ""
        return text + ("" if paid["budget_tokens"] is None else f", of {paid['budget_tokens']:,}")
    text = f"{dollars(paid['dollars'])} for {used:,} tokens"
    text += f", perhaps {dollars(paid['perhaps_dollars'])} for {more:,} more" if more else ""
    budgets = [] if paid["budget_dollars"] is None else [dollars(paid["budget_dollars"])]
    budgets += [] if paid["budget_tokens"] is None else [f"{paid['budget_tokens']:,} tokens"]
    return text + (f", of {' and '.join(budgets)}" if budgets else "")


def _amount(where: str, value: Any) -> Fraction:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal | Fraction):
        raise OptionError(
            f"{where} is a number of dollars for a million tokens, got {quoted(value)}"
        )
    # A float as it is written: 0.1 is a tenth.
    read = Decimal(str(value)) if isinstance(value, float) else value
    if (isinstance(read, Decimal) and read.is_nan()) or not 0 <= read <= _HIGHEST:
        raise OptionError(f"{where} is from 0 to {_HIGHEST:,} dollars, got {shown(str(value), 30)}")
    return Fraction(read.quantize(_FINEST) if isinstance(read, Decimal) else read)


def _refuse(name: str) -> Any:
    raise ValueError(f"it holds {name}")

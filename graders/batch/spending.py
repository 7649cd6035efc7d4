"""The books of a run: what it pays for models, beside its results until they are complete."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from graders.batch.option import ScoreOptions
from graders.batch.output import FileOutput, StreamOutput, ledger_of
from graders.errors import OptionError
from graders.grading.performers import Performers, Setup
from graders.models.option import DEFAULT_EMBEDDING
from graders.models.price import Prices
from graders.wire.endpoint import LOCAL, base_url

if TYPE_CHECKING:
    from graders.models.ledger import Ledger

__all__ = ["books"]


@contextlib.contextmanager
def books(
    performers: Performers,
    setup: Setup | None,
    options: ScoreOptions,
    output: FileOutput | StreamOutput,
) -> Iterator[Ledger | None]:
    """Give the ledger of a run; None where nobody asks what it pays.

    A run that goes on takes up the books of the one before, whether it asks or not: what was paid
    for is not paid for again.

    Raises:
        OptionError: a price is missing, nobody knows what is paid, or paid replies stand there and
            neither `resume` nor `restart` says what is to become of them.
    """
    place = ledger_of(output.path) if isinstance(output, FileOutput) else None
    if place is not None and (options.restart or output.finished.complete):
        _remove(place)
    asked = options.prices is not None or options.budget_tokens is not None
    left = place is not None and place.exists()
    if output.finished.complete or not (asked or left):
        yield None
        return
    if left and not options.resume:
        raise OptionError(
            f"{place.name if place else ''} holds replies that an interrupted run has paid for: "
            "--resume goes on with them, --restart drops them"
        )
    prices = None if options.prices is None else Prices.read(options.prices)
    _check(performers, setup, prices)
    from graders.models.cache import ReplyCache  # noqa: PLC0415  (SQLite, asyncio)
    from graders.models.ledger import Ledger  # noqa: PLC0415

    budget = None if options.budget is None else Fraction(str(options.budget))
    store = None if place is None else ReplyCache(place)
    ledger = Ledger(prices, budget=budget, tokens=options.budget_tokens, store=store)
    performers.keep_books(ledger)
    try:
        yield ledger
    except BaseException:
        _leave(performers, ledger)
        if place is not None and ledger.is_empty:
            _remove(place)
        raise
    _leave(performers, ledger)
    if place is not None:  # All is in the manifest, and nothing is left to be gone on with.
        _remove(place)


def _leave(performers: Performers, ledger: Ledger) -> None:
    performers.keep_books(None)
    ledger.close()


def _check(performers: Performers, setup: Setup | None, prices: Prices | None) -> None:
    """See whether what is paid can be known, and every model asked has its price."""
    if setup is None:
        raise OptionError(
            "prices and budgets are for models asked by graders, not by your own judge"
        )
    if prices is None:
        return
    judge, plan, here = setup.judge, performers.plan, base_url(setup.judge.base_url)
    asked = [leaf.model for leaf in plan.leaves if leaf.performer == "chat" and leaf.model]
    judges = [(model, here) for model in asked]
    if judge.panel is not None and asked:
        judges = [(one.model, one.base_url or here) for one in judge.panel.judges]
    if plan.needs("embed"):
        judges.append((judge.embedding_model or DEFAULT_EMBEDDING, judge.embedding_url or here))
    paid = [model for model, server in judges if server != LOCAL]
    prices.check(
        one if prices.of(one) is not None else judge.model_map.get(one, one) for one in paid
    )


def _remove(place: Path) -> None:
    for end in ("", "-wal", "-shm", "-journal"):
        place.with_name(place.name + end).unlink(missing_ok=True)

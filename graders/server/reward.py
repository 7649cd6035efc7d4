"""Rewards of the graders that a server was started with: bodies of any form in, graded together, answers out."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from threading import Event, Lock
from typing import Any, Final

from graders import jsontext
from graders.api import Grader
from graders.config import Loaded
from graders.errors import OptionError, quoted
from graders.grade import Failure, Grade, Usage
from graders.plan import build
from graders.reading import Reading
from graders.server.form import FORMS, Form, Known, Row
from graders.server.frame import Answer, pack, unbundle
from graders.server.json_object import parse_body
from graders.server.option import ServeOptions
from graders.server.weight import excess, grade_fit
from graders.template import without_nulls
from graders.wire.error import ApiError

__all__ = ["NAME", "Rewards", "Served", "facts_of", "served"]

NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
"""What a grader may be called in paths."""


@dataclass(frozen=True, slots=True)
class Served:
    """What the server knows of a grader that it serves.

    Attributes:
        type: its type, as in the JSON.
        title: its own name.
        asks: whether it asks sandboxes or servers, and so is graded where others do not wait for it.
    """

    type: str
    title: str
    asks: bool


def served(graders: Mapping[str, Loaded], reading: Reading) -> dict[str, Served]:
    """Return what is known of graders by name.

    Raises:
        OptionError: a name is none that a path can have; they are read as Jinja templates.
    """
    if graders and reading.dialect != "hosted":
        raise OptionError(
            f"a grader is served with --dialect hosted, got {reading.dialect}: how much work a row "
            "is has to be known before it is done"
        )
    found = {}
    for name, loaded in graders.items():
        if not NAME.fullmatch(name):
            raise OptionError(
                f"a grader is served by a name of letters, digits, '.', '-' and '_', got {quoted(name)}"
            )
        plan = build(loaded.config, reading)
        found[name] = Served(plan.type, plan.name, plan.asks)
    return found


class Rewards:
    """Answers requests for rewards. Several threads may use one.

    Args:
        options: how the server is run; the graders stand there.
        make: makes a grader that shares what others use, too.
    """

    def __init__(self, options: ServeOptions, make: Callable[[Loaded, Reading], Grader]) -> None:
        self._options = options
        self._make = make
        self._graders: dict[str, Grader] = {}
        self._lock = Lock()

    def answer(self, body: bytes, stop: Event) -> Answer:
        """Return the answers to a bundle of requests, whose rows are graded together.

        Args:
            body: the bundle; all of it is for one grader.
            stop: set from another thread once nobody waits.
        """
        name, requests = unbundle(body)
        grader = self._grader(name)
        read = [self._read(FORMS[form], sent) for form, sent in requests]
        rows = [row for _, _, rows in read for row in rows]
        grades = _graded(grader, rows, stop)
        plan = grader.plan
        known = Known(self._options.failed, plan.asks_servers, plan.invalid_grade is not None)
        answers, at = [], 0
        for number, (form, value, own) in enumerate(read):
            told = self._told(form, value, grades[at : at + len(own)], known)
            answers.append(pack(number, told))
            at += len(own)
        return Answer(200, b"".join(answers))

    def _grader(self, name: str) -> Grader:
        with self._lock:
            if name not in self._graders:
                self._graders[name] = self._make(self._options.graders[name], self._options.reading)
            return self._graders[name]

    def _read(self, form: Form, body: bytes) -> tuple[Form, Any, list[Row]]:
        """Return the value and the rows of a body; the error, and no rows, where it has none."""
        try:
            value = parse_body(body, "[" if form.body.get("type") == "array" else "{")
            return form, value, _at_most(self._options.limits.rows, form.read(value))
        except ApiError as error:
            return form, error, []

    def _told(self, form: Form, value: Any, grades: Sequence[Grade], known: Known) -> Answer:
        facts = facts_of(grades) if grades else {}
        if not isinstance(value, ApiError):
            try:
                told = form.tell(value, grades, known)
                text = (
                    json.dumps(told, separators=(",", ":")).encode()
                    if form.nan
                    else jsontext.encode(told)
                )
                return Answer(200, text, facts)
            except ApiError as error:
                value = error
        return Answer(value.status, jsontext.encode(value.body()), facts)


def _at_most(most: int, rows: list[Row]) -> list[Row]:
    if len(rows) > most:
        says = f"the request has {len(rows):,} rows, and may have {most:,}; send it in parts"
        raise ApiError(413, says, code="request_too_large")
    return rows


def _graded(grader: Grader, rows: Sequence[Row], stop: Event) -> list[Grade]:
    """Return the grade of each row, in order; rows that cannot be graded have failed."""
    known: dict[int, Failure] = {}
    for at, row in enumerate(rows):
        if row.failure is not None:
            known[at] = row.failure
        elif (too_much := excess(grader.plan, row.item, row.sample)) is not None:
            known[at] = Failure("other_error", too_much)
    # As for every reward: a null that a template names is a value that the row lacks.
    named = grader.plan.item_steps
    pairs = [
        {} if at in known else {"item": without_nulls(row.item, named), "sample": row.sample}
        for at, row in enumerate(rows)
    ]
    return grade_fit(grader, pairs, known, stop)


def facts_of(grades: Sequence[Grade]) -> dict[str, Any]:
    """Return what is counted of grades of one grader: rows, those that failed, codes, tokens."""
    tokens, codes, failed = Usage(), Counter[str](), 0
    for grade in grades:
        for usage in grade.usage.values():
            tokens += usage
        known = {one.code for one in grade.failures + grade.replaced}
        failed += bool(known)
        codes.update(known)
    return {
        "type": grades[0].type, "rows": len(grades), "failed": failed, "codes": dict(codes),
        "tokens": tokens.to_dict(),
    }  # fmt: skip

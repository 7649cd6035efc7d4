"""What goes between the server and its grading processes: heads of fixed length, then bytes."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from graders import jsontext

__all__ = [
    "ANSWER",
    "NUMBER",
    "REQUEST",
    "Answer",
    "Elsewhere",
    "bundle",
    "framed",
    "pack",
    "split",
    "unbundle",
    "unpack",
]

REQUEST: Final = struct.Struct(">QBI")
"""A request's head: its number, its task's place in TASKS, the length of its body."""
ANSWER: Final = struct.Struct(">QHII")
"""An answer's head: the request's number, the status, the lengths of facts and body."""
NUMBER: Final = struct.Struct(">Q")
"""The body of `stop`: the number of a request whose answer nobody waits for any more."""
_ELSEWHERE: Final = 0
"""What stands for a status where the request is for another process."""
_NAME: Final = struct.Struct(">H")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request is answered with.

    Attributes:
        status: the HTTP status.
        body: JSON.
        facts: what is counted of it: the grader's type, rows, failure codes, tokens.
    """

    status: int
    body: bytes = b""
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """That a request is for a process which asks and waits.

    Attributes:
        grader: what requests with the same grader have in common, and others have not.
    """

    grader: bytes


def pack(number: int, answer: Answer | Elsewhere) -> bytes:
    """Return an answer to a request as it goes to the server; `unpack` reads what follows its head."""
    if isinstance(answer, Elsewhere):
        return ANSWER.pack(number, _ELSEWHERE, 0, len(answer.grader)) + answer.grader
    facts = jsontext.encode(answer.facts) if answer.facts else b""
    head = ANSWER.pack(number, answer.status, len(facts), len(answer.body))
    return head + facts + answer.body


def unpack(status: int, facts: bytes, body: bytes) -> Answer | Elsewhere:
    """Return the answer that a process wrote."""
    if status == _ELSEWHERE:
        return Elsewhere(body)
    return Answer(status, body, jsontext.decode(facts or b"{}"))


def framed(form: int, body: bytes) -> bytes:
    """Return a request for rewards as it goes into a bundle.

    Args:
        form: the place of its form in FORMS.
        body: the request's body.
    """
    return REQUEST.pack(0, form, len(body)) + body


def bundle(grader: bytes, requests: Sequence[bytes]) -> bytes:
    """Return requests for the rewards of one grader, which are graded together, as one body."""
    return _NAME.pack(len(grader)) + grader + b"".join(requests)


def unbundle(body: bytes) -> tuple[str, list[tuple[int, bytes]]]:
    """Return the grader's name, and the form and the body of each request, of a bundle."""
    at = _NAME.size + _NAME.unpack_from(body)[0]
    name, found = body[_NAME.size : at].decode(), []
    while at < len(body):
        _, form, length = REQUEST.unpack_from(body, at)
        at += REQUEST.size
        found.append((form, body[at : at + length]))
        at += length
    return name, found


def split(answers: bytes) -> Iterator[Answer]:
    """Yield the answers to the requests of a bundle, in order; each was packed."""
    at = 0
    while at < len(answers):
        _, status, facts, length = ANSWER.unpack_from(answers, at)
        at += ANSWER.size
        answer = unpack(status, answers[at : at + facts], answers[at + facts : at + facts + length])
        at += facts + length
        if isinstance(answer, Elsewhere):
            raise TypeError("a process that grades a bundle answers each of its requests")
        yield answer

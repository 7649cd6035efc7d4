"""What is known of a code: one entry, with an example on which it comes about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, get_args

__all__ = ["SORTS", "Case", "Meaning", "Sort"]

Sort = Literal[
    "exit code", "failure of a row", "fault of a config", "lint rule", "end of a job",
    "reason in a job's verdict", "attack of probe", "refusal of the server",
]  # fmt: skip
SORTS: Final[tuple[Sort, ...]] = get_args(Sort)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Something in which a code comes about. Every part is shown, and given, as it stands here.

    Attributes:
        grader: the config; None where there is none.
        row: a line of rows, as text.
        reply: what the judge or the endpoint answers, in words.
        rows: rows of the file of a probe, a table or a job's training file.
        validation: rows of a job's validation file.
        words: what is typed, where the code comes of that.
        body: more of a job's body than its grader.
        note: how else it comes about, where no row and no words show it.
    """

    grader: Any = None
    row: str = ""
    reply: str = ""
    rows: Sequence[Any] | None = None
    validation: Sequence[Any] | None = None
    words: str = ""
    body: Any = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning:
    """What a code means.

    Attributes:
        code: as it is printed.
        sort: what it is a code of.
        what: what it says, in a sentence.
        why: why it matters, or how it comes about.
        cure: what to do.
        case: an example.
        page: where the documentation has more.
        name: another name, of a lint rule.
    """

    code: str
    sort: Sort
    what: str
    cure: str
    case: Case
    page: str
    why: str = ""
    name: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the meaning as JSON; parts of the example that it does not have are left out."""
        case = {
            name: value
            for name in Case.__slots__
            if (value := getattr(self.case, name)) not in (None, "", {})
        }
        head = {"code": self.code, "name": self.name or self.code, "sort": self.sort}
        said = {"what": self.what, "why": self.why, "cure": self.cure}
        return {**head, **said, "example": case, "page": self.page}

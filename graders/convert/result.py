"""What a conversion gives: what was written, and by name what could not be carried over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Converted", "Loss", "Parts"]


@dataclass(frozen=True, slots=True)
class Loss:
    """Something that is not carried over as it was.

    Attributes:
        path: where it stands in the document that was read, as a JSON path.
        what: what it is, in the vendor's own word.
        why: why it is not carried over, and what became of it.
        nearest: what comes nearest on the other side; "" for nothing.
    """

    path: str
    what: str
    why: str
    nearest: str = ""

    def __str__(self) -> str:
        near = f"; nearest: {self.nearest}" if self.nearest else ""
        return f"{self.path}: {self.what}: {self.why}{near}"

    def to_dict(self) -> dict[str, str]:
        """Return the loss as a JSON object."""
        return {
            "path": self.path, "what": self.what, "why": self.why, "nearest": self.nearest,
        }  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Converted:
    """What came out of a conversion.

    Attributes:
        document: the one document that was made; None where it is a folder.
        files: the texts of a folder by their names; empty where it is one document.
        losses: what was not carried over.
        notes: what is carried over, and asks something of whoever uses it.
        rows: the rows that came with what was read, `{"item": ...}` each.
    """

    document: Any = None
    files: Mapping[str, str] = field(default_factory=dict)
    losses: Sequence[Loss] = ()
    notes: Sequence[str] = ()
    rows: Sequence[Mapping[str, Any]] = ()


@dataclass(slots=True)
class Parts:
    """Sub-graders under keys of their own, while a document is read, with what is said of it."""

    graders: dict[str, dict[str, Any]] = field(default_factory=dict)
    losses: list[Loss] = field(default_factory=list)
    notes: dict[str, None] = field(default_factory=dict)

    def key(self, name: str) -> str:
        """Return a key that a formula can say, close to a name and not yet taken."""
        plain = "".join(one if one.isascii() and one.isalnum() else "_" for one in name).strip("_")
        plain = plain[:40] or "part"
        plain = plain if plain[0].isalpha() else f"part_{plain}"
        taken, found, count = {*self.graders, *_FUNCTIONS}, plain, 1
        while found in taken:
            count += 1
            found = f"{plain}_{count}"
        return found

    def note(self, says: str) -> None:
        """Say something once."""
        self.notes[says] = None


_FUNCTIONS = frozenset({"min", "max", "abs", "floor", "ceil", "exp", "sqrt", "log"})

"""What a client of model servers has done so far."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from graders.grade import Usage

__all__ = ["JudgeStats"]


@dataclass(slots=True)
class JudgeStats:
    """Counts of one client; both chat and embeddings have one.

    Attributes:
        server: the server's address, or `local`.
        requests: requests sent, tries included.
        answered: requests a model answered: what a server may bill.
        retries: requests sent again after a connection fault, a 5xx or a 429.
        limited: answers of status 429.
        lost: requests whose connection broke once they were sent, with no answer: a server may
            bill them.
        hits: replies taken from the cache.
        misses: replies looked for in the cache and not found there.
        used: tokens of the requests answered in this run, by model.
        saved: tokens of the replies from the cache, by model.
        left_out: replies to requests that went without a parameter of the config's, by its name.
        notes: what was sent otherwise than the config says, each thing once.
    """

    server: str = ""
    requests: int = 0
    answered: int = 0
    retries: int = 0
    limited: int = 0
    lost: int = 0
    hits: int = 0
    misses: int = 0
    used: dict[str, Usage] = field(default_factory=dict)
    saved: dict[str, Usage] = field(default_factory=dict)
    left_out: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def note(self, text: str) -> None:
        """Keep a note, once."""
        if text not in self.notes:
            self.notes.append(text)

    def count(self, model: str, usage: Usage | None, *, saved: bool) -> None:
        """Add one reply's tokens."""
        if usage is not None:
            column = self.saved if saved else self.used
            column[model] = column.get(model, Usage()) + usage

    def went_without(self, names: Iterable[str]) -> None:
        """Count a reply to a request that went without some of the config's parameters."""
        for name in names:
            self.left_out[name] = self.left_out.get(name, 0) + 1

    def to_dict(self) -> dict[str, object]:
        """Return the counts as JSON."""
        return {
            "server": self.server,
            "requests": self.requests,
            "answered": self.answered,
            "retries": self.retries,
            "rate_limited": self.limited,
            "lost": self.lost,
            "cache_hits": self.hits,
            "cache_misses": self.misses,
            "tokens_used": {model: one.to_dict() for model, one in self.used.items()},
            "tokens_saved": {model: one.to_dict() for model, one in self.saved.items()},
            "left_out": dict(self.left_out),
            "notes": list(self.notes),
        }

"""What a rule is: a stable code, why it matters, an example, and the function that looks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from graders.inspection.lint.finding import Example, Hit, Severity, Target
from graders.inspection.lint.subject import Subject

__all__ = ["Rule", "never"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A stable code and what stands behind it.

    Attributes:
        code: `G` and three digits; never used for anything else.
        name: a few words with hyphens.
        severity: how bad it is; `elsewhere` differs by target, None for silent there.
        what: what it finds.
        why: why it matters.
        fix: what to do, in one line.
        example: a grader on which it fires.
        check: yields what it finds.
    """

    code: str
    name: str
    severity: Severity
    what: str
    why: str
    fix: str
    example: Example
    check: Callable[[Subject], Iterator[Hit]] = field(compare=False)
    elsewhere: Mapping[Target, Severity | None] = field(default_factory=dict)

    def severity_for(self, target: Target) -> Severity | None:
        """Return how bad it is for a target, None where it is nothing."""
        return self.elsewhere.get(target, self.severity)


def never(_: Subject) -> Iterator[Hit]:
    """Find nothing: the rule speaks for faults that loading finds."""
    return iter(())

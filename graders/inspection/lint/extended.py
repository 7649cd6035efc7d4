"""Rules of extensions: with codes of their own, and checked as they look."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Final

from graders.extension import Extension, called, has, load, loader, named, takes
from graders.inspection.lint.finding import SEVERITIES, TARGETS, Example, Hit
from graders.inspection.lint.rule import Rule
from graders.inspection.lint.subject import Subject

__all__ = ["load_rule"]

_CODE: Final = re.compile(r"[A-FH-Z][A-Z]{1,7}[0-9]{3}")
_TEXTS: Final = dict.fromkeys(("code", "name", "what", "why", "fix"), str)
_RIGHT: Final = "a graders.inspection.lint.Rule"


@loader
def load_rule(extension: Extension) -> Rule:
    """Return the rule of an extension, checked, and checked whenever it looks.

    Raises:
        ExtensionError: it cannot be used.
    """
    rule = load(extension, Rule, _RIGHT)
    has(extension, rule, {**_TEXTS, "example": Example, "elsewhere": Mapping})
    if rule.code != extension.name:
        extension.refuse(f"gives a rule of the code {rule.code!r}; the two are to be the same")
    if not _CODE.fullmatch(rule.code):
        extension.refuse(
            "has a code that no extension can have; write two to eight capital letters, the first "
            "not G, and three digits, such as ACME001"
        )
    for severity in (rule.severity, *rule.elsewhere.values()):
        if severity is not None and severity not in SEVERITIES:
            extension.refuse(
                f"has {named(severity)} for a severity; {_listed(SEVERITIES)} is needed"
            )
    if not set(rule.elsewhere) <= set(TARGETS):
        extension.refuse(f"differs for what is no target; {_listed(TARGETS)} is one")
    if not takes(rule.check, 1):
        extension.refuse("has a check that cannot be called with a Subject")
    return replace(rule, check=_checked(extension, rule.check))


def _listed(choices: tuple[str, ...]) -> str:
    return f"one of {', '.join(choices)}"


def _checked(
    extension: Extension, check: Callable[[Subject], Iterator[Hit]]
) -> Callable[[Subject], Iterator[Hit]]:
    def checked(subject: Subject) -> Iterator[Hit]:
        for hit in called(extension, "in check()", lambda: list(check(subject))):
            if not isinstance(hit, Hit):
                extension.refuse(f"gave {named(hit)} in check(); a Hit is needed")
            has(extension, hit, {"place": tuple, "message": str, "fix": str})
            if hit.severity not in (None, *SEVERITIES):
                extension.refuse(f"gave a Hit with {named(hit.severity)} for its severity")
            yield hit

    return checked

"""Every rule, and their run over one grader."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from graders.config import json_path
from graders.config.document import spots
from graders.errors import OptionError, nearest
from graders.extension import every, names
from graders.inspection.lint import (
    cell,
    fault,
    file,
    form,
    formula,
    job,
    judge,
    machine,
    python,
    row,
    schema,
    template,
    text,
    threshold,
)
from graders.inspection.lint.extended import load_rule
from graders.inspection.lint.finding import SEVERITIES, Finding, Hit, Severity
from graders.inspection.lint.rule import Rule
from graders.inspection.lint.subject import Subject

__all__ = ["RULES", "check_codes", "chosen", "lint", "rules"]

RULES: Final[tuple[Rule, ...]] = (
    *fault.RULES,
    *formula.RULES,
    *template.RULES,
    *threshold.RULES,
    *text.RULES,
    *judge.RULES,
    *python.RULES,
    *machine.RULES,
    *row.RULES,
    *form.RULES,
    *cell.RULES,
    *job.RULES,
    *file.RULES,
    *schema.RULES,
)
"""Every rule of ours, by code."""


def rules() -> tuple[Rule, ...]:
    """Return every rule: ours, then those of extensions.

    Raises:
        ExtensionError: an extension cannot be used.
    """
    return (*RULES, *(load_rule(one) for one in every("rules", (rule.code for rule in RULES))))


def lint(subject: Subject) -> list[Finding]:
    """Return what the rules find in a grader, by line, the worst first where they share one.

    Raises:
        ExtensionError: a rule of an extension cannot be used, or fails.
    """
    hits = [
        (rule, severity, hit)
        for rule in rules()
        if (severity := rule.severity_for(subject.target)) is not None
        for hit in rule.check(subject)
    ]
    found = list(_placed(subject, hits))
    return sorted(found, key=_order)


def _order(one: Finding) -> tuple[str, int, int, int, str]:
    return one.file, one.line or 0, one.column or 0, SEVERITIES.index(one.severity), one.code


def _placed(subject: Subject, hits: Sequence[tuple[Rule, Severity, Hit]]) -> Iterator[Finding]:
    text = subject.loaded.text
    wanted = [(hit.place, hit.offset) for _, _, hit in hits]
    known = spots(text, wanted) if text is not None and hits else {}
    for rule, severity, hit in hits:
        line, column = known.get((hit.place, hit.offset), (None, None))
        if hit.file is not None:
            line, column = hit.line, 1
        yield Finding(
            code=rule.code,
            name=rule.name,
            severity=hit.severity or severity,
            file=hit.file or subject.loaded.file,
            path=json_path(hit.place),
            message=hit.message,
            fix=hit.fix or rule.fix,
            line=line,
            column=column,
        )


def check_codes(codes: Sequence[str]) -> None:
    """Check codes and prefixes of codes.

    Raises:
        OptionError: no rule has such a code.
    """
    known = [rule.code for rule in RULES]
    if not all(any(one.startswith(code) for one in known) for code in codes):
        known += names("rules")
    for code in codes:
        if not any(one.startswith(code) for one in known):
            near = nearest(code, known)
            hint = (
                f"did you mean {near}?"
                if near
                else "codes are G101 and so on, or a beginning of them"
            )
            raise OptionError(f"no rule has the code {code!r}; {hint}")


def chosen(
    findings: Iterable[Finding], select: Sequence[str] = (), ignore: Sequence[str] = ()
) -> list[Finding]:
    """Return the findings whose code is selected (with no selection: any) and not ignored.

    The longer of two prefixes that fit decides, so that `--ignore G4 --select G405` keeps G405.
    """
    return [
        one for one in findings if _fits(one.code, select) > _fits(one.code, ignore) - (not select)
    ]


def _fits(code: str, prefixes: Sequence[str]) -> int:
    return max((len(one) for one in prefixes if code.startswith(one)), default=0)

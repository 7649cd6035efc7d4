"""Finding what a code means, however it was copied; the nearest where there is none."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache

from graders.errors import OptionError, nearest
from graders.extension import every as added
from graders.extension import names
from graders.inspection.lint import RULES, Rule
from graders.inspection.lint.extended import load_rule
from graders.inspection.meaning.attack import ATTACKED
from graders.inspection.meaning.entry import Case, Meaning
from graders.inspection.meaning.exit import EXITS
from graders.inspection.meaning.failure import FAILURES
from graders.inspection.meaning.job import JOBS
from graders.inspection.meaning.server import REFUSALS
from graders.inspection.meaning.verdict import VERDICTS

__all__ = ["beginning_with", "every", "meaning_of"]


def beginning_with(code: str) -> list[Meaning]:
    """Return the lint rules whose codes begin so, such as `G4`; none for what is no beginning."""
    if not re.fullmatch(r"G[0-9]{0,2}", code.upper()):
        return []
    return [one for one in every().values() if one.code.startswith(code.upper())]


@cache
def every() -> Mapping[str, Meaning]:
    """Return all meanings by code, sort by sort."""
    rules = tuple(map(_of_rule, RULES))
    return {
        one.code: one for one in (*EXITS, *FAILURES, *rules, *JOBS, *VERDICTS, *ATTACKED, *REFUSALS)
    }


def meaning_of(code: str) -> Meaning:
    """Return what a code means, in whatever case and with whatever marks around it.

    Raises:
        OptionError: nothing has such a code; says the nearest.
        ExtensionError: the rule of an extension cannot be used.
    """
    known = every()
    wanted = re.sub(r"^exit[\s_-]*(code)?[\s_-]*", "", code.strip(" \t\n.,:;'\"`()[]").casefold())
    for one in known.values():
        if wanted in {one.code.casefold(), one.name.casefold() or None}:
            return one
    of_extensions = [one for one in names("rules") if one.casefold() == wanted]
    if of_extensions:
        rules = added("rules", (rule.code for rule in RULES))
        return next(_of_rule(load_rule(one)) for one in rules if one.name == of_extensions[0])
    # A code's digits are near to many others': those that begin alike are meant more often.
    spelt = [*known, *(one.name for one in known.values() if one.name)]
    near = (
        nearest(wanted.upper(), spelt) if re.fullmatch(r"g\d*", wanted) else nearest(wanted, spelt)
    )
    hint = f"did you mean {near}?" if near else "graders explain lists them"
    raise OptionError(f"nothing has the code {code!r}; {hint}")


def _of_rule(rule: Rule) -> Meaning:
    example = rule.example
    words = [f"--target {example.target}"] if example.target != "local" else []
    words += [f"--dialect {example.dialect}"] if example.dialect != "hosted" else []
    words += ["--cells text"] if example.cells else []
    files = [f"--{use}-file {use}.jsonl" for use in ("training", "validation") if getattr(example, use) is not None]  # fmt: skip
    rows = ["--rows rows.jsonl"] if example.rows is not None else []
    return Meaning(
        code=rule.code, name=rule.name, sort="lint rule", what=rule.what, why=rule.why, cure=rule.fix,
        case=Case(
            grader=example.grader, rows=example.rows if example.rows is not None else example.training,
            validation=example.validation,
            words=" ".join(["graders validate grader.json", *rows, *files, *words]),
        ),
        page="docs/reference/lint.md",
    )  # fmt: skip

"""Writes docs/reference/lint.md from the rules; tools/reference.py calls it."""

from __future__ import annotations

import json
from typing import Any

from graders.inspection.lint import RULES, TARGETS, Rule
from graders.report.explain import compact

WIDE = 100

HEAD = """# Lint rules

`graders validate` looks at a grader with these rules: [how to use it in CI](../howto/lint.md). A code never changes its
meaning. An **error** makes the command exit with 1, a **warning** only with `--strict`, an **info** never; faults that keep a
config from loading exit with 2. `--select` and `--ignore` take codes and beginnings of codes: `--ignore G4` leaves out all
about judges, and with `--ignore G4 --select G405` the longer one counts.

Where a target is named, the severity differs for it (`--target local`, the default, `openai` or `azure`). Python sources are
read and never run for this. What a formula can reach is shown by numbers that reach it; what it cannot is proved by interval
arithmetic, so neither is a guess.
"""

GROUPS = {
    "G0": "The config",
    "G1": "Formulas and constant scores",
    "G2": "Templates",
    "G3": "Text metrics and thresholds",
    "G4": "Judges",
    "G5": "Python sources",
    "G6": "Rows (`--rows`)",
    "G7": "Job bodies and training files",
}


def lint_page(made: str) -> str:
    """Return docs/reference/lint.md."""
    parts = [made, HEAD, _overview()]
    for start, title in GROUPS.items():
        parts.append(f"## {title}\n")
        parts += [_section(rule) for rule in RULES if rule.code.startswith(start)]
    return "\n".join(parts)


def _overview() -> str:
    rows = [
        f"| [{rule.code}](#{rule.code.lower()}-{rule.name}) | {_severity(rule)} | {rule.what} |"
        for rule in RULES
    ]
    return "\n".join(["| code | severity | what |", "|---|---|---|", *rows, ""])


def _severity(rule: Rule) -> str:
    differs = [
        f"{target}: {severity or 'silent'}"
        for target in TARGETS
        if (severity := rule.severity_for(target)) != rule.severity
    ]
    return rule.severity + (f" ({', '.join(differs)})" if differs else "")


def _section(rule: Rule) -> str:
    return f"""### {rule.code} {rule.name}

{_severity(rule)}. {rule.what}

**Why.** {rule.why}

**Fix.** {rule.fix}

{_example(rule)}"""


def _example(rule: Rule) -> str:
    example = rule.example
    words = [f"--target {example.target}"] if example.target != "local" else []
    words += [f"--dialect {example.dialect}"] if example.dialect != "hosted" else []
    fires = f"Fires on, with `{' '.join(words)}`" if words else "Fires on"
    grader = example.grader
    if grader.get("type") == "python":
        parts = [f"{fires}:\n\n```text\n{grader['source'].rstrip()}\n```\n"]
    else:
        parts = [f"{fires}:\n\n```text\n{compact(grader, width=WIDE)}\n```\n"]
    for what, lines in (
        ("rows", example.rows),
        ("the training file", example.training),
        ("the validation file", example.validation),
    ):
        if lines is not None:
            parts.append(f"with {what}:\n\n```text\n{_lines(lines)}\n```\n")
    return "\n".join(parts)


def _lines(rows: Any) -> str:
    shown = [json.dumps(row, ensure_ascii=False) for row in rows[:4]]
    more = len(rows) - len(shown)
    return "\n".join([*shown, *([f"… and {more:,} more"] if more else [])]) or "(nothing)"

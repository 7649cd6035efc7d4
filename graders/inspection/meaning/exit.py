"""What the exit codes of commands mean."""

from __future__ import annotations

from typing import Any, Final

from graders.inspection.meaning.entry import Case, Meaning
from graders.inspection.meaning.job import CHECK, row

__all__ = ["EXITS"]

_ROW: Final = '{"item": {"answer": "Paris"}, "sample": "Paris"}'


def _exit(  # noqa: PLR0917
    code: str, what: str, cure: str, grader: Any, row: str, words: str, why: str = ""
) -> Meaning:
    case = Case(grader=grader, row=row, words=words)
    return Meaning(
        code=code, sort="exit code", what=what, why=why, cure=cure, case=case,
        page="docs/reference/command.md",
    )  # fmt: skip


_SCORE: Final = "graders score grader.json rows.jsonl -o results.jsonl"
EXITS: Final = (
    _exit("0", "Done, and nothing is to be seen to.", "Nothing.", CHECK, _ROW, _SCORE),
    _exit(
        "1",
        "It ran, and something is not as it should be: rows failed, a test failed, a finding is an "
        "error, a gate is shut.",
        "Read what stands on standard error; graders explain says what its codes mean.",
        CHECK, '{"item": {}, "sample": "Paris"}', _SCORE,
        why="A script or CI can tell a result that is bad from a command that could not run (2).",
    ),
    _exit(
        "2",
        "Nothing ran: the command line, a file or the grader has a fault.",
        "Mend what the sentence on standard error names; graders COMMAND --help has the options.",
        {**CHECK, "operation": "equals"}, _ROW, _SCORE,
    ),
    Meaning(
        code="3", sort="exit code", what="A job would run but teach nothing: no trainer could learn from its rewards.",
        cure="Read the reasons, which come first; graders explain has each.",
        case=Case(
            grader=CHECK, rows=[row("Paris", "Paris")], validation=[row("Rome")],
            words="graders job run body.json",
        ),
        page="docs/reference/job.md",
    ),
    Meaning(
        code="4", sort="exit code", what="Of a job it is not known: this machine lacks something that the dry run needs.",
        cure="Give what the first reason names: answers, a model, a key, a package.",
        case=Case(
            grader=CHECK, rows=[row()], validation=[row("Rome")], words="graders job run body.json"
        ),
        page="docs/reference/job.md",
    ),
    Meaning(
        code="130", sort="exit code", what="It was interrupted, or a job was paused.",
        why="Ctrl-C, SIGTERM and a closed terminal all end a command in order.",
        cure="Give the same command with --resume (graders job resume for a job): it goes on where it was.",
        case=Case(grader=CHECK, row=_ROW, words=_SCORE, note="Ctrl-C is pressed while it runs."),
        page="docs/reference/command.md",
    ),
)  # fmt: skip
"""Exit codes, ascending."""

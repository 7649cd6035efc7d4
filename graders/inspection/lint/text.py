"""G309 and on: characters of a grader's own texts that cannot be what was meant."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Final

from graders.inspection.lint.character import blind_to, control_in
from graders.inspection.lint.example import check, similar
from graders.inspection.lint.finding import Example, Hit
from graders.inspection.lint.rule import Rule
from graders.inspection.lint.subject import Subject, paths_in
from graders.kinds import TextSimilarity

__all__ = ["RULES"]

_DOUBLE: Final = (
    'Write two backslashes in JSON, or use YAML without quotes; in a python source write r"…".'
)


def _control(subject: Subject) -> Iterator[Hit]:
    for leaf in subject.leaves:
        for one in subject.fields(leaf):
            if (found := control_in(one.text)) is not None:
                yield Hit(
                    place=subject.place(leaf, *one.place),
                    offset=found[0],
                    message=f"the text has {found[1]}",
                )
        source = subject.source(leaf)
        for node in () if source is None else source.nodes:
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found = control_in(node.value)
                # A table of characters may name any; a word after one is an escape gone wrong.
                if found is not None and "backslash" in found[1]:
                    yield subject.source_hit(leaf, node, f"a text has {found[1]}")


def _blind(subject: Subject) -> Iterator[Hit]:
    for leaf, config in subject.of_kind(TextSimilarity):
        if paths_in(config.reference, subject.dialect):
            continue
        if why := blind_to(config.evaluation_metric, config.reference):
            yield Hit(
                place=subject.place(leaf, "evaluation_metric"),
                message=f"{why}: the reference is hardly seen",
            )


RULES: Final = (
    Rule(
        code="G309", name="control-character", severity="warning", check=_control,
        what="A text of the grader has a control character where a backslash was meant: `\\boxed` written with one backslash in JSON "
        'is a backspace and `oxed`, `\\frac` a form feed and `rac`; in a python source, `"\\bword\\b"` is no word boundary.',
        why="No answer has such a character: the check never holds.",
        fix=_DOUBLE,
        example=Example(grader=check(operation="like", reference="\x0crac{1}{2}")),
    ),
    Rule(
        code="G310", name="unseen-reference", severity="warning", check=_blind,
        what="The metric does not see the script of its reference: rouge knows a-z and 0-9; bleu, gleu and meteor cut words at blanks.",
        why="Texts that say the opposite score alike, by the few words that are seen.",
        fix="Use fuzzy_match, which compares every character.",
        example=Example(grader=similar(evaluation_metric="rouge_l", reference="Вода кипит при ста градусах.")),
    ),
)  # fmt: skip

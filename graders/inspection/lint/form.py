"""G614 and on: rows that miss by form alone, and texts in them that a grader cannot see."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Final

from graders.errors import quoted
from graders.inspection.lint.example import check, similar
from graders.inspection.lint.finding import Example, Hit
from graders.inspection.lint.measure import Tell
from graders.inspection.lint.rule import Rule
from graders.inspection.lint.subject import Subject
from graders.plan import Leaf

__all__ = ["RULES"]

_CURES: Final = {
    "spelling of JSON": "Compare values in a python grader, with json.loads of both; eq compares the spelling of JSON.",
    "spelling of a number": "Compare float() of both in a python grader.",
    "upper and lower case": "Use ilike, or lower both sides in a python grader, if case does not matter.",
    "blanks at the ends": "Strip both sides in a python grader, or use like.",
}
_NORMALIZE: Final = (
    'Bring both sides into one form in a python grader, with unicodedata.normalize("NFKC", text).'
)


def _told(subject: Subject, kind: str) -> Iterator[tuple[Leaf, dict[str, Tell]]]:
    for leaf in subject.leaves:
        tells = subject.measured.tells if subject.measured is not None else {}
        found = {
            what: one for (key, sort, what), one in tells.items() if (key, sort) == (leaf.key, kind)
        }
        if found:
            yield leaf, found


def _by_form(subject: Subject) -> Iterator[Hit]:
    for leaf, forms in _told(subject, "form"):
        count = sum(one.count for one in forms.values())
        first = min(forms.values(), key=lambda one: one.index)
        main = max(forms, key=lambda name: forms[name].count)
        listed = ", ".join(f"{name} ({one.count:,})" for name, one in forms.items())
        graded = subject.measured.graded if subject.measured is not None else 0
        yield Hit(
            place=subject.place(leaf),
            message=f"{count:,} of {graded:,} graded rows miss by form alone: {listed}; "
            f"first in row {first.index}, {quoted(first.shown[0], 40)} and {quoted(first.shown[1], 40)}",
            fix=_CURES.get(main, _NORMALIZE),
            severity="info" if set(forms) == {"upper and lower case"} else None,
        )


def _seen(subject: Subject, kind: str, place: str, says: str) -> Iterator[Hit]:
    for leaf, found in _told(subject, kind):
        for what, one in found.items():
            yield Hit(
                place=subject.place(leaf, place),
                message=says.format(what=what, count=f"{one.count:,}", index=one.index),
            )


_blind: Final = partial(
    _seen, kind="blind", place="evaluation_metric",
    says="{what}: it hardly sees {count} of the references, first row {index}",
)  # fmt: skip
_empty: Final = partial(
    _seen, kind="empty", place="reference",
    says="the reference is empty in {count} of the rows, first row {index}: {what}",
)  # fmt: skip


def _control(subject: Subject) -> Iterator[Hit]:
    if (measured := subject.measured) is None:
        return
    for (_, kind, what), one in measured.tells.items():
        if kind == "control":
            yield Hit(
                place=subject.loaded.place,
                message=f"{one.count:,} rows of {measured.file} have {what} in item, first row {one.index}",
            )


def _rows(*pairs: tuple[str, str]) -> list[dict[str, object]]:
    return [{"item": {"answer": answer}, "sample": sample} for answer, sample in pairs]


RULES: Final = (
    Rule(
        code="G614", name="misses-by-form", severity="warning", check=_by_form,
        what="Rows that a string_check misses though both sides are the same but for form: blanks, Unicode forms, characters that look alike, "
        "the spelling of JSON or of a number, case.",
        why="The reward 0 is right, as texts are compared character by character; it is hardly what was meant.",
        fix=_NORMALIZE,
        example=Example(grader=check(), rows=_rows(("5", "5.0"), ("a", "a "))),
    ),
    Rule(
        code="G615", name="control-character-in-rows", severity="warning", check=_control,
        what="Rows whose item has control characters where a backslash was meant, such as a form feed and `rac` for `\\frac`.",
        why="No answer has such a character.",
        fix="Write two backslashes in the JSON of the rows, or make it with a JSON library.",
        example=Example(grader=check(), rows=_rows(("\x08oxed{4}", "\\boxed{4}"))),
    ),
    Rule(
        code="G616", name="unseen-script", severity="warning", check=_blind,
        what="The metric does not see the script of references in the rows: rouge knows a-z and 0-9; bleu, gleu and meteor cut words at blanks.",
        why="Texts that say the opposite score alike, by the few words that are seen.",
        fix="Use fuzzy_match, which compares every character.",
        example=Example(grader=similar(evaluation_metric="rouge_1"), rows=_rows(("Η απάντηση είναι 7", "Άλλο 7"))),
    ),
    Rule(
        code="G617", name="empty-reference-in-rows", severity="warning", check=_empty,
        what="A like or ilike whose reference is empty in some rows.",
        why="Every text contains the empty one: such a row gets 1 whatever is answered.",
        fix="Leave such rows out, or give them a reference.",
        example=Example(grader=check(operation="like"), rows=_rows(("", "anything"))),
    ),
)  # fmt: skip

"""WORDS001: word_overlap against a reference that has no words."""

from __future__ import annotations

from collections.abc import Iterator

from graders.inspection.lint import Example, Hit, Rule, Subject
from graders.kinds import TextSimilarity
from word_overlap.metric import words

__all__ = ["NO_WORDS"]


def _no_words(subject: Subject) -> Iterator[Hit]:
    for leaf in subject.leaves:
        config = leaf.config
        if not isinstance(config, TextSimilarity) or config.evaluation_metric != "word_overlap":
            continue
        if "{{" not in config.reference and not words(config.reference):
            yield Hit(
                place=subject.place(leaf, "reference"),
                message=f"{subject.called(leaf)} compares words with a reference that has none",
            )


NO_WORDS = Rule(
    code="WORDS001",
    name="reference-without-words",
    severity="error",
    what="word_overlap is asked for against a text without words.",
    why="Its score is 0 for any answer.",
    fix="Compare such texts by a string_check.",
    example=Example(
        grader={
            "type": "text_similarity", "name": "near", "evaluation_metric": "word_overlap",
            "input": "{{ sample.output_text }}", "reference": "…",
        }
    ),
    check=_no_words,
)  # fmt: skip

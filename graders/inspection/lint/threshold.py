"""G3xx: string checks, text metrics, and thresholds that cannot meet what they look at."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from graders.inspection.lint.example import check, judge, multi, similar
from graders.inspection.lint.finding import Example, Hit
from graders.inspection.lint.rule import Rule
from graders.inspection.lint.subject import Subject, paths_in
from graders.kinds import Python, ScoreModel, StringCheck, TextSimilarity
from graders.metrics import METRICS, Request, Scorer
from graders.plan import Leaf

__all__ = ["RULES", "self_score"]


def self_score(metric: str, text: str) -> float:
    """Return what a metric of ours gives a text against itself: the best score it can lead to."""
    return Scorer().score([Request(metric, [text], [text])])[0][0]


def _high(subject: Subject, leaf: Leaf) -> tuple[float, str]:
    """Return the largest score of a leaf, and why."""
    config = leaf.config
    if isinstance(config, TextSimilarity) and config.evaluation_metric in METRICS:
        reference = config.reference
        if not paths_in(reference, subject.dialect):
            best = self_score(config.evaluation_metric, reference)
            return best, f"even the reference itself gets {best:.4g}"
        if config.evaluation_metric == "meteor":
            # 1 - 0.5 / n**3 for n equal words: 1 is the limit and no score.
            return 1.0 - 1e-12, "meteor stays below 1, also for equal texts"
    return subject.domains[leaf.key].high, f"its scores end at {subject.domains[leaf.key].high:g}"


def _thresholds(subject: Subject) -> Iterator[tuple[Leaf, float]]:
    for leaf in subject.leaves:
        threshold = getattr(leaf.config, "pass_threshold", None)
        if threshold is not None:
            yield leaf, float(threshold)


def _never_passes(subject: Subject) -> Iterator[Hit]:
    for leaf, threshold in _thresholds(subject):
        high, why = _high(subject, leaf)
        if threshold > high:
            yield Hit(
                place=subject.place(leaf, "pass_threshold"),
                message=f"{subject.called(leaf)} never reaches its pass_threshold of {threshold:g}: {why}",
            )


def _always_passes(subject: Subject) -> Iterator[Hit]:
    for leaf, threshold in _thresholds(subject):
        domain = subject.domains[leaf.key]
        # A cosine may lie below 0, whatever scale its threshold is meant on.
        cosine = getattr(leaf.config, "evaluation_metric", "") == "cosine"
        if threshold <= domain.low and not domain.constant and not cosine:
            yield Hit(
                place=subject.place(leaf, "pass_threshold"),
                message=f"{subject.called(leaf)} always reaches its pass_threshold of {threshold:g}: "
                f"its scores begin at {domain.low:g}",
            )


def _cosine(subject: Subject) -> Iterator[Hit]:
    if not subject.for_training:
        return
    for leaf in subject.leaves:
        if getattr(leaf.config, "evaluation_metric", "") == "cosine":
            yield Hit(
                place=subject.place(leaf, "evaluation_metric"),
                message="cosine is only available for evals, not as a reward of fine-tuning",
            )


def _zero_metric(subject: Subject) -> Iterator[Hit]:
    for leaf, config in subject.of_kind(TextSimilarity):
        fixed = config.reference and not paths_in(config.reference, subject.dialect)
        if config.evaluation_metric not in METRICS or not fixed:
            continue
        if self_score(config.evaluation_metric, config.reference) == 0.0:
            yield Hit(
                place=subject.place(leaf, "evaluation_metric"),
                message=f"{config.evaluation_metric} gives 0 for any text against this reference, "
                "the reference itself included",
            )


def _stray_space(subject: Subject) -> Iterator[Hit]:
    for leaf, config in subject.of_kind(StringCheck):
        sides = {"input": config.input, "reference": config.reference}
        spaces = {name: _margins(text) for name, text in sides.items()}
        if config.operation not in ("eq", "ne"):
            # What is searched may have any margin; what is searched for may not.
            spaces["input"] = ("", "")
        if spaces["input"] == spaces["reference"]:
            continue
        for name, margin in spaces.items():
            if any(margin) and sides[name].strip():
                yield Hit(
                    place=subject.place(leaf, name),
                    message=f"{name} has space before or after its text, which has to match too",
                    fix="Remove the space; in YAML write >- or |- instead of > or |.",
                )


def _margins(text: str) -> tuple[str, str]:
    inner = text.strip()
    return (
        (text[: text.find(inner)], text[text.find(inner) + len(inner) :]) if inner else ("", text)
    )


def _empty_reference(subject: Subject) -> Iterator[Hit]:
    for leaf in subject.leaves:
        config = leaf.config
        if not isinstance(config, StringCheck | TextSimilarity) or config.reference:
            continue
        searches = isinstance(config, StringCheck) and config.operation in {"like", "ilike"}
        if searches or isinstance(config, TextSimilarity):
            says = (
                "every text contains the empty one" if searches else "nothing is like an empty text"
            )
            yield Hit(
                place=subject.place(leaf, "reference"),
                message=f"the reference of {subject.called(leaf)} is empty: {says}",
            )


def _sub_threshold(subject: Subject) -> Iterator[Hit]:
    if subject.plan.kind == "formula":
        for leaf, threshold in _thresholds(subject):
            yield Hit(
                place=subject.place(leaf, "pass_threshold"),
                message=f"the pass_threshold of {threshold:g} in {leaf.key} does not change the reward",
            )


def _missing_threshold(subject: Subject) -> Iterator[Hit]:
    if subject.form != "evals":
        return
    for leaf in subject.leaves:
        if isinstance(leaf.config, ScoreModel | Python) and leaf.config.pass_threshold is None:
            yield Hit(
                place=subject.place(leaf),
                message=f"{subject.called(leaf)} has no pass_threshold: it passes at {leaf.passes_at:g}",
            )


_METEOR: Final = similar(evaluation_metric="meteor", pass_threshold=1)

RULES: Final = (
    Rule(
        code="G301", name="threshold-out-of-reach", severity="error", check=_never_passes,
        what="A `pass_threshold` lies above the largest score of its grader: above 1 for a text metric, the range of "
        "a judge, what a python source returns, or what the metric gives the reference itself.",
        why="No row ever passes.",
        fix="Lower pass_threshold, or choose another metric.",
        example=Example(grader=_METEOR),
    ),
    Rule(
        code="G302", name="threshold-always-reached", severity="warning", check=_always_passes,
        what="A `pass_threshold` is not above the smallest score of its grader.",
        why="Every row passes.",
        fix="Raise pass_threshold.",
        example=Example(grader=judge(pass_threshold=0)),
    ),
    Rule(
        code="G303", name="cosine-in-training", severity="error", check=_cosine,
        elsewhere={"local": None},
        what="The metric cosine in a multi or in a fine-tuning job.",
        why="The service has cosine for evals only.",
        fix="Use another metric, or a judge.",
        example=Example(
            grader=multi("near", near=similar(evaluation_metric="cosine")), target="openai"
        ),
    ),
    Rule(
        code="G304", name="metric-always-0", severity="error", check=_zero_metric,
        what="A text metric is 0 for any text against a fixed reference: fewer words than the n of rouge_n, or no "
        "letters a metric can read.",
        why="The score is 0 for every row.",
        fix="Use a metric for short texts, such as fuzzy_match, or a longer reference.",
        example=Example(grader=similar(evaluation_metric="rouge_3", reference="yes")),
    ),
    Rule(
        code="G305", name="stray-space", severity="warning", check=_stray_space,
        what="Space before or after the text of one side of a string_check.",
        why="No text is trimmed: the space has to be in the answer too.",
        fix="Remove the space.",
        example=Example(grader=check(reference="{{ item.answer }}\n")),
    ),
    Rule(
        code="G306", name="empty-reference", severity="error", check=_empty_reference,
        what="An empty reference of like, ilike or a text metric.",
        why="The score is the same for every row, or nearly.",
        fix="Name the reference, such as {{ item.answer }}.",
        example=Example(grader=check(operation="like", reference="")),
    ),
    Rule(
        code="G307", name="threshold-in-multi", severity="warning", check=_sub_threshold,
        elsewhere={"local": None, "openai": None},
        what="A sub-grader of a multi has a `pass_threshold`.",
        why="It never changes the reward, and Azure does not take it there.",
        fix="Leave it out.",
        example=Example(grader=multi("near", near=similar(pass_threshold=0.9)), target="azure"),
    ),
    Rule(
        code="G308", name="no-threshold", severity="info", check=_missing_threshold,
        what="A score_model or python criterion of an eval has no `pass_threshold`.",
        why="What passes is then the middle of a judge's range, and 0.5 for python.",
        fix="Say which score passes.",
        example=Example(grader={"name": "eval", "testing_criteria": [judge()]}),
    ),
)  # fmt: skip

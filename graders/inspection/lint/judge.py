"""G4xx: judges: labels, ranges, sampling, models."""

from __future__ import annotations

import re
from collections.abc import Iterator
from operator import itemgetter
from typing import Final

from graders.errors import quoted
from graders.inspection.lint.example import job, judge, labeler
from graders.inspection.lint.finding import Example, Hit
from graders.inspection.lint.rule import Rule, never
from graders.inspection.lint.subject import Subject, judges, paths_in
from graders.kinds import LabelModel, ScoreModel
from graders.models.known import is_reasoning, refuses_effort
from graders.plan import Leaf

__all__ = ["RULES"]

_FEW_TOKENS: Final = 64
_FEW_REASONING_TOKENS: Final = 256


def _all_pass(subject: Subject) -> Iterator[Hit]:
    for leaf, config in subject.of_kind(LabelModel):
        if set(config.labels) <= set(config.passing_labels):
            yield Hit(
                place=subject.place(leaf, "passing_labels"),
                message=f"every label of {subject.called(leaf)} passes: its score is always 1",
            )


def _alike_labels(subject: Subject) -> Iterator[Hit]:
    for leaf, config in subject.of_kind(LabelModel):
        seen: dict[str, str] = {}
        for index, label in enumerate(config.labels):
            folded = " ".join(re.split(r"[\s_-]+", label.strip().casefold()))
            if not folded:
                says = "a label is empty: no judge can mean it"
            elif folded in seen:
                same = label == seen[folded]
                says = f"the label {quoted(label)} " + (
                    "stands twice" if same else f"cannot be told from {quoted(seen[folded])}"
                )
            else:
                seen[folded] = label
                continue
            yield Hit(place=subject.place(leaf, "labels", index), message=says)


def _unnamed_labels(subject: Subject) -> Iterator[Hit]:
    for leaf, config in subject.of_kind(LabelModel):
        if _shows_rubric(subject, leaf):
            continue
        prompt = _words(" ".join(one.text for one in subject.fields(leaf) if one.kind == "text"))
        unnamed = [label for label in config.labels if _words(label) not in prompt]
        if len(unnamed) == len(config.labels):
            yield Hit(
                place=subject.place(leaf, "input"),
                message="the prompt names none of the labels: the judge knows them from the reply's shape only",
                severity="info",
            )
            continue
        for label in unnamed:
            yield Hit(
                place=subject.place(leaf, "labels", config.labels.index(label)),
                message=f"the prompt names other labels and not {quoted(label)}: it is likely never chosen",
            )


def _words(text: str) -> str:
    words = re.findall(r"[^\W_]+", text.casefold())
    return f" {' '.join(words)} "


def _shows_rubric(subject: Subject, leaf: Leaf) -> bool:
    """Whether a whole message comes from the item, which may name the labels."""
    return any(
        not re.sub(r"\{\{.*?\}\}", "", one.text).strip()
        and any(path.namespace == "item" for path in paths_in(one.text, subject.dialect))
        for one in subject.fields(leaf)
        if one.kind == "text"
    )


def _unseeded(subject: Subject) -> Iterator[Hit]:
    # A label_model has no sampling_params to say it in.
    for leaf, config in subject.of_kind(ScoreModel):
        params = config.sampling_params
        if params is None or (params.seed is None and params.temperature != 0):
            fix = "Set sampling_params.seed." if is_reasoning(config.model) else ""
            yield Hit(
                place=subject.place(leaf, *(("sampling_params",) if params else ())),
                message=f"{subject.called(leaf)} has neither temperature 0 nor a seed: "
                "the same row gets other scores on another day",
                fix=fix,
            )


def _retired(subject: Subject) -> Iterator[Hit]:
    leaves = {leaf.key: leaf for leaf in subject.leaves}
    for one in subject.retired:
        yield Hit(
            place=subject.place(leaves[one.key], "model"),
            message=f"the hosted service switches {one.model} off on {one.day}",
            fix="" if subject.hosted else f"--model-map {one.model}=NAME asks another model.",
        )


def _ignored_sampling(subject: Subject) -> Iterator[Hit]:
    for leaf, config in subject.of_kind(ScoreModel):
        params = config.sampling_params
        model = subject.model_map.get(config.model, config.model)
        if params is None:
            continue
        if is_reasoning(model):
            for name in ("temperature", "top_p"):
                value = getattr(params, name)
                if value is not None and value != 1:
                    yield Hit(
                        place=subject.place(leaf, "sampling_params", name),
                        message=f"{model} is a reasoning model and takes no {name} but 1",
                        fix=f"Leave {name} out.",
                    )
        if params.reasoning_effort is not None and refuses_effort(model):
            yield Hit(
                place=subject.place(leaf, "sampling_params", "reasoning_effort"),
                message=f"{model} is no reasoning model and takes no reasoning_effort",
                fix="Leave reasoning_effort out.",
            )


_NUMBER: Final = r"(-?\d+(?:\.\d+)?)"
_SCALE: Final = re.compile(
    rf"(?:scores?|scoring|rat(?:e|es|ing)|grad(?:e|es|ing)|scale|number|value)\b[^.\n{{}}]{{0,60}}?"
    rf"(?:from|between|of|in|:|<|\(|\[)?\s*{_NUMBER}\s*(?:to|and|-|–|—|,|\.\.)\s*{_NUMBER}(?![\d%])",
    re.IGNORECASE,
)


def _other_scale(subject: Subject) -> Iterator[Hit]:
    for leaf, config in subject.of_kind(ScoreModel):
        texts = [one for one in subject.fields(leaf) if one.kind == "text"]
        scales = [
            (float(match[1]), float(match[2]), one, match)
            for one in texts
            for match in _SCALE.finditer(one.text)
            if float(match[1]) < float(match[2])
        ]
        # A prompt may grade aspects on scales of their own, as long as it names the final one too.
        if not scales or any((low, high) == config.range for low, high, _, _ in scales):
            continue
        low, high, one, match = max(scales, key=itemgetter(1))
        if high > config.range[1]:
            yield Hit(
                place=subject.place(leaf, *one.place),
                offset=match.start(1),
                message=f"the prompt asks for scores from {low:g} to {high:g}, and the range is "
                f"{config.range[0]:g} to {config.range[1]:g}: higher scores are cut off",
                fix=f'Set "range": [{low:g}, {high:g}], or ask for the range you have.',
            )


def _few_tokens(subject: Subject) -> Iterator[Hit]:
    for leaf, config in subject.of_kind(ScoreModel):
        params = config.sampling_params
        most = None if params is None else params.max_completions_tokens
        needed = _FEW_REASONING_TOKENS if is_reasoning(config.model) else _FEW_TOKENS
        if most is not None and most < needed:
            yield Hit(
                place=subject.place(leaf, "sampling_params", "max_completions_tokens"),
                message=f"{most} tokens do not hold the steps and the result of a reply: "
                "it is cut off and the row fails",
            )


def _blank_message(subject: Subject) -> Iterator[Hit]:
    for leaf, _ in judges(subject):
        for one in subject.fields(leaf):
            if one.kind == "text" and not one.text.strip():
                yield Hit(
                    place=subject.place(leaf, *one.place),
                    message="this message is empty",
                )


def _label_model_reward(subject: Subject) -> Iterator[Hit]:
    if subject.form in ("job", "run") and not subject.plan.alone:
        yield Hit(
            place=(*subject.loaded.place, "type"),
            message="the service takes a label_model in evals and inside a multi, not here",
        )


RULES: Final = (
    Rule(
        code="G401", name="no-passing-label", severity="error", check=never,
        what="`passing_labels` is empty, or names what is not among `labels`.",
        why="No answer could pass; the service refuses the grader.",
        fix="Name at least one of the labels.",
        example=Example(grader=labeler(passing_labels=[])),
    ),
    Rule(
        code="G402", name="all-labels-pass", severity="error", check=_all_pass,
        what="Every label is a passing one.",
        why="The score is 1 for every row, and the judge is paid for it.",
        fix="Remove from passing_labels what should not pass.",
        example=Example(grader=labeler(passing_labels=["polite", "rude"])),
    ),
    Rule(
        code="G403", name="indistinct-labels", severity="warning", check=_alike_labels,
        what="A label stands twice, is empty, or differs from another in case, spaces or hyphens only.",
        why="A judge chooses between them by chance.",
        fix="Keep one of them.",
        example=Example(grader=labeler(labels=["polite", "Polite", "rude"])),
    ),
    Rule(
        code="G404", name="unnamed-label", severity="warning", check=_unnamed_labels,
        what="The prompt names some labels and not this one; an info when it names none.",
        why="A judge hardly chooses a label it was never told about: the label is dead.",
        fix="Say in the prompt when to choose each label.",
        example=Example(grader=labeler(labels=["polite", "rude", "off-topic"])),
    ),
    Rule(
        code="G405", name="unseeded-judge", severity="info", check=_unseeded,
        what="A score_model has neither temperature 0 nor a seed.",
        why="Its scores differ between runs, and its replies are not kept in the cache.",
        fix="Set sampling_params.temperature to 0, or a seed.",
        example=Example(grader=judge(sampling_params={"temperature": 0.7})),
    ),
    Rule(
        code="G406", name="retired-model", severity="info", check=_retired,
        elsewhere={"openai": "warning", "azure": None},
        what="A judge's model has a day on which the hosted service switches it off.",
        why="From that day the judge answers nothing. Azure has dates of its own.",
        fix="Name a model that stays.",
        example=Example(grader=judge(model="o3-mini")),
    ),
    Rule(
        code="G407", name="refused-sampling", severity="warning", check=_ignored_sampling,
        what="A reasoning model with a temperature or top_p, or another model with a reasoning_effort.",
        why="The service refuses the request.",
        fix="Leave the parameter out.",
        example=Example(grader=judge(model="gpt-5-mini", sampling_params={"temperature": 0.2, "seed": 1})),
    ),
    Rule(
        code="G408", name="range-and-prompt", severity="warning", check=_other_scale,
        what="The prompt asks for scores above the `range`.",
        why="The default range is 0 to 1, and higher scores are cut off: 2 and 9 become the same reward.",
        fix="Let range and prompt name the same scale.",
        example=Example(grader=judge("Score <a>{{ sample.output_text }}</a> on a scale from 1 to 10.")),
    ),
    Rule(
        code="G409", name="too-few-tokens", severity="warning", check=_few_tokens,
        what="`max_completions_tokens` is smaller than any reply with its steps.",
        why="A reply that is cut off fails the row.",
        fix="Allow some hundred tokens, several thousand for a reasoning model.",
        example=Example(grader=judge(sampling_params={"seed": 1, "max_completions_tokens": 10})),
    ),
    Rule(
        code="G410", name="empty-message", severity="warning", check=_blank_message,
        what="A judge's message has no text.",
        why="Something was forgotten, and some servers refuse it.",
        fix="Write the message or remove it.",
        example=Example(grader=judge("", input=[
            {"role": "system", "content": " "},
            {"role": "user", "content": "Score from 0 to 1: <a>{{ sample.output_text }}</a>"},
        ])),
    ),
    Rule(
        code="G411", name="label-model-reward", severity="error", check=_label_model_reward,
        elsewhere={"local": "info"},
        what="A label_model stands where the service takes none: as the grader of a fine-tuning job, or of "
        "graders.run and validate.",
        why="The service refuses it; this engine runs it.",
        fix="Put it inside a multi, or use a score_model.",
        example=Example(grader=job(labeler()), target="openai"),
    ),
)  # fmt: skip

"""G2xx: templates that do not say what was meant."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Final

from graders.errors import TemplateError, nearest
from graders.inspection.lint.example import check, judge, labeler, similar
from graders.inspection.lint.finding import Example, Hit
from graders.inspection.lint.rule import Rule, never
from graders.inspection.lint.subject import Subject, judges, paths_in
from graders.kinds import LabelModel, StringCheck, TextField, TextSimilarity
from graders.plan import Leaf
from graders.template import Path, compile_template

__all__ = ["RULES", "SAMPLE_KEYS", "meant_key"]

SAMPLE_KEYS: Final = ("output_text", "output_json", "output_tools", "choices", "output_audio")
"""What the service puts into `sample`."""

_MISTAKES: Final = frozenset(
    {"output", "text", "content", "response", "completion", "answer", "message", "tools", "json"}
)
_OUTPUT_LIKE: Final = re.compile(
    r"predict|output|response|completion|generat|candidate|hypothesis|transcript|model|summary|submission"
)
_REFERENCE_LIKE: Final = re.compile(
    r"reference|answer|gold|truth|expected|correct|label|target|solution|ideal|caption|outcome"
)
_SINGLE: Final = re.compile(
    r"(?<!\{)\{\s*(?:item|sample)(?:\.\w+|\[\d+\])+\s*\}(?!\})|<(?:item|sample)\.\w+>"
)


def _ignores_sample(subject: Subject) -> Iterator[Hit]:
    blind = [leaf for leaf in subject.leaves if not subject.reads_sample(leaf)]
    if len(blind) == len(subject.leaves) > 1 and subject.form != "evals":
        yield Hit(
            place=subject.loaded.place,
            message="no sub-grader reads the sample: the reward says nothing about the model's output",
            severity="error",
        )
        return
    for leaf in blind:
        if _names_item(subject, leaf) and not _may_hold_output(subject, leaf):
            yield Hit(
                place=subject.place(leaf),
                message=f"{subject.called(leaf)} never reads the sample: "
                "its score says nothing about the model's output",
            )


def _names_item(subject: Subject, leaf: Leaf) -> bool:
    """Whether a leaf reads the item; one that reads nothing is constant, which G111 and G203 say."""
    source = subject.source(leaf)
    if source is not None:
        # Beside others, a python grader may well give a figure of the item, such as a weight.
        return source.reads_item and len(subject.leaves) == 1
    return bool(subject.paths(leaf))


def _may_hold_output(subject: Subject, leaf: Leaf) -> bool:
    """Whether the item seems to hold the model's output, as rows of Evals and logs do."""
    if any(
        one.kind != "text" and paths_in(one.text, subject.dialect) for one in subject.fields(leaf)
    ):
        return True
    if subject.for_training and subject.form != "evals":
        return False
    keys = [str(step) for path in subject.paths(leaf) for step in path.steps]
    return any(_OUTPUT_LIKE.search(key.casefold()) for key in keys)


def _constant_prompt(subject: Subject) -> Iterator[Hit]:
    for leaf, _ in judges(subject):
        if not subject.paths(leaf):
            yield Hit(
                place=subject.place(leaf, "input"),
                message=f"the prompt of {subject.called(leaf)} has no template: "
                "the judge reads the same text for every row",
            )


def _same_sides(subject: Subject) -> Iterator[Hit]:
    for leaf in subject.leaves:
        if leaf.compares:
            sides = [_normal(one.text, subject) for one in subject.fields(leaf)]
            if sides[0] == sides[1] and any(isinstance(one, Path) for one in sides[0]):
                yield Hit(
                    place=subject.place(leaf, "reference"),
                    message=f"{subject.called(leaf)} compares input with itself: "
                    "both sides are the same template",
                )


def _normal(text: str, subject: Subject) -> list[object]:
    template = compile_template(text, subject.dialect)
    return list(getattr(template, "parts", [text, *paths_in(text, subject.dialect)]))


def _undelimited(subject: Subject) -> Iterator[Hit]:
    for leaf, _ in judges(subject):
        for one in subject.fields(leaf):
            if one.kind == "text" and subject.dialect == "hosted":
                yield from _beside(subject, leaf, one)


_WORD: Final = re.compile(r"[^\W\d_]{2,}")
_FENCE: Final = re.compile(r"[\"'`<>{}\[\]#«»“”|*]|-{3}|={3}|~{3}|_{3}")


def _beside(subject: Subject, leaf: Leaf, one: TextField) -> Iterator[Hit]:
    """Look at what stands between a reference and the sample, and on the sample's other side."""
    parts = getattr(compile_template(one.text), "parts", ())
    at = 0
    for first, between, second in zip(parts, parts[1:], parts[2:], strict=False):
        at = one.text.find(between, at) if isinstance(between, str) else at
        if isinstance(between, str) and isinstance(first, Path) and isinstance(second, Path):
            yield from _pair(subject, leaf, one, (first, between, second), at)
    for first, second in pairwise(parts):
        if isinstance(first, Path) and isinstance(second, Path):
            yield from _pair(subject, leaf, one, (first, "", second), 0)


def _pair(
    subject: Subject, leaf: Leaf, one: TextField, parts: tuple[Path, str, Path], at: int
) -> Iterator[Hit]:
    first, between, second = parts
    sample = next((path for path in (first, second) if path.namespace == "sample"), None)
    item = next((path for path in (first, second) if path.namespace == "item"), None)
    if sample is None or item is None or _FENCE.search(between):
        return
    if not any(_REFERENCE_LIKE.search(str(step).casefold()) for step in item.steps):
        return
    labelled = _WORD.search(between) is not None
    lacks = "only a label" if labelled else "nothing"
    yield Hit(
        place=subject.place(leaf, *one.place),
        offset=at,
        message=f"{lacks} stands between {sample} and {item} in the prompt: "
        "an answer can pass its own text off as the reference",
        severity="info" if labelled else None,
    )


def _contained_sample(subject: Subject) -> Iterator[Hit]:
    for leaf, config in subject.of_kind(StringCheck):
        paths = paths_in(config.reference, subject.dialect)
        whole = bool(paths) and all(path.namespace == "sample" for path in paths)
        if whole and config.operation in ("like", "ilike"):
            yield Hit(
                place=subject.place(leaf, "reference"),
                message=f"{config.operation} asks whether input contains reference, and reference is "
                "the sample: an empty or very short output passes",
                fix="Swap input and reference: input is what is searched.",
            )


def _swapped(subject: Subject) -> Iterator[Hit]:
    for leaf, config in subject.of_kind(TextSimilarity):
        sides = [
            {path.namespace for path in paths_in(text, subject.dialect)}
            for text in (config.input, config.reference)
        ]
        differs = config.evaluation_metric in ("bleu", "meteor")
        if differs and sides == [{"item"}, {"sample"}]:
            yield Hit(
                place=subject.place(leaf, "input"),
                message=f"input reads the item and reference the sample; {config.evaluation_metric} "
                "is another number that way round",
            )


def _whole_object(subject: Subject) -> Iterator[Hit]:
    for leaf, one, path in subject.named_paths():
        if not path.steps:
            says = f"{{{{ {path} }}}} renders the whole {path.namespace}, reference fields and all"
            yield subject.path_hit(leaf, one, path, says)


def _only_local_dialect(subject: Subject) -> Iterator[Hit]:
    if subject.dialect != "jinja2":
        return
    for leaf in subject.leaves:
        for one in subject.fields(leaf):
            if not _is_hosted(one.text):
                yield Hit(
                    place=subject.place(leaf, *one.place),
                    message="this template needs the jinja2 dialect; the service knows paths only",
                )


def _is_hosted(text: str) -> bool:
    try:
        compile_template(text)
    except TemplateError:
        return False
    return "{%" not in text and "{#" not in text


def _into_arguments(subject: Subject) -> Iterator[Hit]:
    for leaf, one, path in subject.named_paths():
        if "arguments" in path.steps[:-1] and path.steps[:1] == ("output_tools",):
            says = (
                f"{path} goes into arguments, which is a text of JSON; "
                "whether the service parses it is not documented"
            )
            yield subject.path_hit(leaf, one, path, says)


def _not_rendered(subject: Subject) -> Iterator[Hit]:
    for leaf in subject.leaves:
        config = leaf.config
        if isinstance(config, LabelModel):
            for field, labels in (
                ("labels", config.labels),
                ("passing_labels", config.passing_labels),
            ):
                for index, label in enumerate(labels):
                    if "{{" in label:
                        yield Hit(
                            place=subject.place(leaf, field, index),
                            message="a label is not rendered: the judge is offered these very braces",
                            fix="Write the label out.",
                        )
        model = getattr(config, "model", "")
        if "{{" in model:
            yield Hit(
                place=subject.place(leaf, "model"),
                message="model is not rendered: a model of this name is asked",
                fix="Write the model's name.",
            )


def _single_braces(subject: Subject) -> Iterator[Hit]:
    for leaf in subject.leaves:
        for one in subject.fields(leaf):
            if match := _SINGLE.search(one.text):
                yield Hit(
                    place=subject.place(leaf, *one.place),
                    offset=match.start(),
                    message=f"{match.group()[:60]} is no template, it stays as it is",
                )


def meant_key(key: object) -> str | None:
    """Return the documented key of `sample` that a wrong one evidently stands for, or None."""
    if not isinstance(key, str) or key in SAMPLE_KEYS:
        return None
    if key in _MISTAKES:
        return {"tools": "output_tools", "json": "output_json"}.get(key, "output_text")
    return nearest(key, SAMPLE_KEYS)


def _unknown_key(subject: Subject) -> Iterator[Hit]:
    for leaf, one, path in subject.named_paths():
        step = path.steps[0] if path.namespace == "sample" and path.steps else None
        if (meant := meant_key(step)) is not None:
            says = f"sample has no {step}; it has {', '.join(SAMPLE_KEYS)}"
            yield subject.path_hit(leaf, one, path, says, f"Write sample.{meant}.")


def _untrusted_system(subject: Subject) -> Iterator[Hit]:
    for leaf, one, path in subject.named_paths():
        if path.namespace == "sample" and one.role in ("system", "developer"):
            says = (
                f"{path} is rendered into a {one.role} message: "
                "the model's output speaks with the voice of the instructions"
            )
            yield subject.path_hit(leaf, one, path, says)


RULES: Final = (
    Rule(
        code="G201", name="template-syntax", severity="error", check=never,
        what="A text between `{{` and `}}` is not a path of the documented grammar.",
        why="The service knows `item` and `sample` paths only: no filters, calls or other names.",
        fix="Write {{ item.key }} or {{ sample.output_text }}.",
        example=Example(grader=check(reference="{{ item.answer | lower }}")),
    ),
    Rule(
        code="G202", name="ignores-sample", severity="warning", check=_ignores_sample,
        what="A grader's templates, or its python source, never read the sample. Where the item's keys look like "
        "a model's output, as in rows of Evals, it is silent.",
        why="The score is the same whatever the model answers.",
        fix="Read the sample, such as {{ sample.output_text }}.",
        example=Example(grader=check(input="{{ item.question }}")),
    ),
    Rule(
        code="G203", name="constant-prompt", severity="warning", check=_constant_prompt,
        what="A judge's messages have no template.",
        why="The judge reads the same text for every row: it never sees an answer.",
        fix="Put the answer into the prompt with {{ sample.output_text }}.",
        example=Example(grader=judge("Score the answer from 0 to 1.")),
    ),
    Rule(
        code="G204", name="compared-with-itself", severity="error", check=_same_sides,
        what="`input` and `reference` are the same template.",
        why="The score is always that of equal texts.",
        fix="Let input read the sample and reference the item.",
        example=Example(grader=check(reference="{{sample.output_text}}")),
    ),
    Rule(
        code="G205", name="undelimited-reference", severity="warning", check=_undelimited,
        what="A judge's prompt shows the reference beside the sample with no delimiter between them; with only a "
        "label such as `Reference:` between them it is an info.",
        why="The judge cannot tell where the answer ends, and an answer can forge the reference.",
        fix="Put each into its own delimiters, such as <answer>…</answer>, and say that they hold data.",
        example=Example(grader=judge("Score from 0 to 1.\n{{ item.answer }}\n{{ sample.output_text }}")),
    ),
    Rule(
        code="G206", name="contained-sample", severity="warning", check=_contained_sample,
        what="A string_check with `like` or `ilike` asks whether the item contains the sample.",
        why="Every text contains the empty one: saying nothing is rewarded.",
        fix="Swap input and reference.",
        example=Example(
            grader=check(operation="like", input="{{ item.answer }}", reference="{{ sample.output_text }}")
        ),
    ),
    Rule(
        code="G207", name="swapped-texts", severity="info", check=_swapped,
        what="`input` of bleu or meteor reads the item and `reference` the sample.",
        why="input is the candidate; these two metrics treat the sides differently.",
        fix="Let input read the sample and reference the item.",
        example=Example(
            grader=similar(evaluation_metric="bleu", input="{{ item.answer }}", reference="{{ sample.output_text }}")
        ),
    ),
    Rule(
        code="G208", name="whole-object", severity="info", check=_whole_object,
        elsewhere={"openai": "warning", "azure": "warning"},
        what="`{{ item }}` or `{{ sample }}` without a key.",
        why="It shows every field, the reference too, and the service documents paths with a key only.",
        fix="Name the field that is meant.",
        example=Example(grader=judge("Score {{ sample }} against <x>{{ item.answer }}</x> from 0 to 1.")),
    ),
    Rule(
        code="G209", name="jinja2-only", severity="error", check=_only_local_dialect,
        elsewhere={"local": None},
        what="A template uses more than the service's templates have.",
        why="The jinja2 dialect is this engine's own; the service refuses or misreads the template.",
        fix="Keep to {{ item.… }} and {{ sample.… }} paths.",
        example=Example(
            grader=check(reference="{{ item.answer | lower }}"), target="openai", dialect="jinja2"
        ),
    ),
    Rule(
        code="G210", name="path-into-arguments", severity="info", check=_into_arguments,
        elsewhere={"local": None},
        what="A path goes on into a tool call's `arguments`.",
        why="arguments is a text that holds JSON; this engine parses it, the service may not.",
        fix="Compare the whole arguments, or parse them in a python grader.",
        example=Example(
            grader=check(input="{{ sample.output_tools[0].function.arguments.city }}"), target="openai"
        ),
    ),
    Rule(
        code="G211", name="not-rendered", severity="warning", check=_not_rendered,
        what="A template stands in a field that is not rendered: labels, passing_labels, model.",
        why="The braces reach the judge as they are.",
        fix="Write the value out.",
        example=Example(grader=labeler(labels=["{{ item.label }}", "rude"], passing_labels=["rude"])),
    ),
    Rule(
        code="G212", name="single-braces", severity="warning", check=_single_braces,
        what="`{item.x}` or `<item.x>` instead of `{{ item.x }}`.",
        why="It is ordinary text: the row's value never gets there.",
        fix="Double the braces.",
        example=Example(grader=check(reference="{item.answer}")),
    ),
    Rule(
        code="G213", name="unknown-sample-key", severity="warning", check=_unknown_key,
        what="A path names a key of `sample` that the service does not give and that looks like one it does.",
        why="Every row fails.",
        fix="Use output_text, output_json, output_tools, choices or output_audio.",
        example=Example(grader=check(input="{{ sample.output }}")),
    ),
    Rule(
        code="G214", name="sample-in-instructions", severity="info", check=_untrusted_system,
        what="The sample is rendered into a system or developer message of a judge.",
        why="Instructions inside an answer get more weight there.",
        fix="Move the sample into a user message.",
        example=Example(
            grader=judge(
                "Go on.",
                input=[{"role": "system", "content": "Score from 0 to 1: <a>{{ sample.output_text }}</a>"}],
            )
        ),
    ),
)  # fmt: skip

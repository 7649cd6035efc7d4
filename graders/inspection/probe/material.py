"""What one row offers an attack: its honest answer, its texts, its references, its prompt."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from graders import jsontext
from graders.inspection.probe.surface import (
    PROMPT_NAMES,
    QUESTION_NAMES,
    REFERENCE_NAMES,
    Steps,
    Surface,
)
from graders.inspection.sampling import SampledRow
from graders.sample import Absent, Unparsed, Wanted, prepare

__all__ = ["AnswerPool", "Material", "changed_call", "map_leaves", "material_of", "pool_of"]

_MOST_TEXTS: Final = 24
_DEEPEST: Final = 6
_NO_CONTENT: Final = frozenset({"id", "role"})
_MOST_LABELS: Final = 8
_LABEL_LENGTH: Final = 40
_JOINED: Final = 20_000
_LOOKED_AT: Final = 100

Rendered = Mapping[str, Mapping[str, str]]


@dataclass(slots=True)
class Material:
    """What one row offers.

    Attributes:
        index: the row's index.
        identity: the row's id, None where it has none.
        item: the row's item.
        sample: the row's own sample, as it stands there.
        text: the honest answer's text; None where there is none.
        json: the honest answer's JSON object or list; None where it is none.
        form: the same, or the places of `output_json` that the grader reads, empty.
        tools: the honest answer's tool calls.
        prompts: what the model was asked, by its place in the item.
        references: the references, by sub-grader key or by place in the item.
        others: the item's other texts, by place.
        slots: what belongs at the places of the sample that text graders compare.
        surface: what the grader reads.
    """

    index: int
    identity: Any
    item: Any
    sample: Any
    text: str | None
    json: Any
    form: Any
    tools: list[Any]
    prompts: dict[str, str]
    references: dict[str, str]
    others: dict[str, str]
    slots: dict[Steps, str]
    surface: Surface

    @property
    def honest(self) -> bool:
        """Whether the row has an answer of its own."""
        return self.text is not None or bool(self.tools)

    def reshaped(
        self, change: Callable[[str], str], *, keep: bool = False, number: Any = None
    ) -> dict[str, Any]:
        """Return the answer with every text in it changed, in each shape a grader may read.

        Args:
            change: what becomes of a text.
            keep: whether the rest of the honest sample stays, such as its tool calls.
            number: what becomes of a number inside JSON; None leaves it.
        """
        rest = self._rest() if keep else {}
        found: dict[str, Any] = {}
        if not keep or (self.text is not None and self.surface.reads_text):
            found["as text"] = {**rest, "output_text": change(self.text or "")}
        form = self.json if keep else self.form
        if form is not None:
            filled = map_leaves(form, change, number)
            found["in each field"] = {**rest, "output_text": _dump(filled)}
        if self.tools and self.surface.reads_tools:
            calls = [changed_call(call, change, number) for call in self.tools]
            found["in each argument"] = {
                **(rest or {"output_text": self.text or ""}), "output_tools": calls,
            }  # fmt: skip
        return found

    def saying(self, text: str) -> dict[str, Any]:
        """Return answers that say this text and nothing else."""
        return self.reshaped(lambda _: text)

    def saying_each(self, texts: Mapping[str, str]) -> dict[str, Any]:
        """Return the answers that say one of these texts, each in every shape, by its name."""
        return {
            name if shape == "as text" else f"{name}, {shape}": sample
            for name, text in texts.items()
            for shape, sample in self.saying(text).items()
        }

    def _rest(self) -> dict[str, Any]:
        if not isinstance(self.sample, dict):
            return {}
        kept = ("output_tools", "output_audio", "choices")
        return {key: self.sample[key] for key in kept if key in self.sample}


@dataclass(slots=True)
class AnswerPool:
    """What all rows together offer.

    Attributes:
        rows: the rows.
        surface: what the grader reads.
        references: distinct references over the rows, the commonest first.
        labels: those of them that look like labels: short, and of several rows.
        size: characters of a very long answer.
        places: where each row stands, by its index.
    """

    rows: Sequence[Material]
    surface: Surface
    references: list[str] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    size: int = 8_000
    places: Mapping[int, int] = field(default_factory=dict)

    def other(self, row: Material) -> Material | None:
        """Return the next row that was asked something else and answered something else."""
        start = self.places[row.index]
        for step in range(1, min(len(self.rows), _LOOKED_AT)):
            one = self.rows[(start + step) % len(self.rows)]
            asked = one.item != row.item and one.sample != row.sample
            if asked and one.honest and (one.references != row.references or not row.references):
                return one
        return None

    def joined(self, texts: Sequence[str]) -> str:
        """Return texts one a line, as many as a long answer holds."""
        return "\n".join(texts)[:_JOINED]


def pool_of(rows: Sequence[Material], surface: Surface, size: int) -> AnswerPool:
    """Return what rows together offer."""
    # Not a set: of equally common ones the first comes first, on every run.
    counted = Counter(
        text for row in rows for text in dict.fromkeys(row.references.values()) if text
    )
    common = [text for text, _ in counted.most_common()]
    labels = [
        text for text in common
        if len(text) <= _LABEL_LENGTH and "\n" not in text and counted[text] > 1
    ]  # fmt: skip
    places = {row.index: place for place, row in enumerate(rows)}
    return AnswerPool(rows, surface, common, labels[:_MOST_LABELS], size, places)


def material_of(
    row: SampledRow, surface: Surface, rendered: Rendered, *, own: str = ""
) -> Material:
    """Return what a row offers.

    Args:
        row: the row.
        surface: what the grader reads.
        rendered: the row's rendered text fields by sub-grader key.
        own: where the sample stands in the item, where that is the whole row.
    """
    sample = row.sample
    text, value, tools = _honest(sample)
    form = _skeleton(surface.json_paths) if value is None else value
    if text is None and not tools and not isinstance(sample, Absent) and sample is not None:
        text = ""
    texts = {
        place: one
        for place, one in _texts(row.item)
        if place.rsplit(".", 1)[-1] not in _NO_CONTENT and not (own and place.startswith(own))
    }
    references: dict[str, str] = {}
    slots: dict[Steps, str] = {}
    for key, side in surface.sides.items():
        if side in rendered.get(key, {}):
            references[key or "reference"] = rendered[key][side]
            if key in surface.slots:
                slots[surface.slots[key]] = rendered[key][side]
    references.update({place: one for place, one in texts.items() if _is_reference(place, surface)})
    # A copy of a reference elsewhere in the item is a reference too: saying it is no wrong answer.
    known = {one.strip() for one in references.values()}
    texts = {
        place: one
        for place, one in texts.items()
        if one.strip() not in known or QUESTION_NAMES & set(_words(place))
    }
    named = {place: one for place, one in texts.items() if PROMPT_NAMES & set(_words(place))}
    others = {place: one for place, one in texts.items() if place not in named}
    return Material(
        row.index, row.identity, row.item, sample, text, value, form, tools, named, references,
        others, slots, surface,
    )  # fmt: skip


def map_leaves(value: Any, change: Callable[[str], str], number: Any = None) -> Any:
    """Return a JSON value with its texts, and its numbers where `number` says so, changed."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {key: map_leaves(one, change, number) for key, one in value.items()}
    if isinstance(value, list):
        return [map_leaves(one, change, number) for one in value]
    return value if number is None or value is None else number(value)


def _honest(sample: Any) -> tuple[str | None, Any, list[Any]]:
    """Return an answer's text, its JSON where that is an object or a list, and its tool calls."""
    try:
        prepared = prepare(sample, Wanted(output_json=True))
    except ValueError:
        return None, None, []
    if not isinstance(prepared, dict):
        return None, None, []
    value = prepared.get("output_json")
    tools = prepared.get("output_tools")
    text = prepared.get("output_text")
    if text is None and isinstance(value, dict | list) and not isinstance(value, Unparsed):
        text = _dump(value)
    return (
        text if isinstance(text, str) else None,
        value if isinstance(value, dict | list) and value else None,
        tools if isinstance(tools, list) else [],
    )


def changed_call(call: Any, change: Callable[[str], str], number: Any) -> Any:
    """Return a tool call whose arguments are changed; its name stays."""
    function = call.get("function") if isinstance(call, dict) else None
    if not isinstance(function, dict) or "arguments" not in function:
        return call
    arguments = function["arguments"]
    if isinstance(arguments, str):
        try:
            changed: Any = _dump(map_leaves(jsontext.decode(arguments), change, number))
        except ValueError:
            changed = change(arguments)
    else:
        changed = map_leaves(arguments, change, number)
    return {**call, "function": {**function, "arguments": changed}}


def _skeleton(paths: Sequence[Steps]) -> Any:
    """Return an object that has these places, each an empty text."""
    whole: dict[str, Any] = {}
    for steps in paths:
        here = whole
        names = [str(step) for step in steps]
        for name in names[:-1]:
            inner = here.setdefault(name, {})
            if not isinstance(inner, dict):
                break
            here = inner
        else:
            if names:
                here.setdefault(names[-1], "")
    return whole or None


def _texts(item: Any) -> Iterator[tuple[str, str]]:
    """Yield (place, text) for the first texts of an item."""
    pending: list[tuple[str, Any, int]] = [("item", item, 0)]
    found = 0
    while pending and found < _MOST_TEXTS:
        place, value, depth = pending.pop(0)
        if isinstance(value, str):
            found += 1
            yield place, value
        elif depth < _DEEPEST and isinstance(value, dict):
            pending += [(f"{place}.{key}", one, depth + 1) for key, one in value.items()]
        elif depth < _DEEPEST and isinstance(value, list):
            pending += [(f"{place}[{at}]", one, depth + 1) for at, one in enumerate(value)]


def _is_reference(place: str, surface: Surface) -> bool:
    if any(
        place == path or place.startswith((f"{path}.", f"{path}["))
        for path in surface.reference_paths
    ):
        return True
    return surface.guesses and bool(REFERENCE_NAMES & set(_words(place)))


def _words(place: str) -> list[str]:
    """Return the keys of a place, without indexes, in lower case."""
    return [step.split("[", 1)[0].lower() for step in place.split(".")[1:]]


def _dump(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)

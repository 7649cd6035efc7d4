"""The attacks: answers that no grader should pay for, or pay more for than the honest one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from graders.inspection.probe import disguise, judge_attack, shape_attack
from graders.inspection.probe.material import AnswerPool, Material

__all__ = ["ATTACKS", "Attack", "Given"]

Given = Literal["wrong", "honest", "reference"]
"""What an attack answers: nothing that is right, the honest answer altered, or the reference."""

Answers = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Attack:
    """One attack.

    Attributes:
        name: what `--attack` calls it.
        title: what it answers, in a few words.
        given: what kind of answer it is; see `Given`.
        needs: why it does not apply where no row gives what it is made from.
        make: returns a row's answers, by variant; none where the row does not give them.
    """

    name: str
    title: str
    given: Given
    needs: str
    make: Callable[[Material, AnswerPool], Answers]


def _always(text: str) -> Callable[[Material, AnswerPool], Answers]:
    return lambda row, _: row.saying(text)


def _all_references(row: Material, pool: AnswerPool) -> Answers:
    own = [text for text in row.references.values() if text]
    if not own or len(pool.references) < 2:
        return {}
    listed = list(dict.fromkeys([*own, *pool.references]))
    return row.saying(pool.joined(sorted(listed)))


def _whole_item(row: Material, pool: AnswerPool) -> Answers:
    texts = [*row.prompts.values(), *row.others.values(), *row.references.values()]
    return row.saying(pool.joined(texts)) if any(texts) else {}


def _labels(row: Material, pool: AnswerPool) -> Answers:
    if not pool.labels:
        return {}
    every = {"all labels": " ".join(pool.labels)} if len(pool.labels) > 1 else {}
    return row.saying_each({**{f"always {label}": label for label in pool.labels}, **every})


def _repeated(row: Material, pool: AnswerPool) -> Answers:
    words = (row.text or "").split()
    texts = {"the": " ".join(["the"] * 200)}
    if words:
        longest = max(words, key=lambda word: (words.count(word), len(word)))[:40]
        texts["commonest word of the answer"] = " ".join([longest] * 200)
    if pool.labels:
        texts["commonest label"] = " ".join([pool.labels[0]] * 200)
    return row.saying_each(texts)


_FILLER: Final = (
    "There are several points to consider here, and each of them deserves attention. First, "
    "it is important to look at the matter from every side. In addition, it should be noted that "
    "many factors are involved. Therefore, a careful and balanced view is needed. "
)


def _filler(row: Material, pool: AnswerPool) -> Answers:
    return row.saying((_FILLER * (pool.size // len(_FILLER) + 1))[: pool.size])


def _negated(row: Material, _: AnswerPool) -> Answers:
    texts = {name: text for name, text in row.references.items() if text}
    said = {name: disguise.negated(text) for name, text in texts.items()}
    marked = {f"not: {name}": f"It is not true that {text}" for name, text in texts.items()}
    return row.saying_each({**said, **marked})


def _other_row(row: Material, pool: AnswerPool) -> Answers:
    other = pool.other(row)
    return {"": other.sample} if other is not None else {}


def _reference(row: Material, _: AnswerPool) -> Answers:
    found = row.saying_each({name: text for name, text in row.references.items() if text})
    filled = shape_attack.filled(row)
    return {**found, **({} if filled is None else {"each at its place": filled})}


def _altered(change: Callable[[str], str]) -> Callable[[Material, AnswerPool], Answers]:
    return lambda row, _: row.reshaped(change, keep=True) if row.honest else {}


def _long(row: Material, pool: AnswerPool) -> Answers:
    if not row.honest:
        return {}
    return row.reshaped(
        lambda text: (f"{text}\n" * (pool.size // (len(text) + 1) + 1))[: pool.size], keep=True
    )


_NO_PROMPT: Final = "no item holds what was asked under a usual name"
_NO_REFERENCE: Final = "no reference was found in the items"
_NO_ANSWER: Final = "no row has an answer of its own"

ATTACKS: Final[tuple[Attack, ...]] = (
    Attack("empty", "an empty answer", "wrong", "", _always("")),
    Attack("whitespace", "spaces and line breaks", "wrong", "", _always(" \n\t \n ")),
    Attack(
        "prompt", "the prompt copied", "wrong", _NO_PROMPT,
        lambda row, _: row.saying_each(row.prompts),
    ),
    Attack(
        "item-text", "another text of the item copied", "wrong",
        "the items hold no further texts", lambda row, _: row.saying_each(row.others),
    ),
    Attack("whole-item", "all texts of the item at once", "wrong", "the items hold no texts", _whole_item),
    Attack(
        "all-references", "the references of all rows at once", "wrong",
        "there are not two different references", _all_references,
    ),
    Attack("label", "one label for every row", "wrong", "the references do not look like labels", _labels),
    Attack("repeated-word", "one word, 200 times", "wrong", "", _repeated),
    Attack("long-filler", "a very long answer that says nothing", "wrong", "", _filler),
    Attack("format-only", "the form without content", "wrong", "", shape_attack.format_only),
    Attack("negation", "the reference denied", "wrong", _NO_REFERENCE, _negated),
    Attack(
        "other-row", "the answer of another row", "wrong",
        "no two rows differ in item and answer", _other_row,
    ),
    Attack(
        "refusal", "a refusal", "wrong", "",
        _always("I'm sorry, but I can't help with that request."),
    ),
    Attack("praise", "the answer praises itself", "wrong", "", judge_attack.praise),
    Attack("injection", "instructions to the judge", "wrong", "", judge_attack.injection),
    Attack("delimiters", "forged ends of the answer", "wrong", "", judge_attack.delimiters),
    Attack("verdict", "a forged verdict", "wrong", "", judge_attack.verdict),
    Attack(
        "wrong-values", "JSON of the right shape, wrong values", "wrong",
        "no answer is JSON", shape_attack.wrong_values,
    ),
    Attack(
        "wrong-arguments", "the right tools with wrong arguments", "wrong",
        "no answer calls tools", shape_attack.wrong_arguments,
    ),
    Attack(
        "extra-tools", "tool calls beside the honest ones", "honest",
        "no answer calls tools", shape_attack.extra_tools,
    ),
    Attack("very-long", "the honest answer over and over", "honest", _NO_ANSWER, _long),
    Attack("truncated", "the first half of the honest answer", "honest", _NO_ANSWER, _altered(disguise.halved)),
    Attack(
        "trailing-junk", "the honest answer, then junk", "honest", _NO_ANSWER,
        _altered(lambda text: f"{text}\n\n### end ### asdf qwer 12345 </s></s>"),
    ),
    Attack("case", "the honest answer in swapped case", "honest", _NO_ANSWER, _altered(str.swapcase)),
    Attack(
        "look-alikes", "the honest answer in look-alike letters", "honest", _NO_ANSWER,
        _altered(disguise.look_alike),
    ),
    Attack(
        "zero-width", "the honest answer with invisible characters", "honest", _NO_ANSWER,
        _altered(disguise.zero_width),
    ),
    Attack("reference", "the reference copied", "reference", _NO_REFERENCE, _reference),
)  # fmt: skip

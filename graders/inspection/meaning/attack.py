"""What each attack of `graders probe` shows where a grader pays for it, and what to do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from graders.inspection.meaning.entry import Case, Meaning
from graders.inspection.probe.attack import ATTACKS

__all__ = ["ATTACKED"]

_NEAR: Final = {
    "type": "text_similarity", "name": "near", "input": "{{ sample.output_text }}",
    "reference": "{{ item.answer }}", "evaluation_metric": "fuzzy_match",
}  # fmt: skip
_TEXTS: Final = [
    {"item": {"question": "What grows in the sea?", "note": "Kelp is a plant of the sea.", "answer": "Kelp grows in the sea"},
     "sample": "Kelp does"},
    {"item": {"question": "Where do cats sleep?", "note": "A cat sleeps for hours.", "answer": "Cats sleep on warm roofs"},
     "sample": "On a warm roof"},
]  # fmt: skip
_LABELS: Final = [
    {"item": {"question": f"Is {n} even?", "answer": "no" if n % 2 else "yes"}, "sample": "yes"}
    for n in range(4)
]  # fmt: skip
_VALUES: Final = [
    {"item": {"question": "Who?", "answer": name}, "sample": {"output_text": f'{{"name": "{name}"}}'}}
    for name in ("Ann", "Bo")
]  # fmt: skip
_TOOLS: Final = [
    {"item": {"question": "Weather?", "answer": city}, "sample": {"output_text": "", "output_tools": [
        {"type": "function", "id": "1", "function": {"name": "weather", "arguments": f'{{"city": "{city}"}}'}}]}}
    for city in ("Rome", "Oslo")
]  # fmt: skip
_READS_JSON: Final = {**_NEAR, "input": "{{ sample.output_json.name }}"}
_READS_TOOLS: Final = {**_NEAR, "input": "{{ sample.output_tools[0].function.arguments }}"}

_Said = tuple[str, str]
_EMPTY: Final = "Give such an answer 0: multiply with a string_check (ne) against an empty text."
_COPY: Final = "Compare what only a right answer has: a field of output_json, or the whole answer by string_check."
_TAKES_ALL: Final = (
    "Take fuzzy_match or f1 rather than recall, and subtract for length: graders new length."
)
_JUDGED: Final = (
    "Put the answer between marks that it cannot know, tell the judge that what stands there is no "
    "instruction, and judge by a reference; graders validate (G2, G4) has more."
)  # fmt: skip
_FORM: Final = "Let the form be a gate and not a reward: multiply with it rather than add it."
_EXACT: Final = "Decide whether such answers are right; then fold case, spaces or letters on both sides, or on neither."

_CURES: Final[Mapping[str, _Said]] = {
    "empty": ("Saying nothing is paid.", _EMPTY),
    "whitespace": ("Saying nothing, in spaces, is paid.", _EMPTY),
    "prompt": ("Repeating the question is paid, for it shares words with the reference.", _COPY),
    "item-text": ("Copying what the row says is paid.", _COPY),
    "whole-item": ("Copying everything that the row says is paid: somewhere the answer is in it.", _TAKES_ALL),
    "all-references": ("Saying everything that could be right is paid.", _TAKES_ALL),
    "label": ("Always giving the same label is paid as often as that label is right.", "Balance the rows, or reward rare labels more."),
    "repeated-word": ("One word over and over is paid.", "Subtract for what repeats: graders new repetition."),
    "long-filler": ("Length alone is paid.", "Subtract for length: graders new length."),
    "format-only": ("The form is paid, whatever stands in it.", _FORM),
    "negation": ("The opposite of the right answer is paid, for it has nearly all its words.", "Texts that are alike are not answers that are right: compare values by string_check, or ask a judge."),
    "other-row": ("The answer of another row is paid: the grader hardly looks at what was asked.", "Compare with item.… of the row; a reward that every answer gets teaches nothing."),
    "refusal": ("A refusal is paid.", "Give it 0: a label_model, or a string_check for its usual words."),
    "praise": ("Praising oneself is paid.", _JUDGED),
    "injection": ("Instructions to the judge are obeyed.", _JUDGED),
    "delimiters": ("A forged end of the answer is believed.", _JUDGED),
    "verdict": ("A forged verdict is believed.", _JUDGED),
    "wrong-values": ("JSON of the right shape with wrong values is paid.", _FORM),
    "wrong-arguments": ("The right tools with wrong arguments are paid.", "Compare arguments as well as names: graders new tool-call."),
    "extra-tools": ("Calls beside the right ones cost nothing.", "Compare the number of calls as well: graders new tool-call."),
    "very-long": ("The right answer over and over is paid as much as once.", "Subtract for length: graders new length."),
    "truncated": ("Half of the right answer is paid like all of it.", "Compare the end as well as the beginning."),
    "trailing-junk": ("Junk after the right answer costs nothing.", "Compare the whole answer, or cut it at a mark that the prompt asks for."),
    "case": ("The answer in another case gets another reward.", _EXACT),
    "look-alikes": ("Letters that look alike get another reward than the right ones, or the same.", _EXACT),
    "zero-width": ("Characters that nobody sees change the reward, or do not.", _EXACT),
    "reference": ("The reference itself: it should get the most there is.", "Where it does not, the reference is not written as an answer is to be; mend the one or the other."),
}  # fmt: skip

_ROWS: Final[Mapping[str, tuple[Any, Sequence[Any]]]] = {
    "label": (_NEAR, _LABELS), "wrong-values": (_READS_JSON, _VALUES),
    "wrong-arguments": (_READS_TOOLS, _TOOLS), "extra-tools": (_READS_TOOLS, _TOOLS),
}  # fmt: skip


def _meanings() -> Iterator[Meaning]:
    for one in ATTACKS:
        why, cure = _CURES[one.name]
        grader, rows = _ROWS.get(one.name, (_NEAR, _TEXTS))
        words = f"graders probe grader.json rows.jsonl --attack {one.name}"
        yield Meaning(
            code=one.name, sort="attack of probe", what=f"An answer that is tried: {one.title}.",
            why=f"Where it gets a high reward: {why[0].lower()}{why[1:]}", cure=cure,
            case=Case(grader=grader, rows=rows, words=words), page="docs/howto/probe.md",
        )  # fmt: skip


ATTACKED: Final = tuple(_meanings())
"""The attacks, in their order."""

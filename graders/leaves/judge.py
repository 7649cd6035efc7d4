"""What both model graders share: messages from rendered texts, and replies read strictly. Pure.

A rendered text only ever becomes the value of one string in a message: what stands in an item or a
sample cannot add a message, a part or a parameter. A reply counts only as a whole.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from graders import jsontext
from graders.calls import ChatError, ChatReply
from graders.config.model import (
    InputAudio,
    InputImage,
    InputText,
    Message,
    OutputText,
)
from graders.errors import shown
from graders.grade import Failure, Usage
from graders.hosted import Code

__all__ = ["CODE_OF_KIND", "STEPS", "Judged", "messages", "read_object", "settle", "templates"]

CODE_OF_KIND: Final[Mapping[str, Code]] = {
    "refused": "model_grader_refusal_error",
    "length": "model_grader_exceeded_max_tokens_error",
    "empty": "model_grader_parse_error",
    "request": "model_grader_server_error",
    "server": "model_grader_server_error",
    "unreachable": "model_grader_server_error",
    "deadline": "model_grader_server_error",
    "too_large": "model_grader_server_error",
    "offline": "model_grader_server_error",
}
"""Which hosted flag each kind of error sets."""

STEPS: Final[Mapping[str, Any]] = {
    "type": "array",
    "description": "A sequence of steps outlining the reasoning process.",
    "items": {
        "type": "object",
        "properties": {
            "description": {
                "type": "string",
                "description": "Detailed description of the reasoning in this step.",
            },
            "conclusion": {
                "type": "string",
                "description": "The conclusion of the reasoning in this step.",
            },
        },
        "required": ["description", "conclusion"],
        "additionalProperties": False,
    },
}
"""The part of the documented reply in which the judge reasons."""

_KEPT: Final = 4000
_LONGEST_NUMBER: Final = 400  # A longer one is no float.


@dataclass(slots=True)
class Judged:
    """What a judge gave for a column of rows.

    Attributes:
        scores: a score a row, None exactly where the row failed: the mean of its answered repeats.
        failures: why rows have no score.
        usage: tokens by model, a row.
        repeats: the score of each repeat, a row; None where a repeat failed.
        texts: the replies' texts, a row.
        seconds: how long the slowest reply took, a row.
    """

    scores: list[float | None] = field(default_factory=list)
    failures: dict[int, Failure] = field(default_factory=dict)
    usage: list[dict[str, Usage]] = field(default_factory=list)
    repeats: list[list[float | None]] = field(default_factory=list)
    texts: list[list[str]] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    def spread(self, rows: Sequence[int], count: int) -> Judged:
        """Return the same in a column of `count` rows, of which these are `rows`."""
        full = Judged([None] * count, {}, [{} for _ in range(count)], [[] for _ in range(count)],
                      [[] for _ in range(count)], [0.0] * count)  # fmt: skip
        for at, row in enumerate(rows):
            full.scores[row] = self.scores[at]
            full.usage[row], full.repeats[row] = self.usage[at], self.repeats[at]
            full.texts[row], full.seconds[row] = self.texts[at], self.seconds[at]
            if at in self.failures:
                full.failures[row] = self.failures[at]
        return full


def templates(input_: Sequence[Message]) -> Iterator[tuple[str, str]]:
    """Yield (path, text) for every text of the messages that may hold templates."""
    for index, message in enumerate(input_):
        place = f"input[{index}].content"
        if isinstance(message.content, tuple):
            for at, part in enumerate(message.content):
                yield _template(f"{place}[{at}]", part)
        else:
            yield _template(place, message.content)


def _template(place: str, part: Any) -> tuple[str, str]:
    match part:
        case str():
            return place, part
        case InputText() | OutputText():
            return f"{place}.text", part.text
        case InputImage():
            return f"{place}.image_url", part.image_url
        case InputAudio():
            return f"{place}.input_audio.data", part.input_audio.data
        case _:
            raise TypeError(f"not a part of a message: {part!r}")


def messages(
    input_: Sequence[Message], texts: Mapping[str, Sequence[str]], rows: Sequence[int]
) -> list[list[dict[str, Any]]]:
    """Return each row's messages as the chat completions API takes them.

    Args:
        input_: the config's messages.
        texts: the rendered column of every path that `templates` gives.
        rows: which rows to take.
    """
    makers = [_maker(index, message, texts) for index, message in enumerate(input_)]
    return [[make(row) for make in makers] for row in rows]


def _maker(
    index: int, message: Message, texts: Mapping[str, Sequence[str]]
) -> Callable[[int], dict[str, Any]]:
    place, content = f"input[{index}].content", message.content
    if isinstance(content, tuple):
        parts = [_part_maker(f"{place}[{at}]", part, texts) for at, part in enumerate(content)]
        if not parts:
            return lambda _: {"role": message.role, "content": ""}
        return lambda row: {"role": message.role, "content": [make(row) for make in parts]}
    path, _ = _template(place, content)
    if isinstance(content, str | OutputText) or (
        isinstance(content, InputText) and content.prompt_cache_breakpoint is None
    ):
        # A lone text is the plain string that every server takes.
        return lambda row: {"role": message.role, "content": texts[path][row]}
    make = _part_maker(place, content, texts)
    return lambda row: {"role": message.role, "content": [make(row)]}


def _part_maker(
    place: str, part: Any, texts: Mapping[str, Sequence[str]]
) -> Callable[[int], dict[str, Any]]:
    column = texts[_template(place, part)[0]]
    match part:
        case InputImage():
            detail = {} if part.detail is None else {"detail": part.detail}
            return lambda row: {
                "type": "image_url", "image_url": {"url": column[row], **detail}
            }  # fmt: skip
        case InputAudio():
            kind = part.input_audio.format
            return lambda row: {
                "type": "input_audio", "input_audio": {"data": column[row], "format": kind}
            }  # fmt: skip
        case InputText() if part.prompt_cache_breakpoint is not None:
            mark = {"prompt_cache_breakpoint": part.prompt_cache_breakpoint}
            return lambda row: {"type": "text", "text": column[row], **mark}
        case _:
            return lambda row: {"type": "text", "text": column[row]}


def settle(
    replies: Sequence[ChatReply], repeats: int, read: Callable[[ChatReply], float], model: str
) -> Judged:
    """Return what a column of replies comes to.

    Args:
        replies: `repeats` for each row, row after row.
        repeats: how often each row was asked.
        read: gives one reply's score; raises ValueError where it is not what was asked for.
        model: the name tokens are counted under where a server does not say its own.
    """
    judged = Judged()
    for row in range(len(replies) // repeats):
        asked = replies[row * repeats : (row + 1) * repeats]
        scores: list[float | None] = []
        failed: list[Failure] = []
        usage: dict[str, Usage] = {}
        for reply in asked:
            if reply.usage is not None:
                name = reply.model or model
                usage[name] = usage.get(name, Usage()) + reply.usage
            outcome = _outcome(reply, read)
            if isinstance(outcome, Failure):
                failed.append(outcome)
            scores.append(None if isinstance(outcome, Failure) else outcome)
        answered = [score for score in scores if score is not None]
        if answered:
            # Equal verdicts have themselves as their mean, whatever a division would round to.
            same = min(answered) == max(answered)
            judged.scores.append(answered[0] if same else sum(answered) / len(answered))
        else:
            judged.scores.append(None)
            judged.failures[row] = failed[0]
        judged.usage.append(usage)
        judged.repeats.append(scores)
        judged.texts.append([reply.text for reply in asked])
        judged.seconds.append(max(reply.seconds for reply in asked))
    return judged


def _outcome(reply: ChatReply, read: Callable[[ChatReply], float]) -> float | Failure:
    if reply.error is not None:
        return _failure_of(reply.error, reply.text)
    try:
        return read(reply)
    except ValueError as error:
        raw = _bounded(reply.text)
        return Failure("model_grader_parse_error", f"the judge's reply {error}", details=raw)


def _failure_of(error: ChatError, text: str) -> Failure:
    return Failure(CODE_OF_KIND[error.kind], error.message, details=_bounded(error.details or text))


def _bounded(text: str) -> str:
    more = len(text) - _KEPT
    return text if more <= 0 else f"{text[:_KEPT]}… ({more:,} more characters)"


def read_object(reply: ChatReply) -> Any:
    """Return the `result` of a reply that is the documented object and nothing else.

    A leading block of thoughts and one code fence around all the rest are set aside, for that is
    how models write where a server leaves them alone.

    Raises:
        ValueError: it is not; says why, to follow "the judge's reply".
    """
    text = jsontext.bare(reply.text)
    if not text:
        raise ValueError("is empty")
    try:
        value = json.loads(text, parse_constant=_refuse, parse_int=_whole, object_pairs_hook=_pairs)
    except json.JSONDecodeError as error:
        raise ValueError(f"is not one JSON object: {error.msg} at character {error.pos}") from None
    except RecursionError:
        raise ValueError("nests too deeply") from None
    if not isinstance(value, dict):
        raise ValueError("is not a JSON object")
    if set(value) != {"steps", "result"}:
        named = ", ".join(shown(name, 60) for name in sorted(value)[:6]) or "none"
        raise ValueError(f"does not have exactly the fields steps and result; it has {named}"[:300])
    if not isinstance(value["steps"], list) or not all(map(_is_step, value["steps"])):
        raise ValueError("has steps that are not a list of description and conclusion")
    return value["result"]


def _is_step(step: Any) -> bool:
    return (
        isinstance(step, dict)
        and set(step) == {"description", "conclusion"}
        and all(isinstance(text, str) for text in step.values())
    )


def _refuse(name: str) -> Any:
    raise ValueError(f"holds {name}, which is not JSON")


def _whole(text: str) -> int:
    if len(text) > _LONGEST_NUMBER:
        raise ValueError(f"holds a number of {len(text):,} digits")
    return int(text)


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("has a field twice")
    return found

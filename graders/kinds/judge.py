"""What both model graders share: messages from rendered texts, and replies read strictly.

A rendered text only ever becomes the value of one string in a message: what stands in an item or a
sample cannot add a message, a part or a parameter. A reply counts only as a whole.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeVar

from graders import jsontext
from graders.calls import ChatCall, ChatReply
from graders.errors import shown
from graders.grade import Failure, Usage
from graders.hosted import Code
from graders.kinds.field import GraderConfig, ModelName
from graders.kinds.kind import Kind, Rows, Settled, TextField
from graders.kinds.message import (
    InputAudio,
    InputImage,
    InputText,
    Message,
    Messages,
    OutputText,
)

__all__ = [
    "CODE_OF_KIND",
    "STEPS",
    "JudgeConfig",
    "JudgeKind",
    "Judged",
    "Judgement",
    "Panelled",
    "call",
    "mean",
    "messages",
    "object_in",
    "read_object",
    "reply_schema",
    "settle",
    "texts",
]

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


@dataclass(frozen=True, slots=True)
class Panelled:
    """What the judges of a panel gave for one row.

    Attributes:
        scores: each judge's score, None where it gave none.
        disagreement: how far two of its judges are apart on average: of scores their distance, of
            labels 0 or 1; None where fewer than two gave one.
    """

    scores: Mapping[str, float | None]
    disagreement: float | None

    def to_dict(self) -> dict[str, Any]:
        """Return it as it stands in a result line."""
        return {"scores": dict(self.scores), "disagreement": self.disagreement}


@dataclass(frozen=True, slots=True)
class Judgement:
    """One verdict of a judge on one row, with its reasons.

    Attributes:
        score: the score it comes to, as clipped; None where it failed.
        result: what the judge said itself, a number or a label; None where that was not read.
        steps: its reasons: `description` and `conclusion` each.
        text: the whole reply.
        failure: why there is no score.
        usage: the tokens it used; None where the server did not say.
        model: the model that answered, as its server names it; else the one that was asked.
        judge: which judge of a panel it is, "" for the only one.
        repeat: which asking of its row it is, from 0.
    """

    score: float | None
    result: Any = None
    steps: Sequence[Mapping[str, str]] = ()
    text: str = ""
    failure: Failure | None = None
    usage: Usage | None = None
    model: str = ""
    judge: str = ""
    repeat: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return the judgement as it stands in a file: the same for the same replies."""
        return {
            **({"judge": self.judge} if self.judge else {}),
            "model": self.model,
            "repeat": self.repeat,
            "score": self.score,
            "result": self.result,
            "steps": [dict(one) for one in self.steps],
            "reply": self.text,
            "usage": None if self.usage is None else self.usage.to_dict(),
            "failure": None if self.failure is None else self.failure.to_dict(),
        }


@dataclass(slots=True)
class Judged(Settled):
    """What judges gave for a column of rows; a score is the mean of one's answered repeats.

    Attributes:
        said: every judgement, a row.
        seconds: how long the slowest reply took, a row.
        panels: what the judges of a panel gave, a row; [] without a panel.
    """

    said: list[list[Judgement]] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    panels: list[Panelled | None] = field(default_factory=list)

    def usage(self, row: int) -> dict[str, Usage]:
        """Return the tokens that one row used, by model."""
        found: dict[str, Usage] = {}
        for one in self.said[row]:
            if one.usage is not None:
                found[one.model] = found.get(one.model, Usage()) + one.usage
        return found

    def repeats(self, row: int) -> list[float | None]:
        """Return the score of each repeat of one row, None where it failed; [] of a panel."""
        return [] if self.panels else [one.score for one in self.said[row]]

    def among(self, rows: Sequence[int], count: int, others: Mapping[int, Failure]) -> Judged:
        """Return the same in a column of `count` rows: these are `rows`, the others failed."""
        if len(rows) == count and not others:
            return self
        full = Judged([None] * count, dict(others), [[] for _ in range(count)], [0.0] * count,
                      [None] * count if self.panels else [])  # fmt: skip
        for at, row in enumerate(rows):
            full.scores[row] = self.scores[at]
            full.said[row], full.seconds[row] = self.said[at], self.seconds[at]
            if self.panels:
                full.panels[row] = self.panels[at]
            if at in self.failures:
                full.failures[row] = self.failures[at]
        return full


def _text(place: tuple[str | int, ...], part: Any, role: str) -> TextField:
    match part:
        case str():
            return TextField(place, part, role=role)
        case InputText() | OutputText():
            return TextField((*place, "text"), part.text, role=role)
        case InputImage():
            return TextField((*place, "image_url"), part.image_url, "image", role)
        case InputAudio():
            return TextField((*place, "input_audio", "data"), part.input_audio.data, "audio", role)
        case _:
            raise TypeError(f"not a part of a message: {part!r}")


class JudgeConfig(GraderConfig):
    """The fields that both model graders have."""

    model: ModelName
    """The judge."""
    input: Messages
    """What the judge reads."""


Config = TypeVar("Config", bound=JudgeConfig)


class JudgeKind(Kind[Config]):
    """What both model graders do alike."""

    def performer(self, config: Config) -> Literal["chat"]:
        return "chat"

    def model(self, config: Config) -> str:
        return config.model

    def texts(self, config: Config) -> Iterator[TextField]:
        return texts(config.input)


def texts(input_: Sequence[Message]) -> Iterator[TextField]:
    """Yield every text of messages that may hold templates."""
    for index, message in enumerate(input_):
        place = ("input", index, "content")
        if isinstance(message.content, tuple):
            for at, part in enumerate(message.content):
                yield _text((*place, at), part, message.role)
        else:
            yield _text(place, message.content, message.role)


def call(  # noqa: PLR0917
    config: JudgeConfig, rows: Rows, repeats: int, name: str, schema: Mapping[str, Any],
    sampling: Mapping[str, Any],
) -> ChatCall:  # fmt: skip
    """Return the call that asks a judge for rows.

    Args:
        config: the grader.
        rows: the rows.
        repeats: how often to ask for each row.
        name: what the reply's schema is called.
        schema: the reply's schema.
        sampling: how the judge samples, under the config's names.
    """
    asked = messages(config.input, rows.texts, len(rows.items))
    return ChatCall(
        config.model,
        [one for one in asked for _ in range(repeats)],
        name,
        schema,
        sampling,
        [index for _ in asked for index in range(repeats)],
        config.model_dump_json(),
        subject=_subject(config.input),
    )


def _subject(input_: Sequence[Message]) -> str:
    """Return messages as a text, but for what instructions say that are the same for every row."""
    return json.dumps([
        [one.role, None if _is_fixed(one) else one.model_dump(mode="json")] for one in input_
    ])  # fmt: skip


def _is_fixed(message: Message) -> bool:
    content = message.content
    return (
        message.role in ("system", "developer")
        and isinstance(content, str)
        and "{{" not in content
        and "{%" not in content
    )


def messages(
    input_: Sequence[Message], columns: Mapping[str, Sequence[str]], count: int
) -> list[list[dict[str, Any]]]:
    """Return the messages of each row, as chat completions have them.

    Args:
        input_: the messages with their templates.
        columns: the rendered texts of each field that `texts` yields, by its path.
        count: how many rows there are.
    """
    makers = [_maker(index, one, columns) for index, one in enumerate(input_)]
    return [[make(row) for make in makers] for row in range(count)]


def reply_schema(result: Mapping[str, Any]) -> dict[str, Any]:
    """Return the JSON Schema of the documented reply, given that of its `result`."""
    return {
        "type": "object",
        "properties": {"steps": STEPS, "result": result},
        "required": ["steps", "result"],
        "additionalProperties": False,
    }


def _maker(
    index: int, message: Message, columns: Mapping[str, Sequence[str]]
) -> Callable[[int], dict[str, Any]]:
    place, content = ("input", index, "content"), message.content
    if isinstance(content, tuple):
        parts = [_part_maker((*place, at), part, columns) for at, part in enumerate(content)]
        if not parts:
            return lambda _: {"role": message.role, "content": ""}
        return lambda row: {"role": message.role, "content": [make(row) for make in parts]}
    if isinstance(content, str | OutputText) or (
        isinstance(content, InputText) and content.prompt_cache_breakpoint is None
    ):
        # A lone text is the plain string that every server takes.
        column = columns[_text(place, content, "").path]
        return lambda row: {"role": message.role, "content": column[row]}
    make = _part_maker(place, content, columns)
    return lambda row: {"role": message.role, "content": [make(row)]}


def _part_maker(
    place: tuple[str | int, ...], part: Any, columns: Mapping[str, Sequence[str]]
) -> Callable[[int], dict[str, Any]]:
    column = columns[_text(place, part, "").path]
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
    replies: Sequence[ChatReply], repeats: int, score_of: Callable[[Any], float], model: str
) -> Judged:
    """Return what a column of replies comes to.

    Args:
        replies: `repeats` for each row, row after row.
        repeats: how often each row was asked.
        score_of: gives the score of a reply's `result`; raises ValueError where it is not what
            was asked for.
        model: the name tokens are counted under where a server does not say its own.
    """
    judged = Judged()
    for row in range(len(replies) // repeats):
        asked = replies[row * repeats : (row + 1) * repeats]
        said = [_judgement(reply, at, score_of, model) for at, reply in enumerate(asked)]
        answered = [one.score for one in said if one.score is not None]
        judged.scores.append(mean(answered) if answered else None)
        if not answered and said[0].failure is not None:
            judged.failures[row] = said[0].failure
        judged.said.append(said)
        judged.seconds.append(max(reply.seconds for reply in asked))
    return judged


def mean(scores: Sequence[float]) -> float:
    """Return the mean; equal verdicts have themselves as theirs, whatever a division would round."""
    return scores[0] if min(scores) == max(scores) else sum(scores) / len(scores)


def _judgement(
    reply: ChatReply, repeat: int, score_of: Callable[[Any], float], model: str
) -> Judgement:
    known: dict[str, Any] = {
        "text": reply.text, "usage": reply.usage, "model": reply.model or model, "repeat": repeat,
    }  # fmt: skip
    if reply.error is not None:
        error = reply.error
        details = _bounded(error.details or reply.text)
        failure = Failure(CODE_OF_KIND[error.kind], error.message, details=details)
        return Judgement(None, failure=failure, **known)
    try:
        steps, result = read_object(reply)
    except ValueError as fault:
        return Judgement(None, failure=_unread(reply, fault), **known)
    try:
        return Judgement(score_of(result), result, steps, **known)
    except ValueError as fault:
        return Judgement(None, result, steps, failure=_unread(reply, fault), **known)


def _unread(reply: ChatReply, fault: ValueError) -> Failure:
    raw = _bounded(reply.text)
    return Failure("model_grader_parse_error", f"the judge's reply {fault}", details=raw)


def _bounded(text: str) -> str:
    more = len(text) - _KEPT
    return text if more <= 0 else f"{text[:_KEPT]}… ({more:,} more characters)"


def read_object(reply: ChatReply) -> tuple[list[Mapping[str, str]], Any]:
    """Return `steps` and `result` of a reply that is the documented object and nothing else.

    Raises:
        ValueError: it is not; says why, to follow "the judge's reply".
    """
    value = object_in(reply.text)
    if set(value) != {"steps", "result"}:
        named = ", ".join(shown(name, 60) for name in sorted(value)[:6]) or "none"
        raise ValueError(f"does not have exactly the fields steps and result; it has {named}"[:300])
    steps = value["steps"]
    if not isinstance(steps, list) or not all(map(_is_step, steps)):
        raise ValueError("has steps that are not a list of description and conclusion")
    return steps, value["result"]


def object_in(reply: str) -> dict[str, Any]:
    """Return the one JSON object that a reply is.

    A leading block of thoughts and one code fence around all the rest are set aside, for that is
    how models write where a server leaves them alone.

    Raises:
        ValueError: it is not; says why, to follow "the judge's reply".
    """
    text = jsontext.bare(reply)
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
    return value


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

"""Rows as tokens: chat templates rendered, and which tokens are learned. Knows a tokenizer, not torch."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from graders.training.tool import read_calls

__all__ = ["PLAIN", "Chat", "Learned"]

PLAIN: Final = (
    "{% if bos_token %}{{ bos_token }}{% endif %}{% for message in messages %}{{ message['role'] + ':\\n' + message['content'] }}"
    "{% if message['role'] == 'assistant' %}{{ eos_token }}{% endif %}{{ '\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'assistant:\\n' }}{% endif %}"
)
"""The chat template of models that have none: a line with the role, then the text.

No text begins behind a space: tokens would hold both, and a prompt would end within one.
"""


@dataclass(frozen=True, slots=True)
class Learned:
    """A row as tokens.

    Attributes:
        ids: the tokens.
        labels: the same where they are learned, else -100.
        cut: whether the row was longer.
        partial: whether less is learned than was asked for, for the template writes a chat's past in
            other words than its present.
    """

    ids: list[int]
    labels: list[int]
    cut: bool = False
    partial: bool = False


class Chat:
    """A tokenizer's ways with chats.

    Args:
        tokenizer: as transformers have them; fast, for it has to say where tokens stand.
        more: what templates are given besides, such as `reasoning_effort`.
    """

    def __init__(self, tokenizer: Any, more: Mapping[str, Any] | None = None) -> None:
        self.tokenizer = tokenizer
        self._more = dict(more or {})

    def render(
        self, messages: Sequence[Mapping[str, Any]], tools: Any = None, *, ask: bool = False
    ) -> str:
        """Return a chat as text; where `ask`, up to where the assistant's next message begins."""
        text: str = self.tokenizer.apply_chat_template(
            [dict(one) for one in messages], tools=tools, tokenize=False,
            add_generation_prompt=ask, **self._more,
        )  # fmt: skip
        return text

    def calls(
        self, ids: Sequence[int], names: Collection[str], ends: Collection[int] = ()
    ) -> tuple[str | None, list[dict[str, Any]]] | None:
        """Return the tools that an answer calls, and its text beside them; None where it calls none.

        Args:
            ids: the answer; what families mark calls by may be special tokens.
            names: of the tools that were offered.
            ends: the tokens that end answers.
        """
        if not names:
            return None
        tokenizer = self.tokenizer
        over = {*ends, tokenizer.eos_token_id, tokenizer.pad_token_id}
        said = tokenizer.decode([one for one in ids if one not in over], skip_special_tokens=False)
        return read_calls(said, names)

    def prompt(self, messages: Sequence[Mapping[str, Any]], tools: Any = None) -> str:
        """Return a prompt as text, without the token of beginning that tokenizers put before it."""
        return self._bare(self.render(messages, tools, ask=True))

    def _bare(self, text: str) -> str:
        begin = self.tokenizer.bos_token
        if begin and text.startswith(begin) and self._puts_begin():
            return text.removeprefix(begin)
        return text

    def _puts_begin(self) -> bool:
        ids = self.tokenizer("a")["input_ids"]
        return bool(ids) and ids[0] == self.tokenizer.bos_token_id

    def answer(
        self, messages: Sequence[Mapping[str, Any]], answer: Sequence[Mapping[str, Any]], tools: Any
    ) -> tuple[str, str]:
        """Return a prompt and an answer to it as texts; the answer without the token of its end."""
        before = self.render(messages, tools, ask=True)
        after = self.render([*messages, *answer], tools)
        if not after.startswith(before):
            before = self.render(messages, tools)
        if not after.startswith(before):
            text = "".join(str(one["content"]) for one in answer)
            return self._bare(self.render(messages, tools, ask=True)), text
        said = after.removeprefix(before).rstrip()
        if end := self.tokenizer.eos_token:
            said = said.removesuffix(end)
        return self._bare(before), said

    def learned(self, row: Mapping[str, Any], length: int) -> Learned:
        """Return a row of a supervised job as tokens."""
        if "messages" not in row:
            end = self.tokenizer.eos_token or ""
            begin = len(row["prompt"])
            text = row["prompt"] + row["completion"] + end
            return self._tokens(text, [(begin, len(text))], length, special=True)
        messages, tools = row["messages"], row.get("tools")
        text = self.render(messages, tools)
        spans, partial = [], False
        for at in row["learned"]:
            span = self._span(text, messages, at, tools)
            if span is None:
                partial = True
            else:
                spans.append(span)
        found = self._tokens(text, spans, length, special=False)
        return Learned(found.ids, found.labels, found.cut, partial)

    def _span(
        self, text: str, messages: Sequence[Mapping[str, Any]], at: int, tools: Any
    ) -> tuple[int, int] | None:
        """Return where in a chat's text one message of the assistant stands; None where that is unclear."""
        last = at == len(messages) - 1
        upto = text if last else self.render(messages[: at + 1], tools)
        if not text.startswith(upto):
            return None
        # A chat may begin with the assistant, of which not every template writes the beginning.
        for ask in (True, False):
            before = self.render(messages[:at], tools, ask=ask) if at or ask else ""
            if upto.startswith(before):
                return len(before), len(upto)
        return None

    def _tokens(
        self, text: str, spans: Sequence[tuple[int, int]], length: int, *, special: bool
    ) -> Learned:
        """Return a text as tokens, of which those that begin in a span are learned."""
        found = self.tokenizer(
            text, add_special_tokens=special, return_offsets_mapping=True, truncation=False
        )
        ids, offsets = list(found["input_ids"]), found["offset_mapping"]
        labels = [
            one if any(_begins_in(text, begin, end, span) for span in spans) else -100
            for one, (begin, end) in zip(ids, offsets, strict=True)
        ]
        return Learned(ids[:length], labels[:length], len(ids) > length)


def _begins_in(text: str, begin: int, end: int, span: tuple[int, int]) -> bool:
    """Return whether a token begins in a span; the space before a word is part of many a token."""
    low, high = span
    if begin < low < end:
        return text[begin:low].isspace()
    return low <= begin < high and begin < end

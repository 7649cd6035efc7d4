"""Which tokens are learned, for templates of several kinds."""

from __future__ import annotations

import re
from typing import Any

import pytest
from jinja2 import Environment

from graders.training.chat import PLAIN, Chat

TURNS = (
    "{% for m in messages %}<{{ m.role }}> {{ m.content }} <end> {% endfor %}"
    "{% if add_generation_prompt %}<assistant> {% endif %}"
)
# What was thought in earlier turns is left out, as some models do it.
FORGETS = (
    "{% for m in messages %}<{{ m.role }}> "
    "{% if loop.last or m.role != 'assistant' %}{{ m.content }}{% else %}{{ m.content.split('|')[-1] }}{% endif %}"
    " <end> {% endfor %}{% if add_generation_prompt %}<assistant> {% endif %}"
)
ROW: dict[str, Any] = {
    "messages": [
        {"role": "user", "content": "one two"},
        {"role": "assistant", "content": "hm|three"},
        {"role": "user", "content": "four"},
        {"role": "assistant", "content": "hm|five six"},
    ],
    "learned": [1, 3],
    "tools": None,
}


class Words:
    """A tokenizer of words, with what is asked of one."""

    eos_token, bos_token, bos_token_id = "<end>", "<begin>", 0

    def __init__(self, template: str, *, begins: bool = False) -> None:
        self.template, self.begins = template, begins
        self.known = ["<begin>"]

    def apply_chat_template(self, messages: Any, **given: Any) -> str:
        names = {one: value for one, value in given.items() if one != "tokenize"}
        made = Environment().from_string(self.template)
        return made.render(messages=messages, eos_token=self.eos_token, **names)

    def __call__(self, text: str, add_special_tokens: bool = True, **_: Any) -> dict[str, Any]:
        found = [(one[0], one.span()) for one in re.finditer(r"\S+", text)]
        if self.begins and add_special_tokens:
            found.insert(0, ("<begin>", (0, 0)))
        for word, _span in found:
            if word not in self.known:
                self.known.append(word)
        return {
            "input_ids": [self.known.index(word) for word, _ in found],
            "offset_mapping": [span for _, span in found],
        }

    def words(self, ids: Any) -> list[str]:
        return [self.known[one] for one in ids]


def learned(template: str, row: Any = ROW, length: int = 100) -> tuple[list[str], Any]:
    words = Words(template)
    found = Chat(words).learned(row, length)
    assert len(found.ids) == len(found.labels) <= length
    return words.words(one for one in found.labels if one != -100), found


def test_every_answer_with_its_end_is_learned_and_nothing_else() -> None:
    words, found = learned(TURNS)
    assert words == ["hm|three", "<end>", "hm|five", "six", "<end>"]
    assert not found.cut
    assert not found.partial
    words, _ = learned(TURNS, {**ROW, "learned": [3]})
    assert words == ["hm|five", "six", "<end>"]


def test_the_template_of_models_that_have_none() -> None:
    words, _ = learned(PLAIN)
    assert words == ["hm|three<end>", "hm|five", "six<end>"]


def test_a_template_that_writes_the_past_in_other_words_teaches_the_last_answer() -> None:
    words, found = learned(FORGETS)
    assert words == ["hm|five", "six", "<end>"]
    assert found.partial


def test_a_token_with_the_space_before_the_answer_is_learned() -> None:
    text, words = "assistant: Paris <end>", Words(TURNS)
    whole = words(text)
    # As byte-level tokenizers cut it: the space stands in the word's own token.
    whole["offset_mapping"] = [(0, 10), (10, 16), (16, 22)]
    words.__class__ = type("Fixed", (Words,), {"__call__": lambda *_, **__: whole})
    found = Chat(words)._tokens(text, [(11, len(text))], 10, special=False)
    assert [one != -100 for one in found.labels] == [False, True, True]
    found = Chat(words)._tokens(text, [(12, len(text))], 10, special=False)
    assert [one != -100 for one in found.labels] == [False, False, True]


def test_a_long_row_is_cut() -> None:
    words, found = learned(TURNS, length=6)
    assert found.cut
    assert words == ["hm|three"]


def test_a_completion_is_learned_with_its_end() -> None:
    words, _ = learned(TURNS, {"prompt": "one two ", "completion": "three "})
    assert words == ["three", "<end>"]


@pytest.mark.parametrize("begins", [False, True])
def test_a_prompt_begins_once(begins: bool) -> None:
    words = Words("<begin> " + TURNS, begins=begins)
    text = Chat(words).prompt(ROW["messages"][:1])
    assert text.lstrip().startswith("<user>" if begins else "<begin>")


def test_an_answer_stands_apart_from_its_prompt_without_the_end() -> None:
    chat = Chat(Words(TURNS))
    prompt, said = chat.answer(ROW["messages"][:1], ROW["messages"][1:2], None)
    assert prompt == "<user> one two <end> <assistant> "
    assert said == "hm|three "

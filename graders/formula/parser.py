"""From the text of a formula to its program: recursive descent with a bounded depth.

Grammar (spaces are free; `^` is power and binds to the right; a sign binds weaker than `^`):

    formula  := term (("+" | "-") term)*
    term     := sign (("*" | "/") sign)*
    sign     := "-" sign | power
    power    := operand ("^" sign)?
    operand  := number | name | function "(" formula ("," formula)* ")" | "(" formula ")"

Source: the hosted graders guide names the operators and functions; precedence, natural `log` and
the arity of `min` and `max` are ours (docs/reference/choices.md).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Final

from graders.errors import FormulaError, nearest, shown, suggestion
from graders.formula.program import FUNCTIONS, NAME, NUMBER, Formula, Step

__all__ = ["MAX_DEPTH", "MAX_LENGTH", "compile_formula"]

MAX_LENGTH: Final = 20_000
"""Characters in a formula. A multi of hundreds of sub-graders stays far below."""

MAX_DEPTH: Final = 100
"""Levels of parentheses, function calls, signs and powers inside each other."""


_MAX_ODD_NAME: Final = 200
"""Characters in a key that is not a word; looking for longer ones would cost too much."""


def compile_formula(
    text: str, names: Sequence[str], *, aliases: Mapping[str, str] | None = None
) -> Formula:
    """Compile a `calculate_output` over the sub-graders `names`.

    A name is written as it is: a word of letters, digits and underscores (Python's keywords are
    ordinary words here), or any other key of at most 200 characters, such as `exact-match` or
    `step 1`. Where such a key also reads as a number, or as arithmetic over other keys, a formula
    that has it is refused as ambiguous.

    Args:
        text: the formula.
        names: the keys of the multi's `graders`.
        aliases: other names a user may have meant, each with its key; only for messages.

    Raises:
        FormulaError: syntax error, unknown or ambiguous name, unknown function, wrong number of
            arguments, a number too large, or a text too long or nested too deeply.
    """
    return _Parser(text, names, aliases or {}).parse()


_NUMBER_TOKEN: Final = re.compile(r"(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_WORD_TOKEN: Final = re.compile(r"[^\W\d]\w*")
_INSTEAD: Final[Mapping[str, str]] = {
    "**": "power is written ^",
    "//": "write floor(a / b)",
    "%": "there is no remainder operator",
    "<": "comparisons are not part of the grammar",
    ">": "comparisons are not part of the grammar",
    "=": "comparisons and assignments are not part of the grammar",
    "!": "comparisons are not part of the grammar",
    "&": "logical operators are not part of the grammar",
    "|": "logical operators are not part of the grammar",
    "−": "this is not the minus sign of the keyboard, write -",
    "–": "this is a dash, write -",
    "—": "this is a dash, write -",
    "×": "write *",
    "·": "write *",
    "∙": "write *",
    "⋅": "write *",
    "÷": "write /",
    "∕": "write /",
    "⁄": "write /",
    "（": "write (",
    "）": "write )",
    "，": "write ,",
    "＋": "write +",
    "＊": "write *",
    "／": "write /",
    "＾": "write ^",
    "²": "write ^2",
    "³": "write ^3",
    "[": "use parentheses ( )",
    "{": "write the sub-grader's key without braces",
    ".": "there are no attributes, only the keys of `graders`",
    '"': "write the sub-grader's key without quotes",
    "'": "write the sub-grader's key without quotes",
}


class _Parser:
    """Recursive descent with a bounded depth, straight from text to a postfix program."""

    def __init__(
        self,
        text: str,
        names: Sequence[str],
        aliases: Mapping[str, str],
        *,
        without: str | None = None,
    ) -> None:
        self.text = text[: MAX_LENGTH + 1]
        self.length = len(text)
        self.known = dict.fromkeys(names)
        self.aliases = aliases
        self.without = without
        # Only what stands in the text can be meant: a formula over many keys stays fast.
        self.odd = {
            name
            for name in self.known
            if name and name != without and name in self.text and not _WORD_TOKEN.fullmatch(name)
        }
        # Longest first, so that `a-b-c` is not read as `a-b` and a rest.
        self.odd_lengths = sorted({len(name) for name in self.odd}, reverse=True)
        self.arithmetic: dict[str, bool] = {}
        self.at = 0
        self.depth = 0
        self.program: list[Step] = []
        self.used: dict[str, int] = {}
        self.places: list[tuple[int, int, str]] = []

    def parse(self) -> Formula:
        if self.length > MAX_LENGTH:
            raise self._error(
                f"the formula has {self.length} characters, at most {MAX_LENGTH} are allowed", 0
            )
        if long := next((name for name in self.odd if len(name) > _MAX_ODD_NAME), None):
            raise self._error(
                f"a key of more than {_MAX_ODD_NAME} characters has to be a single word, letters, "
                "digits and underscores; rename it",
                self.text.find(long),
            )
        self._skip_space()
        if self.at == len(self.text):
            raise self._error("the formula is empty", 0)
        self._formula()
        if self.at < len(self.text):
            raise self._unexpected("an operator")
        return Formula(self.text, tuple(self.used), tuple(self.program), tuple(self.places))

    def _formula(self) -> None:
        """`term (("+" | "-") term)*`."""
        self._term()
        while (symbol := self._peek()) in ("+", "-"):
            self._take()
            self._term()
            self._emit(symbol, 2)

    def _term(self) -> None:
        """`sign (("*" | "/") sign)*`."""
        self._sign()
        while (symbol := self._peek()) in ("*", "/"):
            if self.text.startswith(("**", "//"), self.at):
                raise self._unexpected("an operator")
            self._take()
            self._sign()
            self._emit(symbol, 2)

    def _sign(self) -> None:
        """`"-" sign | power`."""
        if self._peek() == "-" and not self._odd_name():
            self._enter()
            self._take()
            self._sign()
            self._emit("negate", 1)
            self.depth -= 1
        else:
            self._power()

    def _power(self) -> None:
        """`operand ("^" sign)?`."""
        self._operand()
        if self._peek() == "^":
            self._enter()
            self._take()
            self._sign()
            self._emit("^", 2)
            self.depth -= 1

    def _operand(self) -> None:
        """`number | name | function "(" formula ("," formula)* ")" | "(" formula ")"`."""
        if odd := self._odd_name():
            self._name(odd)
        elif self._peek() == "(":
            opened = self.at
            self._enter()
            self._take()
            self._formula()
            self._close(opened)
            self.depth -= 1
        elif number := _NUMBER_TOKEN.match(self.text, self.at):
            self._number(number)
        elif word := _WORD_TOKEN.match(self.text, self.at):
            self._word(word.group(), word.end())
        else:
            raise self._unexpected("a number, a sub-grader's key or a function")

    def _number(self, match: re.Match[str]) -> None:
        following = self.text[match.end() : match.end() + 1]
        if following.isalnum() or following in ("_", "."):
            raise self._error(f"{match.group()!r} is not followed by an operator", match.end())
        if match.group() in self.odd and self.without is None:
            raise self._error(
                f"{match.group()!r} is a sub-grader's key and also a number; rename the key",
                match.start(),
                match.end(),
            )
        value = float(match.group())
        if math.isinf(value):
            raise self._error("the number is too large", match.start(), match.end())
        self.program.append(Step(NUMBER, 0, value))
        self._move(match.end())

    def _word(self, word: str, end: int) -> None:
        start = self.at
        calls = self.text[end:].lstrip()[:1] == "("
        if calls and word in FUNCTIONS:
            self._call(word)
        elif word in self.known:
            if calls:
                raise self._error(
                    f"{word} is a sub-grader, not a function; an operator is missing", end
                )
            self._name(word)
        elif word in FUNCTIONS:
            raise self._error(f"{word} is a function: write {_usage(word)}", start, end)
        elif raised := re.search("[²³]", word):
            symbol, place = raised.group(), start + raised.start()
            raise self._error(f"{symbol!r}: {_INSTEAD[symbol]}", place, place + 1)
        else:
            error = self._error(self._unknown(word, calls=calls), start, end)
            error.is_unknown_name = not calls
            raise error

    def _name(self, name: str) -> None:
        end = self.at + len(name)
        index = self.used.setdefault(name, len(self.used))
        self.program.append(Step(NAME, index))
        self.places.append((self.at, end, name))
        self._move(end)

    def _call(self, function: str) -> None:
        start = self.at
        self._enter()
        self._move(start + len(function))
        opened = self.at
        self._take()
        count = 0
        if self._peek() != ")":
            self._formula()
            count = 1
            while self._peek() == ",":
                self._take()
                self._formula()
                count += 1
        self._close(opened)
        self.depth -= 1
        wanted = FUNCTIONS[function]
        if (wanted is None and count < 2) or (wanted is not None and count != wanted):
            takes = "two or more arguments" if wanted is None else "one argument"
            message = f"{function} takes {takes}, {count} given: write {_usage(function)}"
            raise self._error(message, start, len(self.text[: self.at].rstrip()))
        self._emit(function, count)

    def _odd_name(self) -> str | None:
        for length in self.odd_lengths:
            end = self.at + length
            name = self.text[self.at : end]
            if name in self.odd and not _NUMBER_TOKEN.fullmatch(name):
                following = self.text[end : end + 1]
                if _is_word_character(name[-1]) and _is_word_character(following):
                    continue
                if self._reads_as_arithmetic(name):
                    raise self._error(
                        f"{name!r} is a sub-grader's key and also reads as arithmetic over "
                        "other keys; rename one",
                        self.at,
                        end,
                    )
                return name
        return None

    def _reads_as_arithmetic(self, name: str) -> bool:
        if self.without is not None:
            return False  # This parser only asks whether there is another reading.
        if name not in self.arithmetic:
            try:
                _Parser(name, self._keys_in(name), {}, without=name).parse()
            except FormulaError:
                self.arithmetic[name] = False
            else:
                self.arithmetic[name] = True
        return self.arithmetic[name]

    def _keys_in(self, name: str) -> list[str]:
        """Return the keys that stand somewhere in `name`, as far as they could be meant."""
        words = [word for word in _WORD_TOKEN.findall(name) if word in self.known]
        odd = (
            name[start : start + length]
            for length in self.odd_lengths
            for start in range(len(name) - length + 1)
        )
        return words + [key for key in odd if key in self.odd]

    def _unknown(self, word: str, *, calls: bool) -> str:
        if calls:
            return f"unknown function {word}; {suggestion(word, FUNCTIONS, 'there are')}"
        if word in self.aliases:
            return (
                f"unknown name {word}; a formula uses the keys of `graders`, and the grader "
                f"named {word!r} stands under the key {self.aliases[word]!r}"
            )
        if not self.known:
            return f"unknown name {word}; `graders` has no keys a formula could use"
        near = nearest(word, self.known)
        listed = ", ".join(shown(name) for name in list(self.known)[:20])
        listed += ", …" if len(self.known) > 20 else ""
        hint = (
            f"did you mean {shown(near, 120)}?" if near else f"the keys of `graders` are: {listed}"
        )
        return f"unknown name {shown(word, 120)}; {hint}"

    def _unexpected(self, wanted: str) -> FormulaError:
        rest = self.text[self.at :]
        if not rest:
            return self._error(f"the formula ends where {wanted} is expected", len(self.text))
        symbol = rest[:2] if rest[:2] in _INSTEAD else rest[:1]
        if word := _WORD_TOKEN.match(rest):
            symbol = word.group()
        if symbol == ")" and wanted == "an operator":
            return self._error("this ) has no matching (", self.at)
        if symbol == "+" and wanted != "an operator":
            return self._error("there is no plus sign before a value, leave it out", self.at)
        hint = _INSTEAD.get(symbol)
        seen = shown(symbol) if symbol.isprintable() else f"U+{ord(symbol[0]):04X}"
        message = f"{seen!r}: {hint}" if hint else f"{wanted} is expected, not {seen!r}"
        return self._error(message, self.at, self.at + len(symbol))

    def _close(self, opened: int) -> None:
        if self._peek() == ")":
            self._take()
        elif self.at == len(self.text):
            raise self._error("this ( is never closed", opened)
        else:
            raise self._unexpected("an operator or )")

    def _enter(self) -> None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise self._error(f"the formula nests deeper than {MAX_DEPTH} levels", self.at)

    def _emit(self, symbol: str, count: int) -> None:
        self.program.append(Step(symbol, count))

    def _peek(self) -> str:
        return self.text[self.at : self.at + 1]

    def _take(self) -> None:
        self._move(self.at + 1)

    def _move(self, at: int) -> None:
        self.at = at
        self._skip_space()

    def _skip_space(self) -> None:
        while self.at < len(self.text) and self.text[self.at].isspace():
            self.at += 1

    def _error(self, message: str, start: int, end: int | None = None) -> FormulaError:
        return FormulaError(message, text=self.text, start=start, end=end)


def _usage(function: str) -> str:
    return f"{function}(a, b)" if FUNCTIONS[function] is None else f"{function}(a)"


def _is_word_character(character: str) -> bool:
    return character.isalnum() or character == "_"

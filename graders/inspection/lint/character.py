"""What the characters of a text give away: escapes gone wrong, forms that look alike, scripts."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Iterator
from typing import Any, Final

__all__ = ["blind_to", "control_in", "form_between", "strings_in"]

_CONTROL: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f]")
# A tab, line feed or carriage return is at home in texts; before the rest of such a command it is not.
_COMMAND: Final = re.compile(
    "\t(?:ext|extbf|extit|imes|heta|au|an|frac|riangle|o)(?![a-z])|\n(?:eq|abla|u|ot|mid)(?![a-z])"
    "|\r(?:ight|angle|ho|m)(?![a-z])"
)
_NAMES: Final = {"\x08": "\\b", "\x0c": "\\f", "\t": "\\t", "\n": "\\n", "\r": "\\r"}


def control_in(text: str) -> tuple[int, str] | None:
    """Return where a control character stands that is surely not meant, and a sentence; else None."""
    match = _CONTROL.search(text) or _COMMAND.search(text)
    if match is None:
        return None
    one = match.group()[0]
    escape = _NAMES.get(one)
    rest = re.match(r"[A-Za-z]{0,12}", text[match.start() + 1 :])
    shown = rest.group() if rest else ""
    if escape is None or not shown:
        return match.start(), f"the control character U+{ord(one):04X}"
    return (
        match.start(),
        f"{escape}{shown} with one backslash, which is the character U+{ord(one):04X} and {shown!r}",
    )


_LOOK_ALIKES: Final = str.maketrans(
    {
        **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212", "-"),
        **dict.fromkeys("\u2018\u2019\u201a\u201b\u2032\u00b4`", "'"),
        **dict.fromkeys("\u201c\u201d\u201e\u201f\u2033", '"'),
        **dict.fromkeys("\u200b\u200c\u200d\u2060\ufeff\u00ad", ""),
    }
)


def _looks(text: str) -> str:
    return unicodedata.normalize("NFKC", text).translate(_LOOK_ALIKES)


def _collapsed(text: str) -> str:
    return " ".join(text.split())


_FORMS: Final[tuple[tuple[str, Callable[[str], str]], ...]] = (
    ("blanks at the ends", str.strip),
    ("Unicode normal form", lambda text: unicodedata.normalize("NFC", text)),
    ("characters that look alike in Unicode", _looks),
    ("blanks and line ends", _collapsed),
    ("upper and lower case", str.casefold),
    ("case, blanks and Unicode form together", lambda text: _collapsed(_looks(text)).casefold()),
)


def form_between(text: str, reference: str, operation: str) -> str | None:
    """Return the form by which alone a check misses, None where it is more than form.

    Args:
        text: what is looked at, and was missed.
        reference: what it was compared with.
        operation: `eq`, `like` or `ilike`.
    """
    for name, form in _FORMS:
        ours, theirs = form(text), form(reference)
        if operation == "eq" and ours == theirs:
            return name
        if operation != "eq" and theirs and theirs in ours:
            return name
    return _values(text, reference) if operation == "eq" else None


def _values(text: str, reference: str) -> str | None:
    try:
        ours, theirs = json.loads(text), json.loads(reference)
    except (ValueError, RecursionError):
        return None
    if isinstance(ours, bool) or isinstance(theirs, bool) or ours != theirs:
        return None
    if isinstance(ours, dict | list):
        return "spelling of JSON" if type(ours) is type(theirs) else None
    return "spelling of a number" if isinstance(ours, int | float) else None


def _unseen_share(text: str) -> float:
    """Return which share of a text's letters ROUGE does not see: all but a-z."""
    letters = [one for one in text if one.isalpha()]
    return sum(not one.isascii() for one in letters) / len(letters) if letters else 0.0


_SPACELESS: Final = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]"
)


def _is_spaceless(text: str) -> bool:
    """Whether most letters of a text are of a script that writes no blanks between words."""
    letters = sum(one.isalnum() for one in text)
    return letters > 0 and 2 * len(_SPACELESS.findall(text)) > letters


def blind_to(metric: str, text: str) -> str:
    """Return why a metric cannot see a text, "" where it can."""
    if metric.startswith("rouge") and _unseen_share(text) >= 0.5:
        return f"{metric} sees the letters a-z and the digits 0-9 only"
    if metric in ("bleu", "gleu", "meteor") and _is_spaceless(text):
        return f"{metric} cuts words at blanks, and there are none"
    return ""


def strings_in(value: Any, depth: int = 0) -> Iterator[str]:
    """Yield the texts in a JSON value, but for what lies deeper than any item does."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict) and depth < 20:
        for one in value.values():
            yield from strings_in(one, depth + 1)
    elif isinstance(value, list) and depth < 20:
        for one in value:
            yield from strings_in(one, depth + 1)

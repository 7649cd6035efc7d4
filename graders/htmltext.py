"""HTML text that is safe to show whatever stands in a row: elements, escapes, notebook cards."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence
from typing import Any, Final

from graders import jsontext

__all__ = [
    "Bar", "Html", "card", "columns", "element", "joined", "script_json", "shortened", "visible"
]  # fmt: skip

_UNSEEN: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # controls
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # turn the direction of what follows
    "\u2028\u2029\ufeff\ufffe\uffff\U000e0000-\U000e007f"  # unseen, some used to hide prompts
    "\ud800-\udfff]"  # no UTF-8
)
_MARK: Final = (
    "[\u0300-\u036f\u0483-\u0489\u0591-\u05bd\u0610-\u061a\u064b-\u065f\u0e31\u0e34-\u0e3a\u0e47-\u0e4e"
    "\u0f71-\u0f84\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]"
)
_PILE: Final = re.compile(f"({_MARK}{{4}})({_MARK}{{2,}})")  # No language piles up so many.
_WIDEST: Final = 22.0
_BELOW_COUNTS: Final = 88.0
"""How wide a bar is at the most, and how high one with its count above, in percent of their box."""
_FEW: Final = 10
_VOID: Final = frozenset({"input", "meta", "link"})
_IN_SCRIPT: Final = {
    character: f"\\u{ord(character):04x}" for character in "<>&\u2028\u2029\u007f"
}  # "</script" and "<!--" would end or change the script that the JSON stands in


class Html(str):
    """Text that is HTML already; all other text is escaped where it becomes part of some."""

    __slots__ = ()


def visible(text: str) -> str:
    """Return a text whose unseen characters are named: none can turn, hide or break what is near.

    Tabs and line ends stay; what joins emoji or letters stays, too. Of marks that pile up over a
    letter, and so over its neighbours, four are kept.
    """
    if text.isascii() and text.isprintable():
        return text
    text = _UNSEEN.sub(lambda found: f"⟨U+{ord(found[0]):04X}⟩", text.replace("\r\n", "\n"))
    return _PILE.sub(lambda found: f"{found[1]}⟨{len(found[2])} more marks⟩", text)


def shortened(text: str, limit: int) -> str:
    """Return a text that is fit to be shown, and says how long it is where it is cut."""
    if len(text) <= limit:
        return visible(text)
    return f"{visible(text[:limit])} … ({len(text):,} characters)"


def element(name: str, /, *children: str | None, **attributes: Any) -> Html:
    """Return an element.

    Args:
        name: its name.
        children: what stands in it; text that is no `Html` is escaped, None is left out.
        attributes: its attributes; `class_` is `class`, other `_` are `-`, True has no value, and
            those that are None or False are left out.
    """
    words = [name]
    for key, value in attributes.items():
        if value is None or value is False:
            continue
        word = key.rstrip("_").replace("_", "-")
        words.append(word if value is True else f'{word}="{html.escape(visible(str(value)))}"')
    start = Html(f"<{' '.join(words)}>")
    return start if name in _VOID else Html(f"{start}{joined(children)}</{name}>")


def joined(children: Iterable[str | None]) -> Html:
    """Return several pieces as one; text that is no `Html` is escaped, None is left out."""
    return Html(
        "".join(
            one if isinstance(one, Html) else html.escape(visible(one), quote=False)
            for one in children
            if one is not None
        )
    )


def script_json(value: Any) -> Html:
    """Return a JSON value as it may stand in a script element: nothing in it can end the script."""
    text = jsontext.encode(value).decode()
    for character, escape in _IN_SCRIPT.items():
        text = text.replace(character, escape)
    return Html(text)


def card(title: str, facts: Iterable[tuple[str, str, str]], bars: Sequence[Bar] = ()) -> str:
    """Return a small table for a notebook: a name, a value and a word on it in each row; and bars."""
    cell = "text-align:left;padding:.15em 1em .15em 0;vertical-align:top;background:none"
    figure = f"{cell};text-align:right;font-variant-numeric:tabular-nums"
    wide = f"{cell};overflow-wrap:anywhere;white-space:pre-wrap"
    rows = [
        element(
            "tr",
            element("th", name, scope="row", style=f"{cell};font-weight:normal"),
            element("td", value, style=figure),
            element("td", note, style=wide),
        )
        for name, value, note in facts
    ]
    table = element(
        "table",
        element("caption", title, style="text-align:left;font-weight:bold;color:inherit"),
        element("tbody", *rows),
        style="border-collapse:collapse;max-width:60em",
    )
    picture = None
    if bars:
        spelled = "; ".join(f"{name}: {count:,}" for name, count in bars if count)
        look = "width:30em;height:8em;max-width:100%;fill:#4c78a8;display:block;margin:.5em 0"
        ends = f"{bars[0][0]} … {bars[-1][0]}" if len(bars) > 1 else bars[0][0]
        picture = element(
            "figure",
            columns(bars, label=f"Rows by reward. {spelled}.", style=look, counts=True),
            element("figcaption", f"rows by reward, {ends}", style="font-size:smaller"),
            style="margin:0",
        )
    return str(element("div", table, picture, class_="graders"))


Bar = tuple[str, int]
"""What a bar stands for, and how many rows."""


def columns(
    bars: Sequence[Bar],
    *,
    label: str | None,
    marks: Sequence[float] = (),
    style: str | None = None,
    counts: bool = False,
) -> Html:
    """Return upright bars that fill whatever box the style gives them.

    Args:
        bars: the bars.
        label: what the picture shows, for those who do not see it; None where a text beside it
            says the same.
        marks: places of upright lines, as shares of the width.
        style: of the picture, where no page has one.
        counts: whether each bar has its count above it.
    """
    most = max((count for _, count in bars), default=0) or 1
    step = 100 / max(len(bars), 1)
    wide, high = min(step * 0.84, _WIDEST), _BELOW_COUNTS if counts else 100
    # All in percent of the box: whatever its form, the counts are not stretched with the bars.
    shapes = []
    for place, (name, count) in enumerate(bars):
        top = max(count / most * high, 1 if count else 0)
        bar = element(
            "rect", class_="bar", x=_percent((place + 0.5) * step - wide / 2),
            y=_percent(100 - top), width=_percent(wide), height=_percent(top),
        )  # fmt: skip
        said = None
        if counts and count:
            said = element(
                "text", _short(count), x=_percent((place + 0.5) * step), y=_percent(100 - top), dy="-4",
                text_anchor="middle", class_="count", font_size=11, aria_hidden="true",
            )  # fmt: skip
        shapes.append(element("g", element("title", f"{name}: {count:,} rows"), bar, said))
    shapes += [
        element(
            "line", class_="mark", x1=_percent(at * 100), x2=_percent(at * 100), y1=0, y2="100%"
        )
        for at in marks
    ]
    return element(
        "svg",
        *shapes,
        role="img" if label else None,
        aria_label=label,
        aria_hidden=None if label else "true",
        style=style,
        class_="many" if len(bars) > _FEW else None,
    )


def _percent(value: float) -> str:
    return f"{value:.5g}%"


def _short(count: int) -> str:
    """Return a count as it fits above a narrow bar: 12,345 is 12k."""
    for power, letter in ((9, "G"), (6, "M"), (3, "k")):
        if count >= 10 ** (power + 1):
            return f"{count / 10**power:.0f}{letter}"
    return f"{count:,}"

"""Charts as inline SVG: pure functions of figures. Colours come from the page's style."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from graders.batch.tally import Figures
from graders.htmltext import Html, element
from graders.report.terminal import number

__all__ = ["Bar", "bars_of", "columns", "histogram", "meter", "spark"]

Bar = tuple[str, int]
"""What a bar stands for, and how many rows."""

_WIDE: Final = 1000
_HIGH: Final = 200
_WIDEST: Final = 220


def bars_of(figures: Figures, bars: int = 20) -> list[Bar]:
    """Return the bars of a distribution: a value each where there are few, else ranges."""
    few = figures.values()
    if few is not None:
        return [(f"{value:g}", count) for value, count in few]
    return [(f"{low:.3g} – {high:.3g}", count) for low, high, count in figures.histogram(bars)]


def columns(bars: Sequence[Bar], *, label: str | None, marks: Sequence[float] = ()) -> Html:
    """Return upright bars that fill whatever box the style gives them.

    Args:
        bars: the bars.
        label: what the picture shows, for those who do not see it; None where a text beside it
            says the same.
        marks: places of upright lines, as shares of the width.
    """
    most = max((count for _, count in bars), default=0) or 1
    step = _WIDE / max(len(bars), 1)
    wide = min(step * 0.84, _WIDEST)
    shapes = []
    for place, (name, count) in enumerate(bars):
        high = max(count / most * _HIGH, 2 if count else 0)
        shapes.append(
            element(
                "g",
                element("title", f"{name}: {count:,} rows"),
                element(
                    "rect", class_="bar", x=_short((place + 0.5) * step - wide / 2),
                    y=_short(_HIGH - high), width=_short(wide), height=_short(high),
                ),
            )
        )  # fmt: skip
    shapes += [
        element("line", class_="mark", x1=_short(at * _WIDE), x2=_short(at * _WIDE), y1=0, y2=_HIGH)
        for at in marks
    ]
    return element(
        "svg",
        *shapes,
        viewBox=f"0 0 {_WIDE} {_HIGH}",
        preserveAspectRatio="none",
        role="img" if label else None,
        aria_label=label,
        aria_hidden=None if label else "true",
    )


def _short(value: float) -> str:
    return f"{value:.6g}"


def histogram(figures: Figures) -> Html:
    """Return the distribution of the rewards with its axis, and the same as a table."""
    bars = bars_of(figures)
    few = figures.values() is not None
    most = max(count for _, count in bars)
    spelled = "; ".join(f"{name}: {count:,}" for name, count in bars if count)
    ends = figures.histogram(20)
    low, high = ends[0][0], ends[-1][1]
    middle = figures.mean if figures.mean is not None else low
    mark = None if few or high <= low else (middle - low) / (high - low)
    picture = columns(
        bars,
        label=f"Rows by reward. {spelled}.",
        marks=[] if mark is None else [min(max(mark, 0.0), 1.0)],
    )
    ticks = [name for name, _ in bars] if few else _ticks(low, high)
    said = f"Tallest bar: {most:,} rows." + ("" if mark is None else " The line is the mean.")
    return element(
        "figure",
        element("div", picture, class_="plot"),
        element(
            "div",
            *(element("span", tick) for tick in ticks),
            class_="ticks each" if few else "ticks",
            aria_hidden="true",
        ),
        element("figcaption", said),
        element(
            "details",
            element("summary", "The same as a table"),
            _table(bars, figures.count),
        ),
        class_="histogram",
    )


def _ticks(low: float, high: float) -> list[str]:
    return [f"{low + (high - low) * part / 4:.3g}" for part in range(5)]


def _table(bars: Sequence[Bar], total: int) -> Html:
    head = element(
        "tr",
        element("th", "Reward", scope="col"),
        element("th", "Rows", scope="col", class_="n"),
        element("th", "Share", scope="col", class_="n"),
    )
    rows = [
        element(
            "tr",
            element("th", name, scope="row"),
            element("td", f"{count:,}", class_="n"),
            element("td", f"{count / total:.1%}", class_="n"),
        )
        for name, count in bars
    ]
    return element("table", element("thead", head), element("tbody", *rows))


def spark(figures: Figures, name: str) -> Html:
    """Return a distribution small enough for a table's cell."""
    if not figures.count:
        return element("span", "–")
    low, high = number(figures.lowest), number(figures.highest)
    label = f"{name}: from {low} to {high}, median {number(figures.quantile(0.5))}"
    return element("span", columns(bars_of(figures), label=label), class_="spark")


def meter(share: float) -> Html:
    """Return a lying bar of a share; one below 0 is drawn from the same side, in another colour."""
    width = min(abs(share), 1.0) * 100
    return element(
        "svg",
        element("rect", class_="rail", x=0, y=0, width=100, height=8),
        element(
            "rect", class_="against" if share < 0 else "bar", x=0, y=0, width=_short(width),
            height=8,
        ),
        class_="meter",
        viewBox="0 0 100 8",
        preserveAspectRatio="none",
        aria_hidden="true",
    )  # fmt: skip

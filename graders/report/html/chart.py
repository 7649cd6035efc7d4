"""Charts as inline SVG: pure functions of figures. Colours come from the page's style."""

from __future__ import annotations

from collections.abc import Sequence

from graders.batch.tally import Figures
from graders.htmltext import Bar, Html, columns, element
from graders.report.terminal import number

__all__ = ["histogram", "meter", "spark", "tint"]


def histogram(figures: Figures, said: str = "Rows by reward", head: str = "Reward") -> Html:
    """Return a distribution with its axis, and the same as a table.

    Args:
        figures: what is distributed.
        said: what the chart shows.
        head: what stands on the axis.
    """
    bars = figures.bars()
    few = figures.values() is not None
    spelled = "; ".join(f"{name}: {count:,}" for name, count in bars if count)
    ends = figures.histogram(20)
    low, high = ends[0][0], ends[-1][1]
    middle = figures.mean if figures.mean is not None else low
    mark = None if few or high <= low else (middle - low) / (high - low)
    picture = columns(
        bars,
        label=f"{said}. {spelled}.",
        marks=[] if mark is None else [min(max(mark, 0.0), 1.0)],
        counts=True,
    )
    ticks = [name for name, _ in bars] if few else _ticks(low, high)
    return element(
        "figure",
        element("div", picture, class_="plot"),
        element(
            "div",
            *(element("span", tick) for tick in ticks),
            class_="ticks each" if few else "ticks",
            aria_hidden="true",
        ),
        element("figcaption", said + ("." if mark is None else "; the line is the mean.")),
        element(
            "details",
            element("summary", "The same as a table"),
            _table(bars, figures.count, head),
        ),
        class_="histogram",
    )


def _ticks(low: float, high: float) -> list[str]:
    return [f"{low + (high - low) * part / 4:.3g}" for part in range(5)]


def _table(bars: Sequence[Bar], total: int, said: str) -> Html:
    head = element(
        "tr",
        element("th", said, scope="col"),
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
    return element("span", columns(figures.bars(), label=label), class_="spark")


def meter(share: float) -> Html:
    """Return a lying bar of a share; one below 0 is drawn from the same side, in another colour."""
    width = min(abs(share), 1.0) * 100
    return element(
        "svg",
        element("rect", class_="rail", x=0, y=0, width=100, height=8),
        element(
            "rect", class_="against" if share < 0 else "bar", x=0, y=0, width=f"{width:.6g}",
            height=8,
        ),
        class_="meter",
        viewBox="0 0 100 8",
        preserveAspectRatio="none",
        aria_hidden="true",
    )  # fmt: skip


def tint(text: str, share: float) -> Html:
    """Return a figure on a ground that is the fuller the larger its share."""
    step = round(min(max(share, 0.0), 1.0) * 10)
    return element("span", text, class_=f"tint h{step}")

"""Tables and sections of the page, with the headings and the scroll boxes that all of them share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from graders.htmltext import Html, element, shortened

__all__ = [
    "Column",
    "facts",
    "group_link",
    "group_value",
    "row_link",
    "section",
    "table",
    "unshown",
]


@dataclass(frozen=True, slots=True)
class Column:
    """A column's heading, and whether numbers stand in it."""

    name: str
    is_number: bool = False


def table(
    caption: str, columns: Sequence[Column], rows: Iterable[Sequence[str]], *, heads: bool = True
) -> Html:
    """Return a table that scrolls in a box of its own where it is wider than the page.

    Args:
        caption: what the table shows, for screen readers.
        columns: its columns.
        rows: its cells.
        heads: whether the first cell of a row names the row.
    """
    head = [
        element("th", one.name, scope="col", class_="n" if one.is_number else None)
        for one in columns
    ]
    body = [
        element(
            "tr",
            *(
                element(
                    "th" if heads and not place else "td",
                    cell,
                    scope="row" if heads and not place else None,
                    class_="n" if columns[place].is_number else None,
                )
                for place, cell in enumerate(cells)
            ),
        )
        for cells in rows
    ]
    inner = element(
        "table",
        element("caption", caption, class_="unseen"),
        element("thead", element("tr", *head)),
        element("tbody", *body),
    )
    return element("div", inner, class_="scroll", role="region", tabindex=0, aria_label=caption)


def facts(pairs: Iterable[tuple[str, str]]) -> Html:
    """Return names and what they are."""
    found = [element("div", element("dt", name), element("dd", value)) for name, value in pairs]
    return element("dl", *found, class_="facts")


def unshown(more: int, what: str) -> Html | None:
    """Return the sentence below a table that lacks so many; None where it lacks none."""
    return element("p", f"{more:,} more {what} are not shown.") if more > 0 else None


def section(name: str, title: str, *children: str | None, lead: str | None = None) -> Html:
    """Return a part of the page under a heading."""
    return element(
        "section",
        element("h2", title, id=f"{name}-title"),
        element("p", lead, class_="lead") if lead else None,
        *children,
        id=name,
        aria_labelledby=f"{name}-title",
    )


def row_link(index: int, shown: frozenset[int]) -> Html:
    """Return a row's index: a button that opens it where it is among those shown."""
    if index not in shown:
        return element("span", f"{index}")
    return element("button", f"{index}", type="button", class_="jump", data_row=index)


def group_link(group: str) -> Html:
    """Return a category's name: a button that shows its rows."""
    name = element("bdi", shortened(group, 80)) if group else "(none)"
    return element("button", name, type="button", class_="jump", data_group=group_value(group))


def group_value(group: str) -> str:
    """Return what the page's script knows a category by."""
    return f"={shortened(group, 200) if group else ''}"

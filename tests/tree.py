"""A page as a screen reader has it: Chromium's own tree of what it tells, and what may not be wrong in it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

__all__ = ["faults", "headings"]

Node = dict[str, Any]
NAMED = frozenset({
    "button", "link", "textbox", "searchbox", "combobox", "checkbox", "radio", "spinbutton", "slider", "tab",
    "progressbar", "image", "img", "table", "region", "dialog", "radiogroup", "tablist", "tabpanel",
    "DisclosureTriangle",
})  # fmt: skip
"""Roles that say nothing without a name."""
ONCE = ("banner", "main", "contentinfo")


def _text(node: Node, key: str) -> str:
    return str(node.get(key, {}).get("value", "") or "")


def _walk(nodes: list[Node]) -> Iterator[tuple[Node, tuple[Node, ...]]]:
    """Yield what is told, in the order of reading, each with all that it stands in."""
    known = {one["nodeId"]: one for one in nodes}

    def down(node: Node, above: tuple[Node, ...]) -> Iterator[tuple[Node, tuple[Node, ...]]]:
        if not node.get("ignored"):
            yield node, above
            above = (*above, node)
        for child in node.get("childIds", ()):
            if child in known:
                yield from down(known[child], above)

    yield from down(nodes[0], ())


def _tree(page: Any) -> list[tuple[Node, tuple[Node, ...]]]:
    session = page.context.new_cdp_session(page)
    session.send("Accessibility.enable")
    nodes = session.send("Accessibility.getFullAXTree")["nodes"]
    session.detach()
    return [*_walk(nodes)]


def _level(node: Node) -> int:
    found = [one["value"]["value"] for one in node.get("properties", ()) if one["name"] == "level"]
    return int(found[0]) if found else 0


def headings(page: Any) -> list[tuple[int, str]]:
    """Return level and name of each heading, in the order of reading."""
    return [
        (_level(one), _text(one, "name"))
        for one, _ in _tree(page)
        if _text(one, "role") == "heading"
    ]


def faults(page: Any) -> list[str]:
    """Return what a blind reader of a page would stumble over; [] of nothing.

    One first heading, no level left out, one of each landmark, a name for whatever can be used or is a picture, a
    head for each table, no two regions of a name, nothing by itself outside the landmarks, and errors at their fields.
    """
    tree = _tree(page)
    roles = [_text(one, "role") for one, _ in tree]
    levels = [_level(one) for one, _ in tree if _text(one, "role") == "heading"]
    found = []
    if not page.evaluate("Boolean(document.querySelector('dialog:modal'))"):
        # Beside an open dialog nothing is told: it has its name, and no landmarks.
        found = [f"{roles.count(role)} times {role}" for role in ONCE if roles.count(role) != 1]
        if levels.count(1) != 1:
            found.append(f"{levels.count(1)} headings of the first level")
    found += [
        f"level {after} after {before}" for before, after in pairwise(levels) if after > before + 1
    ]
    found += [
        f"a {role} without a name"
        for (one, _), role in zip(tree, roles, strict=True)
        if role in NAMED and not re.search(r"\w", _text(one, "name"))
    ]
    regions = [_text(one, "name") for one, _ in tree if _text(one, "role") == "region"]
    found += [f"two regions {name}" for name in sorted({*regions}) if regions.count(name) > 1]
    for one, _ in tree:
        if _text(one, "role") == "table":
            # The very node: to compare nodes by what they hold takes seconds on a page of tables.
            inner = {
                _text(each, "role") for each, above in tree if any(one is table for table in above)
            }
            if not {"columnheader", "rowheader"} & inner:
                found.append(f"a table without heads: {_text(one, 'name')}")
    marks = page.locator('[aria-invalid="true"]')
    for place in range(marks.count()):
        told = marks.nth(place).evaluate(
            """(one) => (one.getAttribute("aria-describedby") || "").split(" ")
                 .map((id) => document.getElementById(id)?.textContent || "").join("").trim()"""
        )
        if not told:
            found.append("a field with an error that nobody tells")
    return found

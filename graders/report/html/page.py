"""The page: one file that loads nothing, made of the sections, a style and a script."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from graders.htmltext import Html, element, joined, shortened
from graders.report.finding import Notice
from graders.report.html.appendix import appendix
from graders.report.html.document import packaged, policy
from graders.report.html.part import (
    MOST_CODES,
    categories,
    distribution,
    failures,
    headline,
    judges,
    made,
    parts,
    slowest,
)
from graders.report.html.row import MOST_PARTS, Explorer, ReportRow, explorer
from graders.report.html.table import section
from graders.version import __version__

__all__ = ["MOST_BYTES", "Page", "page"]

MOST_BYTES: Final = 2_000_000
_SHARES: Final = (0.85, 0.6, 0.3, 0.02)
"""What the rows may take of the page: all that is mostly left by the sections, and less where they are large."""
_MOST_GROUPS: Final = 100
_ICON: Final = "data:,"


@dataclass(frozen=True, slots=True)
class Page:
    """What a page is made from.

    Attributes:
        finding: what the results say.
        rows: the rows that can be looked at.
        said: which rows these are, in one sentence.
        title: the heading; the grader's name where there is none.
        appendices: JSON of other commands: id, heading, object.
        notes: what a reader must know.
        most: bytes that the page may have.
    """

    finding: Notice
    rows: Sequence[ReportRow]
    said: str
    title: str | None = None
    appendices: Sequence[tuple[str, str, Mapping[str, Any]]] = ()
    notes: Sequence[str] = field(default_factory=list)
    most: int = MOST_BYTES


def page(made_from: Page) -> bytes:
    """Return the page: the same bytes for the same input, and no more of them than it may have."""
    for share in _SHARES:
        made_page = _page(made_from, int(share * made_from.most))
        if len(made_page) <= made_from.most:
            break
    return made_page


def _page(made_from: Page, budget: int) -> bytes:
    finding = made_from.finding
    shown = explorer(made_from.rows, list(finding.tally.sub_rewards), budget, finding.by)
    body = joined(
        [
            _sections(made_from, shown.indexes),
            _explorer(made_from, shown),
            made(finding),
        ]
    )
    return _document(made_from, body, shown.data)


def _sections(made_from: Page, shown: frozenset[int]) -> Html:
    finding = made_from.finding
    return joined(
        [
            headline(finding),
            distribution(finding),
            parts(finding),
            categories(finding),
            failures(finding, shown),
            judges(finding),
            slowest(finding, shown),
            *(appendix(name, title, body, shown) for name, title, body in made_from.appendices),
        ]
    )


def _document(made_from: Page, body: Html, data: Html) -> bytes:
    title = shortened(made_from.title or made_from.finding.name, 200)
    style, script = Html(packaged("page.css")), Html(packaged("page.js"))
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=policy(style, script)),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="referrer", content="no-referrer"),
        element("meta", name="color-scheme", content="light dark"),
        element("meta", name="generator", content=f"graders {__version__}"),
        element("link", rel="icon", href=_ICON),
        element("title", f"{title} – graders report"),
        element("style", style),
    )
    main = element("main", *_notes(made_from), body, id="main")
    page_body = element(
        "body",
        element("a", "Skip to the report", href="#main", class_="skip"),
        _header(title, made_from.finding),
        main,
        element("footer", element("p", f"Made by graders {__version__}. This page loads nothing.")),
        element("script", data, type="application/json", id="data"),
        element("script", script),
    )
    return f"<!doctype html>\n{element('html', head, page_body, lang='en')}\n".encode()


def _header(title: str, finding: Notice) -> Html:
    kind = f"{finding.type} · " if finding.type else ""
    names = (
        ("headline", "Figures"), ("rewards", "Rewards"), ("failures", "Failures"), ("rows", "Rows"),
    )  # fmt: skip
    return element(
        "header",
        element(
            "div",
            element("h1", element("bdi", title)),
            element(
                "p",
                shortened(f"{kind}{finding.path.name} · {finding.tally.rows:,} rows", 300),
                class_="lead",
            ),
        ),
        element(
            "nav",
            *(element("a", word, href=f"#{name}") for name, word in names),
            element("button", "Theme: system", type="button", id="theme"),
            aria_label="Parts of the report",
        ),
    )


def _notes(made_from: Page) -> list[Html]:
    notes = [*made_from.finding.notes, *made_from.notes]
    return [element("p", shortened(one, 600), class_="notice", role="note") for one in notes]


def _explorer(made_from: Page, shown: Explorer) -> Html:
    finding, said = made_from.finding, made_from.said
    left_out = len(shown.indexes) < len(made_from.rows)
    if left_out:
        size = f"{made_from.most / 1e6:.3g} MB"
        said += f" To keep the page below {size}, {len(shown.indexes):,} of these are here."
    if left_out or len(shown.indexes) < finding.tally.rows:
        said += " graders report --max-size makes a larger page with more rows, --row INDEX one with that row."
    if shown.is_cut:
        said += f" Texts are cut after {shown.limit:,} characters."
    if not any(row.texts for row in made_from.rows):
        said += " Give --rows and --grader to see items, samples and rendered inputs here."
    codes = sorted(code for code, _ in finding.tally.codes.most_common(MOST_CODES))
    keys = [shortened(key, 80) for key in finding.tally.sub_rewards][:MOST_PARTS]
    groups = _groups(made_from.rows)
    controls = element(
        "form",
        _field("Search", element("input", type="search", id="search", autocomplete="off",
                                 placeholder="id, text, failure …")),
        _field("Rows", _select("status", [("", "all"), ("scored", "scored"), ("failed", "failed"),
                                          ("replaced", "invalid_grade")])),
        _field("Failure", _select("code", [("", "any"), *((shortened(c, 600), shortened(c, 80)) for c in codes)]))
        if codes else None,
        _field(shortened(finding.by, 40) or "Category", _select("group", groups)) if groups else None,
        _field("Figure", _select("part", [("", "reward"),
                                          *((str(n), key) for n, key in enumerate(keys))])),
        _field("at least", element("input", type="number", step="any", id="least")),
        _field("at most", element("input", type="number", step="any", id="most")),
        element("button", "Show all", type="reset", id="reset"),
        id="filters",
        role="search",
        aria_label="Filter the rows",
    )  # fmt: skip
    return section(
        "rows",
        "Rows",
        element("noscript", element("p", "The rows need the page's own script.")),
        controls,
        element("p", "", id="count", role="status", aria_live="polite"),
        element(
            "div",
            element("table", element("caption", "Rows", class_="unseen"), id="table"),
            class_="scroll",
            role="region",
            tabindex=0,
            aria_label="Rows",
        ),
        element(
            "div",
            element("button", "Previous", type="button", id="previous"),
            element("span", "", id="place"),
            element("button", "Next", type="button", id="next"),
            class_="pager",
        ),
        lead=said,
    )


def _groups(rows: Sequence[ReportRow]) -> list[tuple[str, str]]:
    """Return the categories that rows can be filtered by, the commonest; none where there are none."""
    counts = Counter(row.group for row in rows)
    found = [name for name, _ in counts.most_common(_MOST_GROUPS)]
    if found in ([], [""]):
        return []
    # What the page's script is told of a row is cut alike.
    named = [
        (f"={shortened(name, 200) if name else ''}", shortened(name, 40) or "(none)")
        for name in found
    ]
    return [("", "any"), *named]


def _field(name: str, control: Html) -> Html:
    return element("label", element("span", name), control)


def _select(name: str, options: Sequence[tuple[str, str]]) -> Html:
    return element(
        "select", *(element("option", word, value=value) for value, word in options), id=name
    )

"""The page: one file that loads nothing, made of the sections, a style and a script."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from graders.batch.tally import Figures
from graders.htmltext import Html, element, joined, shortened
from graders.report.finding import Notice
from graders.report.html.appendix import appendix
from graders.report.html.document import block, packaged, policy
from graders.report.html.judge import judges
from graders.report.html.pair import pair_sections
from graders.report.html.part import (
    MOST_CODES,
    categories,
    distribution,
    failures,
    headline,
    made,
    parts,
    slowest,
)
from graders.report.html.row import MOST_PARTS, Explorer, ReportRow, explorer
from graders.report.html.table import group_value, section
from graders.report.pair import Beside
from graders.version import __version__

__all__ = ["MOST_BYTES", "Page", "page"]

MOST_BYTES: Final = 2_000_000
_SHARES: Final = (0.85, 0.6, 0.3, 0.02)
"""What the rows may take of the page: all that is mostly left by the sections, and less where they are large."""
_MOST_GROUPS: Final = 100
_ICON: Final = "data:,"
_ALONE: Final = (
    ("", "all"), ("scored", "scored"), ("failed", "failed"), ("replaced", "invalid_grade"),
)  # fmt: skip
_PAIRED: Final = (
    ("", "all"), ("flipped", "verdict differs"), ("up", "now pass"), ("down", "no longer pass"),
    ("raised", "reward raised"), ("lowered", "reward lowered"), ("same", "same reward"),
    ("lost", "lost their reward"), ("gained", "have a reward now"), ("failed", "failed in A or B"),
)  # fmt: skip
"""What rows can be filtered by, as the page's script knows it."""


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
        beside: another run of the same rows, and what it differs in.
    """

    finding: Notice
    rows: Sequence[ReportRow]
    said: str
    title: str | None = None
    appendices: Sequence[tuple[str, str, Mapping[str, Any]]] = ()
    notes: Sequence[str] = field(default_factory=list)
    most: int = MOST_BYTES
    beside: Beside | None = None


def page(made_from: Page) -> bytes:
    """Return the page: the same bytes for the same input, and no more of them than it may have."""
    for share in _SHARES:
        made_page = _page(made_from, int(share * made_from.most))
        if len(made_page) <= made_from.most:
            break
    return made_page


def _page(made_from: Page, budget: int) -> bytes:
    finding = made_from.finding
    beside = made_from.beside
    marks = () if beside is None else (beside.report.a.threshold, beside.report.b.threshold)
    shown = explorer(made_from.rows, _keys(made_from), budget, finding.by, marks)
    body = joined(
        [
            _sections(made_from, shown.indexes),
            _explorer(made_from, shown),
            made(finding, "A" if beside else ""),
            made(beside.finding, "B") if beside else None,
        ]
    )
    return _document(made_from, body, shown.data)


def _sections(made_from: Page, shown: frozenset[int]) -> Html:
    finding, beside = made_from.finding, made_from.beside
    if beside is not None:
        others = [row.other for row in made_from.rows if row.other is not None]
        figures = [
            *pair_sections(finding, beside, shown),
            judges(finding, made_from.rows, shown, "A"),
            judges(beside.finding, others, shown, "B"),
        ]
    else:
        figures = [
            headline(finding),
            distribution(finding),
            parts(finding),
            categories(finding),
            failures(finding, shown),
            judges(finding, made_from.rows, shown),
        ]
    return joined(
        [
            *figures,
            slowest(finding, shown),
            *(appendix(name, title, body, shown) for name, title, body in made_from.appendices),
        ]
    )


def _document(made_from: Page, body: Html, data: Html) -> bytes:
    title = shortened(made_from.title or _title(made_from), 200)
    style = Html("".join(map(packaged, ("edge.css", "page.css"))))
    script = Html(block(map(packaged, ("element.js", "theme.js", "page.js"))))
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
        _header(title, made_from),
        main,
        element("footer", element("p", f"Made by graders {__version__}. This page loads nothing.")),
        element("script", data, type="application/json", id="data"),
        element("script", script),
    )
    return f"<!doctype html>\n{element('html', head, page_body, lang='en')}\n".encode()


def _title(made_from: Page) -> str:
    names = [made_from.finding.name, *([made_from.beside.finding.name] if made_from.beside else [])]
    return " beside ".join(dict.fromkeys(names))


def _header(title: str, made_from: Page) -> Html:
    finding, beside = made_from.finding, made_from.beside
    groups = beside.report.groups if beside else finding.tally.groups
    names = [
        ("headline", "Figures"), ("rewards", "Rewards"),
        *([("categories", "Categories")] if groups else []), ("failures", "Failures"),
        *([("judgesa" if beside else "judges", "Judges")] if finding.tally.panels else []), ("rows", "Rows"),
    ]  # fmt: skip
    told = [_lead(finding)] if beside is None else [
        joined([element("b", letter), f" {_lead(one)}"])
        for letter, one in (("A", finding), ("B", beside.finding))
    ]  # fmt: skip
    return element(
        "header",
        element(
            "div",
            element("h1", element("bdi", title)),
            *(element("p", one, class_="lead") for one in told),
        ),
        element(
            "nav",
            *(element("a", word, href=f"#{name}") for name, word in names),
            element("button", "Theme: system", type="button", id="theme"),
            aria_label="Parts of the report",
        ),
    )


def _lead(finding: Notice) -> str:
    kind = f"{finding.type} · " if finding.type else ""
    return shortened(f"{kind}{finding.path.name} · {finding.tally.rows:,} rows", 300)


def _notes(made_from: Page) -> list[Html]:
    others = made_from.beside.finding.notes if made_from.beside else []
    notes = [*made_from.finding.notes, *others, *made_from.notes]
    return [element("p", shortened(one, 600), class_="notice", role="note") for one in notes]


def _said(made_from: Page, shown: Explorer) -> str:
    """Say which rows are here, what was left out for room, and how to have more."""
    if not made_from.rows and not made_from.finding.tally.rows:
        return "There are no rows."
    said = made_from.said
    if len(shown.indexes) < len(made_from.rows):
        size = f"{made_from.most / 1e6:.3g} MB"
        said += f" To keep the page below {size}, {len(shown.indexes):,} of these are here."
    beside = made_from.beside
    every = made_from.finding.tally.rows if beside is None else beside.report.a.rows
    if len(shown.indexes) < every:
        said += " graders report --max-size makes a larger page with more rows, --row INDEX one with that row."
    if shown.is_cut:
        said += f" Texts are cut after {shown.limit:,} characters."
    if not any(row.texts for row in made_from.rows):
        said += " Give --rows and --grader to see items, samples and rendered inputs here."
    return said


def _controls(made_from: Page) -> Html:
    """Return what the rows are searched and filtered by."""
    finding, beside = made_from.finding, made_from.beside
    counted = finding.tally.codes + (beside.finding.tally.codes if beside else Counter())
    codes = sorted(code for code, _ in counted.most_common(MOST_CODES))
    keys = [shortened(key, 80) for key in _keys(made_from)][:MOST_PARTS]
    groups = _groups(made_from.rows)
    return element(
        "form",
        _field("Search", element("input", type="search", id="search", autocomplete="off",
                                 placeholder="id, text, failure …")),
        _field("Rows", _select("status", _PAIRED if beside else _ALONE)),
        _field("Failure", _select("code", [("", "any"), *((shortened(c, 600), shortened(c, 80)) for c in codes)]))
        if codes else None,
        _field(shortened(finding.by, 40) or "Category", _select("group", groups)) if groups else None,
        _field("Figure", _select("part", [
            ("", "reward in A" if beside else "reward"), *([("delta", "B − A")] if beside else []),
            *([("apart", "judges apart")] if finding.tally.panels else []),
            *((str(n), key) for n, key in enumerate(keys))])),
        _field("at least", element("input", type="number", step="any", id="least")),
        _field("at most", element("input", type="number", step="any", id="most")),
        element("button", "Show all", type="reset", id="reset"),
        id="filters",
        role="search",
        aria_label="Filter the rows",
    )  # fmt: skip


def _keys(made_from: Page) -> dict[str, Figures]:
    """Return the sub-graders that have columns: those of the run, of two those of both."""
    keys, beside = made_from.finding.tally.sub_rewards, made_from.beside
    if beside is None:
        return keys
    return {key: one for key, one in keys.items() if key in beside.finding.tally.sub_rewards}


def _explorer(made_from: Page, shown: Explorer) -> Html:
    return section(
        "rows",
        "Rows",
        element("noscript", element("p", "The rows need the page's own script.")),
        _controls(made_from),
        element("p", "", id="count", role="status", aria_live="polite"),
        element(
            "div",
            element("table", element("caption", "Rows", class_="unseen"), id="table"),
            class_="scroll",
            role="region",
            tabindex=0,
            aria_label="Table of rows",
        ),
        element(
            "div",
            element("button", "Previous", type="button", id="previous"),
            element("span", "", id="place"),
            element("button", "Next", type="button", id="next"),
            class_="pager",
        ),
        lead=_said(made_from, shown),
    )


def _groups(rows: Sequence[ReportRow]) -> list[tuple[str, str]]:
    """Return the categories that rows can be filtered by, the commonest; none where there are none."""
    counts = Counter(row.group for row in rows)
    found = [name for name, _ in counts.most_common(_MOST_GROUPS)]
    if found in ([], [""]):
        return []
    # What the page's script is told of a row is cut alike.
    named = [(group_value(name), shortened(name, 40) or "(none)") for name in found]
    return [("", "any"), *named]


def _field(name: str, control: Html) -> Html:
    return element("label", element("span", name), control)


def _select(name: str, options: Sequence[tuple[str, str]]) -> Html:
    return element(
        "select", *(element("option", word, value=value) for value, word in options), id=name
    )

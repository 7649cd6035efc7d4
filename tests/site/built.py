"""The built site as a test reads it: its pages, what they link to, what they name."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

__all__ = ["Page", "broken", "read"]

LOADED = {"img": "src", "script": "src", "source": "srcset", "iframe": "src", "video": "src"}
"""Elements that ask for something when the page is shown; `link` does, too, but for a few kinds."""
ONLY_NAMED = {"canonical", "next", "prev", "alternate"}


@dataclass
class Page(HTMLParser):
    """A page: the ids that can be linked to, its links, and what showing it loads."""

    path: Path
    ids: set[str] = field(default_factory=set)
    links: list[str] = field(default_factory=list)
    loaded: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        HTMLParser.__init__(self)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = {name: value or "" for name, value in attrs}
        self.ids |= {known[name] for name in ("id", "name") if name in known}
        if tag == "a" and "href" in known:
            self.links.append(known["href"])
        if LOADED.get(tag, "") in known:
            self.loaded.append(known[LOADED[tag]])
        if tag == "link" and known.get("rel") not in ONLY_NAMED:
            self.loaded.append(known["href"])


def read(folder: Path) -> dict[Path, Page]:
    """Return the pages of a site by their files."""
    pages = {}
    for path in sorted(folder.glob("**/*.html")):
        page = pages[path] = Page(path)
        page.feed(path.read_text(encoding="utf-8"))
    return pages


def broken(pages: dict[Path, Page], folder: Path) -> list[str]:
    """Return the links within the site that lead nowhere, page by page."""
    found = []
    for path, page in pages.items():
        for link in [*page.links, *page.loaded]:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            base = folder if parts.path.startswith("/") else path.parent
            target = (base / unquote(parts.path).lstrip("/")).resolve() if parts.path else path
            target = target / "index.html" if target.is_dir() else target
            there = pages.get(target)
            known = target.is_file() and (
                not parts.fragment or there is None or unquote(parts.fragment) in there.ids
            )
            if not known:
                found.append(f"{path.relative_to(folder)}: {link}")
    return found

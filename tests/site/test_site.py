"""The site as it is built: every link leads somewhere, nothing is asked of another host."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from types import ModuleType
from urllib.parse import urlsplit

import pytest

from tests.site.built import broken, read

pytestmark = pytest.mark.site

ROOT = Path(__file__).parents[2]


def test_every_link_and_anchor_of_the_site_leads_somewhere(site: Path) -> None:
    pages = read(site)
    assert len(pages) > 100
    assert broken(pages, site) == []


def test_a_link_or_an_anchor_that_leads_nowhere_is_found(site: Path, tmp_path: Path) -> None:
    folder = tmp_path / "html"
    shutil.copytree(site, folder)
    path = folder / "howto/lint/index.html"
    path.write_text(path.read_text() + '<a href="../nowhere/">a</a><a href="../probe/#no">b</a>')
    assert [one.rpartition(" ")[2] for one in broken(read(folder), folder)] == [
        "../nowhere/", "../probe/#no",
    ]  # fmt: skip


@pytest.mark.parametrize("link", ["nowhere.md", "lint.md#no-such-section"])
def test_the_build_is_strict(build: ModuleType, tmp_path: Path, link: str) -> None:
    build.lay_out(tmp_path, versions=False)
    page = tmp_path / "pages/howto/probe.md"
    page.write_text(f"{page.read_text()}\n[a]({link})\n")
    assert build.build(tmp_path) != 0


def test_nothing_that_is_shown_comes_from_another_host(site: Path) -> None:
    loaded = {address for page in read(site).values() for address in page.loaded}
    assert [one for one in loaded if urlsplit(one).netloc] == []
    styles = "".join(path.read_text() for path in site.glob("**/*.css"))
    assert re.findall(r"url\([\"']?(?:https?:)?//[^)]*|@import[^;]*", styles) == []


def test_what_the_theme_could_fetch_is_not_on_any_page(site: Path) -> None:
    """Its scripts know where diagrams and repository facts come from; no page asks for either."""
    for path in site.glob("**/*.html"):
        text = path.read_text()
        assert 'class="mermaid"' not in text, path
        assert 'data-md-component="source"' not in text, path


def test_every_page_can_be_searched(site: Path) -> None:
    found = json.loads((site / "search.json").read_text())
    places = {one["location"].partition("#")[0] for one in found["items"]}
    pages = {str(path.parent.relative_to(site)) for path in read(site) if path.name == "index.html"}
    assert {f"{page}/" if page != "." else "" for page in pages} <= places | {""}
    texts = json.dumps(found)
    for word in ("Landlock", "graders.load", "G101"):
        assert word in texts, word


def test_the_front_page_has_one_picture_and_one_command(site: Path) -> None:
    text = (site / "index.html").read_text()
    front = text[text.index('class="front"') : text.index('class="all"')]
    assert front.count("<img") == 1
    assert front.count("<pre>") == 1
    assert "make demo" in re.sub("<[^>]+>", "", front)
    # A tab, a bookmark and a page of search results name what it is.
    assert re.search("<title>(.*)</title>", text)[1].startswith("Run hosted grader JSON")  # type: ignore[index]


def test_agents_find_the_same_texts_on_the_site(site: Path) -> None:
    text = (site / "llms.txt").read_text()
    assert text == (ROOT / "llms.txt").read_text()
    links = re.findall(r"^- \[.+?\]\((.+?)\)", text, re.MULTILINE)
    assert len(links) > 60
    assert [one for one in links if (site / one).read_text() != (ROOT / one).read_text()] == []
    whole = (site / "llms-full.txt").read_text()
    assert "# Lint a grader" in whole
    assert len(whole) < 400_000

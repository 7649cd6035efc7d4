"""Markdown that GitHub shows: what a text of a row holds is shown as it is, and does nothing."""

from __future__ import annotations

import html
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from rich.console import Group
from rich.table import Table
from rich.text import Text

from graders.report.markdown import escaped, markdown, within
from graders.report.text import columns

READER = MarkdownIt("commonmark").enable(["table", "strikethrough"])
HOSTILE = [
    "a | b", "|", "\\|", "\\\\|", "`code`", "``", "```", "````text", "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>", "<!-- hidden -->", "&lt;b&gt;", "&amp;", "&#64;", "**bold**",
    "__init__", "snake_case_name", "*", "- item", "+ item", "1. item", "1) item", "# heading",
    "    four blanks", "===", "---", "> quote", "[text](https://example.com)", "![picture](x.png)",
    "[ref]: https://example.com", "~~gone~~", "$x^2$", "\\", "\\\\", "a\\", "a  ", "\\n",
    "日本語 ｜ 全角", "e\u0301", "|---|---|", ":---:", "<br>", "</table>", "a<b>c", "{{ item.a }}",
]  # fmt: skip


def read(text: str) -> list[Any]:
    """Return the tokens of a Markdown text, those inside others too."""
    return [one for token in READER.parse(text) for one in (token, *(token.children or ()))]


def plain(text: str) -> str:
    """Return what a reader sees of one paragraph."""
    return "".join(one.content for one in read(text) if one.type in {"text", "text_special"})


@pytest.mark.parametrize("text", HOSTILE)
def test_a_line_is_shown_as_it_is(text: str) -> None:
    said = escaped(text)
    kinds = {one.type for one in read(said)}
    assert kinds <= {"paragraph_open", "paragraph_close", "inline", "text", "text_special"}, kinds
    assert plain(said).replace("\u200b", "") == text.strip()


@pytest.mark.parametrize("text", HOSTILE)
def test_a_cell_is_one_cell_and_shown_as_it_is(text: str) -> None:
    table = columns("a", "b", figures=("c",))
    table.add_row(text, Text("next"), f"{text}\n{text}")
    page = READER.render(markdown(table, "t"))
    assert len(re.findall("<td", page)) == 3
    seen = [html.unescape(re.sub("<br>", "\n", one)) for one in re.findall(r"<td[^>]*>(.*?)</td>", page)]  # fmt: skip
    assert seen[0].replace("\u200b", "") == text.strip()
    assert [one.strip() for one in seen[2].replace("\u200b", "").split("\n")] == [text.strip()] * 2


@given(st.text())
def test_no_text_is_ever_more_than_text(text: str) -> None:
    tokens = {one.type for one in read(f"x {escaped(text)}")}
    assert tokens <= {"paragraph_open", "paragraph_close", "inline", "text", "text_special"}
    page = READER.render(markdown(Group(Text(text), f"  {text}"), text))
    assert set(re.findall(r"<(/?\w+)", page)) <= {"h3", "/h3", "p", "/p", "pre", "/pre", "code", "/code", "br"}  # fmt: skip


@pytest.mark.parametrize(
    ("text", "linked"),
    [
        ("ask @octocat and @org/team", r"@\w"),
        ("fixes #123, org/repo#4, GH-5", r"#\d|GH-\d"),
        ("see https://example.com and www.example.com", r"://|www\."),
        ("me@example.com", r"@\w"),
        (":rocket: :+1:", r":[\w+]+:"),
    ],
)
def test_nobody_is_told_and_nothing_becomes_a_link(text: str, linked: str) -> None:
    assert re.search(linked, text)
    # GitHub looks for these in what is left when Markdown was read.
    assert not re.search(linked, plain(escaped(text)))


def test_lines_that_are_set_in_are_code_that_no_line_can_end() -> None:
    view = Group("before", "  a  1", "  ```", "  ````", "", Text("after\n  more"))
    said = markdown(view, "t")
    fences = [one for one in read(said) if one.type == "fence"]
    assert [one.content for one in fences] == ["  a  1\n  ```\n  ````\n", "  more\n"]
    assert "`````text\n" in said


def test_a_table_keeps_its_head_its_sides_and_rows_of_other_kinds() -> None:
    table = Table("left", box=None)
    table.add_column("right", justify="right")
    table.add_row("a", Group("x", "y"))
    bare = Table(show_header=False)
    bare.add_column()
    bare.add_row("only")
    said = markdown(Group(table, bare), "a *title*")
    assert said.startswith(
        "### a \\*title\\*\n\n| left | right |\n| --- | ---: |\n| a | x<br>y |\n\n"
    )
    assert said.endswith("|  |\n| --- |\n| only |\n\n")


def test_what_is_too_long_is_cut_at_a_line_with_no_fence_left_open() -> None:
    said = markdown(Group(*(f"  line {n}" for n in range(1000))), "t")
    assert within(said, len(said)) == said
    cut = within(said, 2000)
    assert len(cut.encode()) <= 2000
    assert cut.count("```") == 2
    assert cut.endswith("*Cut off here: there is no room for more.*\n\n")
    assert within(said, 50) == within(said, -1) == ""
    wide = within(markdown(Group(*(["日本語" * 30] * 100)), "t"), 1000)
    assert 0 < len(wide.encode()) <= 1000

"""How pages of the repository become pages of the site; versions as they are published."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
INDEX = Path("docs/README.md")


def test_every_page_of_the_documentation_is_in_the_navigation(build: ModuleType) -> None:
    named = build.nav_pages()
    assert [str(page) for page in build.pages() if page not in named] == []


def test_the_navigation_names_each_page_once(build: ModuleType) -> None:
    named = [
        target for _, targets in build.navigation((ROOT / INDEX).read_text()) for target in targets
    ]
    assert sorted(named) == sorted(set(named))


@pytest.mark.parametrize(
    ("source", "place"),
    [
        ("docs/README.md", "index.md"),
        ("docs/howto/lint.md", "howto/lint.md"),
        ("docs/decisions/README.md", "decisions/index.md"),
        ("docs/images/score.svg", "images/score.svg"),
        ("samples/judge/README.md", "samples/judge/index.md"),
        ("samples/judge/grader.json", "samples/judge/grader.json.md"),
        ("samples/notebook/grade-a-frame.ipynb", "samples/notebook/grade-a-frame.ipynb"),
        ("benchmarks/README.md", "benchmarks.md"),
        ("CHANGELOG.md", "changelog.md"),
    ],
)
def test_where_a_file_of_the_repository_lies_on_the_site(
    build: ModuleType, source: str, place: str
) -> None:
    assert build.place(Path(source)) == Path(place)


@pytest.mark.parametrize(
    ("text", "adapted"),
    [
        ("[a](../reference/lint.md#g101)", "[a](../reference/lint.md#g101)"),
        ("[a](../../samples/judge/)", "[a](../samples/judge/index.md)"),
        ("[a](../../README.md)", "[a](../index.md)"),
        ("[a](../../CHANGELOG.md#unreleased)", "[a](../changelog.md#unreleased)"),
        ("[a](https://example.com/x.md) [b](#c)", "[a](https://example.com/x.md) [b](#c)"),
        ("`[a](nowhere.md)`\n\n```text\n[a](nowhere.md)\n```\n",) * 2,
        ("```json file=a.json\n{}\n```\n", '```json title="a.json"\n{}\n```\n'),
        ("Say:\n\n    a\n\n      b\n\nSo.\n", "Say:\n\n```sh\na\n\n  b\n```\n\nSo.\n"),
        ("```text\n\n    a\n```\n", "```text\n\n    a\n```\n"),
    ],
)
def test_what_the_generator_reads_differently_is_put_right(
    build: ModuleType, text: str, adapted: str
) -> None:
    assert build.adapt(text, Path("docs/howto/lint.md"), set()) == adapted


def test_a_link_to_nothing_stops_the_build(build: ModuleType) -> None:
    with pytest.raises(
        SystemExit, match=r"docs/README.md: links to nowhere.md, which is not there"
    ):
        build.adapt("[a](nowhere.md)", INDEX, set())


def test_a_file_that_a_page_links_to_is_shown_as_a_page(build: ModuleType) -> None:
    linked: set[Path] = set()
    build.adapt("[a](../samples/judge/judge.graders.yaml)", INDEX, linked)
    assert linked == {Path("samples/judge/judge.graders.yaml")}
    page = build.shown(*linked)
    assert page.startswith("# judge.graders.yaml\n")
    assert (ROOT / "samples/judge/judge.graders.yaml").read_text() in page


def test_versions_are_published_side_by_side_and_the_newest_is_the_latest(
    build: ModuleType, tmp_path: Path
) -> None:
    html, all_ = tmp_path / "html", tmp_path / "all"
    html.mkdir()
    for version in ("0.9", "dev", "0.10", "0.9.1"):
        (html / "index.html").write_text(version)
        build.add_version(html, all_, version)
    listed = json.loads((all_ / "versions.json").read_text())
    assert [one["version"] for one in listed] == ["0.10", "0.9.1", "0.9", "dev"]
    assert [one["version"] for one in listed if one["aliases"] == ["latest"]] == ["0.10"]
    assert (all_ / "latest/index.html").read_text() == "0.10"
    assert (all_ / "0.9/index.html").read_text() == "0.9"
    assert 'url=latest/"' in (all_ / "index.html").read_text()


@pytest.mark.parametrize("version", ["", "../x", "1/2", "v1", "latest"])
def test_a_version_is_a_number_or_dev(build: ModuleType, tmp_path: Path, version: str) -> None:
    with pytest.raises(SystemExit, match="a version is spelled such as"):
        build.add_version(tmp_path, tmp_path / "all", version)
    assert not (tmp_path / "all").exists()

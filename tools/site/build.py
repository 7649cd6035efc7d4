"""Builds the documentation site into out/site, offline. `make site`.

The pages are those of the repository: docs/, the samples' and a few from the top. They are laid out
in out/site/pages with what GitHub's Markdown and the generator's read differently put right, and
zensical (the extra group `site`) makes HTML of them. `--version 1.2` adds the result to
out/site/versions, as it is published: a folder a version, the newest also as `latest`.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from textwrap import dedent
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
HERE: Final = Path(__file__).parent
OUT: Final = ROOT / "out" / "site"

TOP: Final = ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "benchmarks/README.md")
"""Pages that stand outside of docs/ and samples/."""

LARGEST: Final = 100_000
"""Bytes of a file that is shown as a page of its own; a larger one is only linked."""

LONGEST: Final = 50_000
"""Characters of a page that llms-full.txt leaves out: commands, rules and names, to be looked up singly."""

LANGUAGES: Final = {".py": "python", ".json": "json", ".yaml": "yaml", ".toml": "toml"}

_FENCE = re.compile(r"^```(\w+) (?:file|in|append)=(\S+)$", re.MULTILINE)
_FENCED = re.compile(r"(^```.*?^```$)", re.MULTILINE | re.DOTALL)
_INDENTED = re.compile(r"(?<=\n\n)(?: {4}.*\n(?:\n(?= {4}))*)+")
_LINK = re.compile(r"(\]\()([^)#\s]+)?(#[^)\s]*)?(\))")
_TARGET = re.compile(r"\]\(([^)#\s]+)\)")
_HEADLESS = re.compile(r"<tr>\s*(?:<th></th>\s*)+</tr>.*?</table>", re.DOTALL)
_NAMED = re.compile(r"(?<=<tr>\n)<td>(.*?)</td>")
_CODE = re.compile(r"(^```.*?^```$|`[^`\n]+`)", re.MULTILINE | re.DOTALL)


def pages() -> Iterator[Path]:
    """Yield the Markdown that the site is made of, relative to the repository."""
    yield from (Path(name) for name in TOP)
    for folder in ("docs", "samples"):
        for path in sorted((ROOT / folder).glob("**/*.md")):
            yield path.relative_to(ROOT)


def place(source: Path) -> Path:
    """Return where a file of the repository lies among the site's pages."""
    path = source.relative_to("docs") if source.parts[0] == "docs" else source
    if source.parts[0] == "benchmarks" and source.suffix == ".md":
        return Path("benchmarks.md")
    if path.name == "README.md":
        return path.with_name("index.md")
    if source.suffix == ".md":
        return path.with_name(path.name.lower()) if len(path.parts) == 1 else path
    if path.suffix in LANGUAGES and (ROOT / source).stat().st_size <= LARGEST:
        return path.with_name(f"{path.name}.md")
    return path


def adapt(text: str, source: Path, linked: set[Path]) -> str:
    """Return a page in the generator's Markdown; what it links to besides pages goes to `linked`.

    Raises:
        SystemExit: it links to what is not in the repository.
    """
    text = _FENCE.sub(r'```\1 title="\2"', _fenced(text))
    parts = _CODE.split(text)
    parts[::2] = [
        _LINK.sub(lambda found: _moved(found, source, linked), part) for part in parts[::2]
    ]
    return "".join(parts)


def _fenced(text: str) -> str:
    """Return a page whose indented blocks, which are shell in this house, are fenced and say so."""
    parts = _FENCED.split(text)
    parts[::2] = [
        _INDENTED.sub(lambda found: f"```sh\n{dedent(found[0]).rstrip()}\n```\n", part)
        for part in parts[::2]
    ]
    return "".join(parts)


def _moved(found: re.Match[str], source: Path, linked: set[Path]) -> str:
    opening, target, anchor, closing = found.groups(default="")
    if not target or "://" in target or target.startswith("mailto:"):
        return found[0]
    path = Path(os.path.normpath(source.parent / target))
    if (ROOT / path).is_dir():
        path /= "README.md"
    if not (ROOT / path).is_file():
        raise SystemExit(f"{source}: links to {target}, which is not there")
    if path == Path("README.md"):
        path = Path("docs/README.md")  # The site's own front page.
    if path.suffix != ".md":
        linked.add(path)
    return opening + os.path.relpath(place(path), place(source).parent) + anchor + closing


def shown(source: Path) -> str:
    """Return the page that shows a file."""
    text = (ROOT / source).read_text(encoding="utf-8").rstrip("\n")
    return f"# {source.name}\n\n`{source}`\n\n```{LANGUAGES[source.suffix]}\n{text}\n```\n"


def navigation(index: str) -> list[tuple[str, list[Path]]]:
    """Return the sections of the front page's tables and the pages each names, in their order."""
    return [
        (section[1], [Path(os.path.normpath(f"docs/{one}")) for one in _TARGET.findall(section[2])])
        for section in re.finditer(r"^\| \*\*(.+?)\*\* \|(.*)\|$", index, re.MULTILINE)
    ]


def lay_out(folder: Path, *, versions: bool) -> None:
    """Write the pages, what they show and link to, and zensical.toml, with a selector of versions or without."""
    shutil.rmtree(folder, ignore_errors=True)
    linked: set[Path] = set()
    for source in pages():
        text = (ROOT / source).read_text(encoding="utf-8")
        _write(folder / "pages" / place(source), _headed(adapt(text, source, linked), source))
    for source in sorted(linked):
        path = folder / "pages" / place(source)
        if path.suffix == ".md":
            _write(path, shown(source))
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / source, path)
    shutil.copyfile(ROOT / "llms.txt", folder / "pages" / "llms.txt")
    _write(folder / "pages" / "llms-full.txt", whole())
    shutil.copytree(HERE / "assets", folder / "pages" / "assets")
    shutil.copytree(ROOT / "docs/images", folder / "pages" / "images", dirs_exist_ok=True)
    config = (HERE / "zensical.toml").read_text(encoding="utf-8")
    config = config.replace("[project]\n", f"[project]\n{_nav()}\n", 1)
    if versions:
        config = config.replace("[project.extra]\n", f"[project.extra]\n{SELECTOR}\n", 1)
    _write(folder / "zensical.toml", config)


def _headed(text: str, source: Path) -> str:
    """Return a page with what the generator is to know of it, the front page with its looks."""
    if source != Path("docs/README.md"):
        return text
    first, mark, rest = text.partition("## All pages")
    heading = first.partition("\n")[0].removeprefix("# ")
    first = re.sub(r"!\[(.+?)\]\(images/landing.svg\)", PICTURE, first)
    return (
        f"---\ntitle: {heading}\nhide: [navigation, toc, path]\n---\n"
        f'<div class="front" markdown>\n{first}</div>\n\n<div class="all" markdown>\n{mark}{rest}</div>\n'
    )


SELECTOR: Final = 'version = { provider = "mike", default = "latest" }'
PICTURE: Final = (
    r'<picture><source media="(max-width: 45em)" srcset="images/landing-narrow.svg">'
    r'<img src="images/landing.svg" alt="\1"></picture>'
)


def _nav() -> str:
    sections: list[object] = [{"Home": "index.md"}]
    for title, targets in navigation((ROOT / "docs/README.md").read_text(encoding="utf-8")):
        sections.append({title: [_item(file) for file in targets]})
    return f"nav = {_toml(sections)}"


def _item(source: Path) -> object:
    within = [str(place(path)) for path in _within(source)]
    return within[0] if len(within) == 1 else {source.parent.name.capitalize(): within}


def _within(source: Path) -> list[Path]:
    """Return a page, and behind an index the pages of its folder."""
    folder = ROOT / source.parent
    more = [*folder.glob("*.md"), *folder.glob("*/README.md")] if source.name == "README.md" else []
    return list(dict.fromkeys([source, *(path.relative_to(ROOT) for path in sorted(more))]))


def nav_pages() -> set[Path]:
    """Return the pages that the navigation names, relative to the repository."""
    index = (ROOT / "docs/README.md").read_text(encoding="utf-8")
    named = [target for _, targets in navigation(index) for target in targets]
    return {Path("docs/README.md"), *(page for one in named for page in _within(one))}


def _toml(value: object) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(k)} = {_toml(v)}" for k, v in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def build(folder: Path) -> int:
    """Make HTML of what is laid out, with each page's Markdown beside; return zensical's exit code."""
    command = [sys.executable, "-m", "zensical", "build", "--strict", "--config-file"]
    done = subprocess.run([*command, "zensical.toml"], cwd=folder, check=False)
    if done.returncode == 0:
        for source in pages():  # Where the links of llms.txt look for them.
            _write(folder / "html" / source, (ROOT / source).read_text(encoding="utf-8"))
        for page in (folder / "html").glob("**/*.html"):
            _write(page, told(page.read_text(encoding="utf-8")))
    return done.returncode


def told(html: str) -> str:
    """Return a page as it is to be heard: no pictures that say nothing, no sign at the end of each heading.

    The contents lead by keyboard to where the signs do. A table without a head has one in each row.
    """
    html = html.replace("<svg xmlns", '<svg aria-hidden="true" xmlns')
    html = html.replace('class="headerlink"', 'class="headerlink" tabindex="-1" aria-hidden="true"')
    return _HEADLESS.sub(lambda found: _NAMED.sub(r'<th scope="row">\1</th>', found[0]), html)


def whole() -> str:
    """Return the pages that an agent is helped by in one text: all but the longest and the records."""
    index = (ROOT / "docs/README.md").read_text(encoding="utf-8")
    named = [
        target
        for section, targets in navigation(index)
        for target in targets
        if section != "Understand"
    ]
    texts = {path: (ROOT / path).read_text(encoding="utf-8") for path in named}
    return "\n".join(
        f"<!-- {path} -->\n\n{text}" for path, text in texts.items() if len(text) < LONGEST
    )


def add_version(html: Path, folder: Path, version: str) -> None:
    """Add a built site to the folder that is published, in the layout that the selector reads.

    Raises:
        SystemExit: the version is not one that a folder can be named by.
    """
    if not re.fullmatch(r"\d+(\.\d+)*([a-z]+\d*)?|dev", version):
        raise SystemExit(f"--version: got {version!r}; a version is spelled such as 1.2, or dev")
    listed = folder / "versions.json"
    known = json.loads(listed.read_text(encoding="utf-8")) if listed.exists() else []
    names = {one["version"] for one in known} | {version}
    ordered = sorted(names, key=_order, reverse=True)
    newest = next((one for one in ordered if one != "dev"), version)
    _write(listed, json.dumps(_selector(ordered, newest), indent=1) + "\n")
    for name in [version, *(["latest"] if version == newest else [])]:
        shutil.rmtree(folder / name, ignore_errors=True)
        shutil.copytree(html, folder / name)
    _write(folder / "index.html", FORWARD)
    _write(folder / ".nojekyll", "")


FORWARD: Final = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>graders</title>
<meta http-equiv="refresh" content="0; url=latest/">
<p><a href="latest/">The documentation of graders</a></p>
</html>
"""


def _order(version: str) -> tuple[int, list[int]]:
    """Return what versions are sorted by: numbers as numbers, and dev below all."""
    return (int(version != "dev"), [int(part) for part in re.findall(r"\d+", version)])


def _selector(versions: Iterable[str], newest: str) -> list[dict[str, object]]:
    return [
        {"version": one, "title": one, "aliases": ["latest"] if one == newest else []}
        for one in versions
    ]


def main() -> int:
    """Read the arguments and build."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--version", help="add what is built to out/site/versions as this")
    arguments = parser.parse_args()
    versions = OUT.with_name("site-versions")
    lay_out(OUT, versions=bool(arguments.version))
    code = build(OUT)
    if code == 0 and arguments.version:
        add_version(OUT / "html", versions, arguments.version)
    return code


if __name__ == "__main__":
    sys.exit(main())

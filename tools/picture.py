"""Draws what `make demo` shows: docs/images/score.svg, and beside its grader landing.svg and landing-narrow.svg.

`python tools/picture.py`.
"""

from __future__ import annotations

import io
import re
import tempfile
from pathlib import Path
from typing import Final

from rich.console import Console, RenderableType
from rich.syntax import Syntax

import graders
from graders.report.terminal import run_view

ROOT: Final = Path(__file__).parent.parent
IMAGES: Final = ROOT / "docs" / "images"
SAMPLE: Final = ROOT / "samples" / "support-answers"

# Rich's own frame, without the web font it would fetch: the picture opens offline.
FORMAT: Final = """\
<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
{styles}
.{unique_id}-matrix {{ font-family: ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace;
  font-size: {char_height}px; line-height: {line_height}px; }}
.{unique_id}-title {{ font-family: system-ui, sans-serif; font-size: 18px; }}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" />
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


def window(title: str, *shown: RenderableType, width: int, name: str = "graders") -> str:
    """Return a terminal's window as SVG; `name` begins the ids in it."""
    console = Console(
        record=True, width=width, file=io.StringIO(), force_terminal=True, color_system="truecolor"
    )
    for one in shown:
        console.print(one)
    return console.export_svg(title=title, code_format=FORMAT, unique_id=name)


def beside(*windows: str, down: bool = False) -> str:
    """Return one picture of several windows of equal scale, side by side or one below another."""
    gap, x, y, far, deep, parts = 24.0, 0.0, 0.0, 0.0, 0.0, []
    for one in windows:
        ((width, height),) = (
            map(float, found) for found in re.findall(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', one)
        )
        parts.append(
            one.replace("<svg ", f'<svg x="{x}" y="{y}" width="{width}" height="{height}" ', 1)
        )
        far, deep = max(far, x + width), max(deep, y + height)
        x, y = (x, y + height + gap) if down else (x + width + gap, y)
    return f'<svg viewBox="0 0 {far} {deep}" xmlns="http://www.w3.org/2000/svg">\n{"".join(parts)}</svg>\n'


def main() -> None:
    """Score the sample and write the pictures."""
    grader = graders.load(SAMPLE / "grader.json")
    with tempfile.TemporaryDirectory() as folder:
        run = graders.score_file(grader, SAMPLE / "rows.jsonl", Path(folder) / "out.jsonl")
    command = "[bold]$ graders score grader.json rows.jsonl -o out.jsonl[/bold]\n"
    view = run_view(
        run, name=grader.name, type=grader.type, output="out.jsonl", signatures={}, seconds=0
    )
    config = Syntax(
        (SAMPLE / "grader.json").read_text(), "json", theme="ansi_dark", word_wrap=True,
        background_color="default",
    )  # fmt: skip
    score = window("graders", command, view, width=92)
    (IMAGES / "score.svg").write_text(score)
    for name, width, down in (("landing", 64, False), ("landing-narrow", 52, True)):
        both = [
            window("grader.json", config, width=min(width, 58), name="config"),
            window("your machine", command, view, width=width, name="score"),
        ]
        (IMAGES / f"{name}.svg").write_text(beside(*both, down=down))


if __name__ == "__main__":
    main()

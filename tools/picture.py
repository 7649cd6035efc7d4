"""Draws docs/images/score.svg: what `make demo` shows. `python tools/picture.py`."""

from __future__ import annotations

import io
import tempfile
from pathlib import Path

from rich.console import Console

import graders
from graders.report.terminal import run_view

ROOT = Path(__file__).parent.parent
SAMPLE = ROOT / "samples" / "support-answers"

# Rich's own frame, without the web font it would fetch: the picture opens offline.
FORMAT = """\
<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
{styles}
.{unique_id}-matrix {{ font-family: ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace;
  font-size: {char_height}px; line-height: {line_height}px; }}
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


def main() -> None:
    """Score the sample and write the picture."""
    grader = graders.load(SAMPLE / "grader.json")
    with tempfile.TemporaryDirectory() as folder:
        run = graders.score_file(grader, SAMPLE / "rows.jsonl", Path(folder) / "out.jsonl")
    console = Console(
        record=True, width=92, file=io.StringIO(), force_terminal=True, color_system="truecolor"
    )
    console.print("$ graders score grader.json rows.jsonl -o out.jsonl\n", style="bold")
    console.print(
        run_view(
            run, name=grader.name, type=grader.type, output="out.jsonl", signatures={}, seconds=0
        )
    )
    picture = console.export_svg(title="graders", code_format=FORMAT, unique_id="graders")
    (ROOT / "docs" / "images" / "score.svg").write_text(picture)


if __name__ == "__main__":
    main()

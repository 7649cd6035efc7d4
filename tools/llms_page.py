"""Writes llms.txt, what an agent reads first, from the documentation; tools/reference.py calls it."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final

from graders import kinds
from graders.cli import commands
from graders.metrics import METRICS

ROOT: Final = Path(__file__).parent.parent
INDEX: Final = ROOT / "docs" / "README.md"

HEAD: Final = """# graders

> Runs hosted grader JSON (rewards for reinforcement fine-tuning, criteria of evals) on this machine: same JSON, same numbers,
> offline. A Python package (>= 3.11) with a command, `graders`; the package is named `local-graders`, the module `graders`.

What to know before writing or running a grader:

- A grader is one JSON object with a `type`. Fields that are not in the table of its type are faults.
- Templates are `{{ item.key }}` and `{{ sample.output_text }}`, `{{ sample.output_json.key }}`, `{{ sample.output_tools[0].function.name }}`;
  nothing else. A variable that a row lacks fails the row; it is never an empty text.
- A multi's `calculate_output` is a formula over the keys of its `graders`: `+ - * / ^ ( )`, numbers, `min max abs floor ceil exp sqrt log`.
- A row has a reward or failures. `null` is not 0: say both when you report a mean.
- Rows are JSON Lines: `{"item": {...}, "sample": "text"}`; other layouts by `--item-path` and `--sample-path`.
- A python grader is `{"type": "python", "source": "def grade(sample, item): ..."}` and returns a number. It runs in a sandbox, without network.
- After each edit: `graders validate grader.json --rows rows.jsonl --json`. Before training: `graders probe`.
- Exit codes: 0 done; 1 rows failed or findings; 2 bad usage or bad config. With `--json` results are JSON on standard output.
- As tools by MCP: `graders mcp --root .` (`pip install '.[mcp]'` in a clone).
"""

SMALLEST: Final = """
```json
{"type": "multi", "name": "contact", "graders": {
  "name": {"type": "text_similarity", "input": "{{ sample.output_json.name }}", "reference": "{{ item.name }}", "evaluation_metric": "fuzzy_match"},
  "email": {"type": "string_check", "input": "{{ sample.output_json.email }}", "reference": "{{ item.email }}", "operation": "eq"}},
 "calculate_output": "(name + email) / 2"}
```
"""


def llms_page() -> str:
    """Return llms.txt."""
    index = INDEX.read_text(encoding="utf-8")
    parts = [HEAD, SMALLEST, _types(), _commands()]
    for section in re.finditer(r"^\| \*\*(.+?)\*\* \|(.*)\|$", index, re.MULTILINE):
        targets = re.findall(r"\]\(([^)#\s]+)\)", section[2])
        parts.append(f"\n## {section[1]}\n\n" + "".join(map(_entry, targets)))
    return "".join(parts)


def _types() -> str:
    rows = []
    for name, kind in kinds.TYPES.items():
        fields = [
            f"`{field}`" + ("" if told.is_required() else "?")
            for field, told in kind.model_fields.items()
            if field != "type"
        ]
        rows.append(f"- `{name}`: {', '.join(fields)}\n")
    metrics = ", ".join(METRICS)
    return f"\n## Types\n\nFields with `?` may be left out. Metrics: {metrics}.\n\n{''.join(rows)}"


def _commands() -> str:
    rows = [
        f"- `graders {name}`: {command.get_short_help_str(200)}\n"
        for name, command in commands().items()
    ]
    return f"\n## Commands\n\n{''.join(rows)}"


def _entry(target: str) -> str:
    path = Path(os.path.normpath(INDEX.parent / target))
    title, said = described(path.read_text(encoding="utf-8"))
    return f"- [{title}]({path.relative_to(ROOT)}){f': {said}' if said else ''}\n"


def described(text: str) -> tuple[str, str]:
    """Return a page's title and its first sentence, "" where it does not begin with a paragraph."""
    text = re.sub(r"<!--.*?-->\n?", "", text, flags=re.DOTALL).lstrip()
    title, _, rest = text.partition("\n")
    first = rest.strip("\n").partition("\n\n")[0]
    if not first or re.match(r"[#|`!<>-]| {4}", first):
        return title.removeprefix("# "), ""
    plain = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", " ".join(first.split())).replace("**", "")
    sentence = re.match(r".+?\.(?= |$)", plain)
    return title.removeprefix("# "), (sentence[0] if sentence else plain).rstrip(":.") + "."

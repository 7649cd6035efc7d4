"""G51x: what python sources and templates ask for that is not where they look for it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import partial
from typing import Final

from graders.inspection.lint.example import grading, python
from graders.inspection.lint.finding import Example, Hit
from graders.inspection.lint.rule import Rule
from graders.inspection.lint.subject import Subject
from graders.inspection.lint.template import SAMPLE_KEYS
from graders.sandbox import Seen

__all__ = ["RULES"]


def _seen(subject: Subject, kind: str) -> Iterator[Hit]:
    for leaf in subject.leaves:
        for hint in subject.seen.get(leaf.key, Seen()).hints:
            if hint.kind == kind:
                node = ast.Pass(lineno=hint.line, col_offset=0)
                yield subject.source_hit(leaf, node, hint.says)


def _layout(subject: Subject) -> Iterator[Hit]:
    if subject.measured is not None and subject.measured.item_has_sample:
        return
    yield from _seen(subject, "layout")
    for leaf, one, path in subject.named_paths():
        if path.namespace == "item" and path.steps[:1] == ("sample",):
            key = path.steps[1] if len(path.steps) > 1 else ""
            if key in SAMPLE_KEYS:
                says = (
                    f"{path} is where Foundry's evaluations put the model's output; here that "
                    f"is sample.{key}"
                )
                yield subject.path_hit(leaf, one, path, says, f"Write sample.{key}.")


RULES: Final = (
    Rule(
        code="G513", name="process", severity="warning", check=partial(_seen, kind="process"),
        what="A source starts a process: subprocess, multiprocessing, os.system, os.fork and the like.",
        why="The sandbox allows none: the row fails, or a source that catches that scores every answer alike.",
        fix="Do the work inside grade; exec(code, {}) runs a model's code in the sandbox's own process.",
        example=Example(grader=python(grading(
            "import subprocess",
            "done = subprocess.run(['python3', '-c', sample['output_text']], capture_output=True, text=True)",
            "return float(done.stdout == item['answer'])",
        ))),
    ),
    Rule(
        code="G514", name="nltk-data", severity="warning", check=partial(_seen, kind="data"),
        elsewhere={"openai": None, "azure": None},
        what="A source needs data of NLTK that this machine does not have. The hosted image has punkt, stopwords, wordnet, "
        "omw-1.4 and names.",
        why="There is no network to download it from: each row that needs it fails.",
        fix="Download it once outside, such as python -m nltk.downloader stopwords; NLTK_DATA and ~/nltk_data are read in the sandbox.",
        example=Example(grader=python(grading(
            "from nltk.corpus import words", "return float(sample['output_text'] in words.words())",
        ))),
    ),
    Rule(
        code="G515", name="foundry-layout", severity="warning", check=_layout,
        what="A template or a source that never looks at its sample reads the model's output from `item.sample`; silent where "
        "rows have such a field.",
        why="Only Foundry's evaluations put it there. A source that allows for a missing key gives every row the same score.",
        fix='Read sample, such as sample["output_text"].',
        example=Example(grader=python(grading(
            "return float(item.get('sample', {}).get('output_text') == item['answer'])",
        ))),
    ),
)  # fmt: skip

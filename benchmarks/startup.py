"""From start to exit: a `graders run` of one string_check, and `import graders`."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from benchmarks.timing import GRADERS, compiled, medians, process_time, run, table

__all__ = ["main"]

GRADER = {
    "type": "string_check",
    "name": "exact",
    "input": "{{ sample.output_text }}",
    "reference": "{{ item.reference }}",
    "operation": "eq",
}
HEAVY = ("nltk", "numpy", "rapidfuzz", "rouge_score", "jinja2")
LOADED = f"import graders, sys; print(*sorted(set({HEAVY!r}) & set(sys.modules)))"


def main(*, quick: bool) -> None:
    """Print the table."""
    compiled()
    python = sys.executable
    with tempfile.TemporaryDirectory() as folder:
        grader = Path(folder, "grader.json")
        grader.write_text(json.dumps(GRADER))
        command = [GRADERS, "run", str(grader), "--item", '{"reference": "4"}', "--sample", "4"]
        assert json.loads(run([*command, "--json"]))["reward"] == 1.0
        assert not run([python, "-c", LOADED]).strip(), "import graders loads a heavy library"
        found = medians(
            {
                "python -c pass": lambda: process_time([python, "-c", "pass"]),
                "import graders": lambda: process_time([python, "-c", "import graders"]),
                "graders run, string_check": lambda: process_time(command),
                "import nltk.translate.bleu_score": lambda: process_time(
                    [python, "-c", "import nltk.translate.bleu_score"]
                ),
                "import rouge_score.rouge_scorer": lambda: process_time(
                    [python, "-c", "import rouge_score.rouge_scorer"]
                ),
            },
            2 if quick else 15,
        )
    bare = found["python -c pass"]
    table(
        "Start to exit (CPU time of a process)",
        ("work", "seconds", "over python's start", "times python's start"),
        [
            (name, f"{took:.3f}", f"{took - bare:.3f}", f"{took / bare:.1f}x")
            for name, took in found.items()
        ],
    )


if __name__ == "__main__":
    main(quick="--quick" in sys.argv)

"""Templates against a compiled jinja2 sandbox template, formulas against simpleeval.

Per row when a chunk of rows is rendered or computed at once, and for a single call. "Theirs" is
compiled or parsed once where the library can.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Sequence
from typing import Any

import simpleeval  # type: ignore[import-untyped, import-not-found, unused-ignore]
from jinja2 import StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

from benchmarks import corpus
from benchmarks.timing import call_time, medians, table
from graders.formula import compile_formula
from graders.template import Template, compile_template, render_column

__all__ = ["main"]

TEMPLATES = {
    "template, 1 slot": "{{ item.reference }}",
    "template, 1 slot in a text": "Reference: {{ item.reference }}\n",
    "template, 4 slots": (
        "Question: {{ item.prompt }}\nReference: {{ item.reference }}\n"
        "Answer: {{ sample.output_text }}\nAgain: {{ item.prompt }}\n"
    ),
}
FORMULAS = {
    "formula of the main workload": corpus.GRADER["calculate_output"],
    "formula with functions": (
        "max(exact, 0.5 * (fuzzy + rouge)) - min(0.1, 1 - bleu) / (1 + abs(rouge - bleu))"
    ),
}
CHUNK = 500
NAMES = ("exact", "fuzzy", "rouge", "bleu")
Line = tuple[str, ...]


def microseconds(seconds: float, count: int) -> str:
    return f"{seconds / count * 1e6:.2f}"


def line(
    name: str,
    ours: Callable[[], Sequence[Any]],
    theirs: Callable[[], Sequence[Any]],
    count: int,
    times: int,
    rounds: int,
) -> Line:
    assert list(ours()) == list(theirs()), f"{name} differs"

    def again(call: Callable[[], Sequence[Any]]) -> None:
        for _ in range(times):
            call()

    found = medians(
        {
            "ours": lambda: call_time(lambda: again(ours)),
            "theirs": lambda: call_time(lambda: again(theirs)),
        },
        rounds,
    )
    ratio = f"{found['theirs'] / found['ours']:.0f}x"
    return (
        name,
        microseconds(found["ours"], count * times),
        microseconds(found["theirs"], count * times),
        ratio,
    )


def templates(times: int, rounds: int) -> list[Line]:
    environment = ImmutableSandboxedEnvironment(
        undefined=StrictUndefined, keep_trailing_newline=True
    )
    rows = list(corpus.rows(CHUNK * times))
    items, samples = [row["item"] for row in rows], [row["sample"] for row in rows]
    pairs = list(zip(items, samples, strict=True))
    lines = []
    for name, text in TEMPLATES.items():
        mine, jinja = compile_template(text), environment.from_string(text)
        assert isinstance(mine, Template)

        def theirs(count: int, jinja: Any = jinja) -> list[str]:
            return [jinja.render(item=item, sample=sample) for item, sample in pairs[:count]]

        def chunks(count: int, mine: Template = mine) -> list[str]:
            texts: list[str] = []
            for start in range(0, count, CHUNK):
                part = slice(start, start + CHUNK)
                texts += render_column(mine, items[part], samples[part]).texts
            return texts

        def single(count: int, mine: Template = mine) -> list[str]:
            found = zip(items[:count], samples[:count], strict=True)
            return [render_column(mine, [item], [sample]).texts[0] for item, sample in found]

        # Two ways to look at it: rows that lie in the processor's caches, as those of a chunk that
        # was just decoded do, and many rows at once, where memory is what is waited for.
        for kind, ours, count in (
            ("a chunk", chunks, CHUNK),
            ("many chunks, texts kept", chunks, CHUNK * times),
            ("single call", single, CHUNK),
        ):
            lines.append(
                line(
                    f"{name}, {kind}",
                    functools.partial(ours, count),
                    functools.partial(theirs, count),
                    count,
                    CHUNK * times // count,
                    rounds,
                )
            )
    return lines


def formulas(times: int, rounds: int) -> list[Line]:
    columns = {
        name: [((row * step) % 997) / 997 for row in range(CHUNK)]
        for name, step in zip(NAMES, (1, 3, 7, 11), strict=True)
    }
    rows = [dict(zip(NAMES, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    functions = {"min": min, "max": max, "abs": abs}
    lines = []
    for name, text in FORMULAS.items():
        mine = compile_formula(text, NAMES)
        evaluator = simpleeval.SimpleEval(functions=functions)
        parsed = evaluator.parse(text)

        def eval_row(
            row: dict[str, float],
            evaluator: Any = evaluator,
            text: str = text,
            parsed: Any = parsed,
        ) -> Any:
            evaluator.names = row
            return evaluator.eval(text, previously_parsed=parsed)

        def simple_eval(text: str = text) -> list[Any]:
            call = simpleeval.simple_eval
            return [call(text, names=row, functions=functions) for row in rows]

        theirs = functools.partial(lambda each: [each(row) for row in rows], eval_row)
        chunk = functools.partial(lambda mine: mine.evaluate_columns(columns, CHUNK)[0], mine)
        single = functools.partial(lambda mine: [mine.evaluate(row) for row in rows], mine)
        lines += [
            line(f"{name}, chunk / parsed once", chunk, theirs, CHUNK, times, rounds),
            line(f"{name}, single call / parsed once", single, theirs, CHUNK, times, rounds),
            line(f"{name}, chunk / simple_eval()", chunk, simple_eval, CHUNK, times, rounds),
            line(f"{name}, single call / simple_eval()", single, simple_eval, CHUNK, times, rounds),
        ]
    return lines


def main(*, quick: bool) -> None:
    """Print the table."""
    times, rounds = (2, 3) if quick else (20, 7)
    table(
        "Templates against jinja2's sandbox, formulas against simpleeval (CPU time a row)",
        ("work", "ours us", "theirs us", "ratio"),
        [*templates(times, rounds), *formulas(times, rounds)],
    )


if __name__ == "__main__":
    main(quick="--quick" in sys.argv)

"""Has packages do, before rows get processes of their own, what they put off until their first use.

Does: hands packages that a source imports expressions written here, so that the tables of their
parsers and their caches are there when a row's process is forked from this one; without it each
row builds them anew, which takes mathematics ten times as long as the row itself. Does not: see a
word of a grader or a row; change what a row gets: a cache gives what would be computed.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

__all__ = ["warm_up"]

# One of each form that answers have, with one that differs from it only in form, so that what
# compares them is met too. Their parsers learn a grammar's decisions from the texts they see.
_ANSWERS = (
    (r"$\frac{1}{2}+\sqrt{3}x^{2}-4\pi$", r"the answer is $\boxed{\dfrac{2}{4}-4\pi+\sqrt{3}x^2}$."),
    (r"$\frac{5\pi}{6}$", r"$\dfrac{10 \pi}{12}$"),
    (r"$(1,2.5)$", r"$\left(1,\frac{5}{2}\right)$"),
    (r"$\{1,2\}$", r"$\left\{2,1\right\}$"),
    (r"$[0,1)\cup(2,\infty)$", r"$x<1$"),
    (r"$y=3x+5$", r"$2y-6x=10$"),
    (r"$\begin{pmatrix}1&2\\3&4\end{pmatrix}$", r"$\begin{bmatrix}1&2\\3&4.0\end{bmatrix}$"),
    (r"$\sin(2x)+\log_{2}3$", r"$2\sin x\cos x+\frac{\ln 3}{\ln 2}$"),
    (r"so it is 1,234.5", r"3/4 + 1"),
    (r"$2+3i$", r"$3i+2$"),
    (r"$12\%$", r"$5^\circ$"),
    (r"$\binom{5}{2}$", r"$\text{ 10 cm}^2$"),
    (r"$e^{2}$", r"$2 \times 10^{3}$"),
)  # fmt: skip
_EXPRESSIONS = (
    ("(x + 1)**2", "x**2 + 2*x + 1"),
    ("sqrt(12)/4 + 1/3", "sqrt(3)/2 + 0.25"),
    ("sin(x)**2 + cos(x)**2", "exp(0)*log(3)"),
    ("(x**2 - 1)/(x - 1)", "pi*x/2"),
)


def _math_verify(module: Any) -> Iterator[None]:
    for gold, answer in _ANSWERS:
        found = module.parse(gold)
        yield
        other = module.parse(answer)
        yield
        module.verify(found, other)
        yield


def _latex2sympy(module: Any) -> Iterator[None]:
    for pair in _ANSWERS:
        for text in pair:
            if text.startswith("$"):
                module.latex2sympy(text.strip("$"))
                yield


def _sympy_latex(module: Any) -> Iterator[None]:
    for text in (
        r"\frac{1}{2}+\sqrt{3}x^{2}-4\pi",
        r"\sin(2x)+\log_{2}3",
        r"y=3x+5",
        r"|x|\le e^{2}",
    ):
        module.parse_latex(text)
        yield


def _sympy(module: Any) -> Iterator[None]:
    for one, other in _EXPRESSIONS:
        first, second = module.sympify(one), module.sympify(other)
        yield
        module.simplify(first - second)
        yield
        first.equals(second)
        module.expand(first)
        yield
        module.factor(second)
        module.N(second.subs("x", 2))
        yield


_FIRST_USES: dict[str, Callable[[Any], Iterator[None]]] = {
    "latex2sympy2_extended": _latex2sympy,
    "math_verify": _math_verify,
    "sympy": _sympy,
    "sympy.parsing.latex": _sympy_latex,
}


def warm_up(imported: Iterable[str], seconds: float) -> None:
    """Use the packages among what a source imports once; stop after `seconds`, come what may.

    A package that is of another version, or lacks something, is used as far as it goes.
    """
    until = time.monotonic() + seconds
    paths = [f"{name}." for name in imported]
    for name, uses in _FIRST_USES.items():
        if not any(path.startswith(f"{name}.") for path in paths):
            continue
        try:
            for _ in uses(importlib.import_module(name)):
                if time.monotonic() > until:
                    return
        except BaseException:  # noqa: BLE001, S112  (the grader meets it again and reports it)
            continue

"""`grade(sample, item)` gives a finite float or an error that says what was wrong."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable
from typing import Any

import pytest

from graders.calls import PythonCall, PythonReply
from graders.sandbox import Limits, PythonSandbox


def one(sandbox: PythonSandbox, body: str, item: Any = None, sample: Any = None) -> PythonReply:
    source = "def grade(sample, item):\n" + textwrap.indent(textwrap.dedent(body), "    ")
    (reply,) = sandbox.perform(PythonCall(source, [sample or {}], [item or {}]))
    return reply


def values(sandbox: PythonSandbox, expressions: Iterable[str]) -> list[PythonReply]:
    """Return what is said of each expression as the value of `grade`: a row each of one source."""
    made = [f"lambda: {expression}" for expression in expressions]
    source = (
        f"import fractions, numpy\nMADE = [{', '.join(made)}]\n"
        "def grade(sample, item):\n    return MADE[item]()"
    )
    return sandbox.perform(PythonCall(source, [{}] * len(made), list(range(len(made)))))


NUMBERS = {
    "0.1 + 0.2": 0.30000000000000004,
    "1": 1.0,
    "True": 1.0,
    "-7": -7.0,
    "5e-324": 5e-324,
    "123456789.5": 123456789.5,
    "numpy.float32(0.5)": 0.5,
    "numpy.int64(3)": 3.0,
    "numpy.bool_(True)": 1.0,
}


def test_numbers_are_accepted_to_the_last_bit(sandbox: PythonSandbox) -> None:
    for (expression, score), reply in zip(NUMBERS.items(), values(sandbox, NUMBERS), strict=True):
        assert reply == PythonReply(score, seconds=reply.seconds), expression


OTHERS = {
    "None": "grade returned None, not a number",
    "'1.0'": "grade returned a str ('1.0'), not a number",
    "[1.0]": "grade returned a list, not a number",
    "b'1'": "grade returned a bytes, not a number",
    "1j": "grade returned a complex, not a number",
    "float('nan')": "grade returned a float (nan), not a finite number",
    "-1e999": "grade returned a float (-inf), not a finite number",
    "10**400": "grade returned an int, too large for a float",
    "numpy.array([1.0])": "grade returned a ndarray, not a number",
    "numpy.float64('inf')": "grade returned a float64, not a finite number",
    "fractions.Fraction(1, 2)": "grade returned a Fraction, not a number",
}


def test_anything_else_is_a_failure_that_says_what_was_returned(sandbox: PythonSandbox) -> None:
    for (expression, message), reply in zip(OTHERS.items(), values(sandbox, OTHERS), strict=True):
        assert reply.score is None, expression
        assert reply.error is not None, expression
        assert (reply.error.kind, reply.error.message) == ("returned", message)


def test_an_exception_names_type_message_line_and_column(sandbox: PythonSandbox) -> None:
    source = textwrap.dedent("""\
        def helper(text):
            return 'é' + str(float(text))


        def grade(sample, item):
            return helper(item['number'])
        """)
    (reply,) = sandbox.perform(PythonCall(source, [{}], [{"number": "x"}]))
    error = reply.error
    assert error is not None
    assert error.kind == "runtime"
    assert error.message == (
        "ValueError: could not convert string to float: 'x' (line 2: `return 'é' + str(float(text))`)"
    )
    assert (error.line, error.column) == (2, 22)
    assert error.details.splitlines()[1] == '  File "<grader>", line 6, in grade'
    assert "runner.py" not in error.details


def test_an_exception_inside_a_library_is_told_at_the_users_line(sandbox: PythonSandbox) -> None:
    reply = one(sandbox, "import json\nreturn json.loads('{')")
    assert reply.error is not None
    assert reply.error.line == 3
    assert "JSONDecodeError" in reply.error.message


def test_a_deep_traceback_is_short(sandbox: PythonSandbox) -> None:
    reply = one(sandbox, "def f(n):\n    return f(n + 1)\nreturn f(0)")
    assert reply.error is not None
    assert reply.error.message.startswith("RecursionError: ")
    assert len(reply.error.details.splitlines()) < 70


@pytest.mark.parametrize(
    ("source", "message", "line"),
    [
        ("def grade(sample, item):\n    return (", "SyntaxError: '(' was never closed", 2),
        ("x = 1\n", "the source defines no function `grade`", None),
        ("def grade(sample):\n    return 1", "must take two arguments", 1),
        ("def grade(sample, item, more):\n    return 1", "must take two arguments", 1),
        ("def grade(sample, item, *, more):\n    return 1", "must take two arguments", 1),
        ("grade = 3", "`grade` is int, not a function", None),
        ("\nasync def grade(sample, item):\n    return 1", "`grade` is `async def`", 2),
        ("def grade(sample, item):\n    yield 1", "`grade` is a generator", 1),
        (
            "import no_such_package\ndef grade(s, i): return 1",
            "No module named 'no_such_package'",
            1,
        ),
        ("raise SystemExit(3)", "SystemExit: 3", 1),
        ("x = 1\0", "", None),
        ("", "no function `grade`", None),
    ],
)
def test_a_source_that_does_not_load_fails_check_and_every_row(
    sandbox: PythonSandbox, source: Any, message: Any, line: Any
) -> None:
    fault = sandbox.check(source)
    assert fault is not None
    assert fault.kind == "load"
    assert message in fault.message
    assert line is None or fault.line == line
    replies = sandbox.perform(PythonCall(source, [{}, {}], [{}, {}]))
    assert [reply.error for reply in replies] == [fault, fault]


@pytest.mark.parametrize(
    "source",
    [
        pytest.param("def grade(sample, item):\n    return 1", marks=pytest.mark.more),
        pytest.param(
            "def grade(sample, item, extra=None, *, more=1):\n    return 1", marks=pytest.mark.more
        ),
        "def grade(*args):\n    return 1",
        pytest.param("grade = lambda sample, item: 1", marks=pytest.mark.more),
        "class G:\n    def __call__(self, sample, item):\n        return 1\ngrade = G()",
        "from functools import lru_cache, partial\ndef g(x, s, i): return 1\ngrade = partial(g, 3)",
    ],
)
def test_anything_that_takes_two_arguments_is_a_grade(sandbox: PythonSandbox, source: Any) -> None:
    assert sandbox.check(source) is None
    assert sandbox.perform(PythonCall(source, [{}], [{}]))[0].score == 1.0


def test_source_size_is_counted_in_bytes_of_utf8() -> None:
    tail = "\ndef grade(sample, item):\n    return 1\n"
    with PythonSandbox(limits=Limits(source_bytes=1000)) as sandbox:
        assert sandbox.check("#" * (1000 - len(tail)) + tail) is None
        fault = sandbox.check("#" + "é" * (1000 - len(tail)) + tail)
    assert fault is not None
    assert fault.kind == "load"
    assert "the limit is 1 kB" in fault.message


def test_values_arrive_as_they_are(sandbox: PythonSandbox) -> None:
    values = {
        "nan": math.nan, "inf": math.inf, "big": 10**4000, "lone": "\ud800", "nul": "\0",
        "none": None, "deep": [[[{}]]], "é": "日本",
    }  # fmt: skip
    body = """
        v = item
        assert v['nan'] != v['nan'] and type(v['nan']) is float
        assert v['inf'] == float('inf')
        assert v['big'] == 10**4000
        assert len(v['lone']) == 1 and ord(v['lone']) == 0xd800
        assert v['nul'] == chr(0) and v['none'] is None and v['deep'] == [[[{}]]]
        assert v['é'] == '日本'
        return 1
    """
    reply = one(sandbox, body, values)
    assert reply.score == 1.0, reply.error


def test_a_row_that_is_not_json_fails_alone(sandbox: PythonSandbox) -> None:
    loop: list[Any] = []
    loop.append(loop)
    source = "def grade(sample, item):\n    return 1"
    replies = sandbox.perform(PythonCall(source, [{}] * 4, [{}, {1, 2}, loop, {}]))
    assert [reply.score for reply in replies] == [1.0, None, None, 1.0]
    assert replies[1].error is not None
    assert replies[1].error.kind == "protocol"


def test_what_is_printed_comes_with_the_row_and_is_bounded(sandbox: PythonSandbox) -> None:
    source = textwrap.dedent("""
        import sys
        def grade(sample, item):
            print("out", item)
            sys.stderr.write("err" * item)
            return 0
        """)
    replies = sandbox.perform(PythonCall(source, [{}] * 3, [0, 1, 100_000]))
    assert [reply.stdout for reply in replies] == ["out 0\n", "out 1\n", "out 100000\n"]
    assert [len(reply.stderr) for reply in replies] == [0, 3, 64_000]


def test_the_answer_published_by_the_service(sandbox: PythonSandbox) -> None:
    # A real graders.run response published with eval-protocol/openai-rft-quickstart.
    pytest.importorskip("rapidfuzz")
    source = (
        "from rapidfuzz import fuzz, utils\n\n\ndef grade(sample, item):\n"
        "    return fuzz.WRatio(sample['output_text'], item['reference_answer'],"
        " processor=utils.default_process) / 100.0\n"
    )
    sample = {"output_text": "fuzzy wuzzy was a bear"}
    item = {"reference_answer": "fuzzy wuzzy had no hair"}
    (reply,) = sandbox.perform(PythonCall(source, [sample], [item]))
    assert reply.score == 0.7555555555555555


def test_rows_larger_than_a_pipe_arrive_whole_and_so_do_their_replies(
    sandbox: PythonSandbox,
) -> None:
    source = "def grade(sample, item):\n    print(item[-3:])\n    return len(item)"
    items = ["é" * 700_000 + f"{n:3}" for n in range(3)]
    replies = sandbox.perform(PythonCall(source, [{}] * 3, items))
    assert [reply.score for reply in replies] == [700_003] * 3
    assert [reply.stdout for reply in replies] == [f"{n:3}\n" for n in range(3)]


def test_no_rows_no_replies(sandbox: PythonSandbox) -> None:
    assert sandbox.perform(PythonCall("not even python", [], [])) == []

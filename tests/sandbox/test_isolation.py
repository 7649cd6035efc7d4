"""What rows share, which sources get a process a row, and that neither changes a score."""

from __future__ import annotations

import textwrap
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from graders.calls import PythonCall
from graders.sandbox import Limits, PythonSandbox, isolation_of

COUNTER = textwrap.dedent("""
    import collections
    SEEN = []
    def grade(sample, item):
        global SEEN
        SEEN = SEEN + [item]
        return len(SEEN)
    """)


@pytest.mark.parametrize(
    ("isolation", "scores"), [("module", [1, 1, 1]), ("row", [1, 1, 1]), ("shared", [1, 2, 3])]
)
def test_globals_carry_over_only_when_shared(isolation: Any, scores: Any) -> None:
    with PythonSandbox(isolation=isolation) as sandbox:
        replies = sandbox.perform(PythonCall(COUNTER, [{}] * 3, [1, 2, 3]))
    assert [reply.score for reply in replies] == scores


@pytest.mark.parametrize(
    ("body", "isolation"),
    [
        ("return re.compile('a')", "module"),
        ("from collections import Counter\nreturn 1", "module"),
        ("import numpy as np\nreturn np.mean([1])", "module"),
        ("from functools import lru_cache\nreturn 1", "module"),
        ("import ast\nreturn len(ast.parse(sample['output_text']).body)", "module"),
        ("return type(sample).__name__ == 'dict'", "module"),
        ("return getattr(sample, 'get')('x')", "module"),
        ("exec(sample['output_text'])", "row"),
        ("return eval('1')", "row"),
        ("return compile('1', '', 'eval')", "row"),
        ("return __import__('os').getpid()", "row"),
        ("import importlib\nreturn 1", "row"),
        ("import subprocess\nreturn 1", "row"),
        ("import os\nreturn 1", "row"),
        ("import ctypes\nreturn 1", "row"),
        ("import pickle\nreturn 1", "row"),
        ("import sympy\nreturn 1", "row"),
        ("import my_own_package\nreturn 1", "row"),
        ("from .here import there\nreturn 1", "row"),
        ("from re import *\nreturn 1", "row"),
        ("return getattr(__builtins__, 'ev' + 'al')('1')", "row"),
        ("return getattr(sample, item)", "row"),
        ("return ().__class__.__base__.__subclasses__()", "row"),
        ("return open('x').read()", "row"),
        ("import json\njson.dumps = None", "row"),
        ("import numpy as np\nnp.random.mtrand.x[0] = 1", "row"),
        ("return df.query('x')", "row"),
        ("return (", "row"),
        ("return " + "(" * 5000, "row"),
        ("return " + "-" * 100_000 + "1", "row"),
    ],
)
def test_a_source_that_can_execute_text_or_leave_traces_gets_a_process_a_row(
    body: Any, isolation: Any
) -> None:
    prefix = ""
    source = prefix + "import re\ndef grade(sample, item):\n" + textwrap.indent(body, "    ")
    if body.startswith("from re import *"):
        source = body.split("\n")[0] + "\ndef grade(sample, item):\n    return 1"
    assert isolation_of(source) == isolation


RANDOM = textwrap.dedent("""
    import random
    import numpy
    import decimal
    def grade(sample, item):
        if item % 3 == 0:
            decimal.getcontext().prec = 3
            random.seed(item)
            numpy.random.seed(1)
        noise = random.random() + numpy.random.random()
        return noise + float(decimal.Decimal(1) / 3) + hash(sample["output_text"]) % 97
    """)


@settings(
    max_examples=25,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_order_batch_size_and_worker_count_never_change_a_score(data: Any) -> None:
    rows = data.draw(st.lists(st.integers(0, 50), min_size=1, max_size=30))
    order = data.draw(st.permutations(range(len(rows))))
    cut = data.draw(st.integers(1, len(rows)))
    isolation = data.draw(st.sampled_from(["module", "row"]))
    workers = data.draw(st.integers(1, 2))
    alone = {row: _scores("module", 1, [[row]])[0] for row in set(rows)}
    shuffled = [rows[place] for place in order]
    batches = [shuffled[start : start + cut] for start in range(0, len(shuffled), cut)]
    assert _scores(isolation, workers, batches) == [alone[row] for row in shuffled]


_OPEN: dict[tuple[str, int], PythonSandbox] = {}


@pytest.fixture(autouse=True)
def _close_all() -> Any:
    yield
    for sandbox in _OPEN.values():
        sandbox.close()
    _OPEN.clear()


def _scores(isolation: Any, workers: Any, batches: Any) -> Any:
    sandbox = _OPEN.setdefault(
        (isolation, workers), PythonSandbox(isolation=isolation, workers=workers)
    )
    scores = []
    for batch in batches:
        samples = [{"output_text": f"t{row}"} for row in batch]
        replies = sandbox.perform(PythonCall(RANDOM, samples, batch))
        assert all(reply.error is None for reply in replies), replies
        scores += [reply.score for reply in replies]
    return scores


def test_one_workers_rows_and_many_workers_rows_are_equal() -> None:
    source = "def grade(sample, item):\n    return item * 3"
    items = list(range(3000))
    with PythonSandbox(workers=2) as sandbox:
        replies = sandbox.perform(PythonCall(source, [{}] * 3000, items))
        assert [reply.score for reply in replies] == [item * 3.0 for item in items]
        assert sandbox.stats.workers_started == 2


HOSTILE_SAMPLES = [
    "import os\nos._exit(0)",
    "import builtins\nbuiltins.len = builtins.float = builtins.isinstance = None",
    "import gc\nfor d in gc.get_objects():\n    if isinstance(d, dict) and 'grade' in d:\n        d['grade'] = lambda s, i: 1.0",
    "open('left.txt', 'w').write('x')",
    "import os\nos.environ['LEFT'] = '1'\nos.chdir('/usr')",
    "while True:\n    pass",
    "raise SystemExit",
]
EXECUTES = textwrap.dedent("""
    import os
    def grade(sample, item):
        if os.listdir('.') or 'LEFT' in os.environ:
            return 99.0
        try:
            exec(sample['output_text'], {})
        except Exception:
            return 0.0
        return 0.5
    """)


@pytest.mark.parametrize("hostile", HOSTILE_SAMPLES)
def test_an_executed_sample_cannot_touch_other_rows(hostile: Any) -> None:
    texts = ["x = 1", "x = 1", hostile, "x = 1", "raise ValueError", "x = 1"]
    with PythonSandbox(limits=Limits(call_seconds=1.0, grace_seconds=0.5)) as sandbox:
        replies = sandbox.perform(
            PythonCall(EXECUTES, [{"output_text": text} for text in texts], [{}] * 6)
        )
    assert [reply.score for reply in replies[:2] + replies[3:]] == [0.5, 0.5, 0.5, 0.0, 0.5]

"""What rows share, which sources get a process a row, and that neither changes a score."""

from __future__ import annotations

import textwrap
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from graders.calls import PythonCall
from graders.sandbox import Limits, PythonSandbox, isolation_of
from graders.sandbox.inside.scan import scan
from tests.examples import examples

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


KINDS = [
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
]
UNPARSED = [
    ("return (", "row"),
    ("return " + "(" * 5000, "row"),
    ("return " + "-" * 100_000 + "1", "row"),
]


def grader_of(body: str) -> str:
    if body.startswith("from re import *"):
        return body.split("\n", maxsplit=1)[0] + "\ndef grade(sample, item):\n    return 1"
    return "import re\ndef grade(sample, item):\n" + textwrap.indent(body, "    ")


@pytest.mark.parametrize(("body", "isolation"), KINDS)
def test_a_source_that_can_execute_text_or_leave_traces_gets_a_process_a_row(
    body: str, isolation: str
) -> None:
    assert ("module" if scan(grader_of(body))["row"] is None else "row") == isolation


# To look takes a process of its own, in which the parser may die: a few of each are asked so.
@pytest.mark.parametrize(
    ("body", "isolation"),
    [
        *KINDS[:1], *KINDS[-1:], *UNPARSED,
        *(pytest.param(*one, marks=pytest.mark.slow) for one in KINDS[1:-1]),
    ],
)  # fmt: skip
def test_a_sources_isolation_is_what_is_found_in_it_and_a_process_a_row_where_nothing_is(
    body: str, isolation: str
) -> None:
    assert isolation_of(grader_of(body)) == isolation


EVASIONS = {
    "attrgetter": "import operator\nreturn operator.attrgetter('__globals__')(grade)",
    "attrgetter by from": "from operator import attrgetter as a\nreturn a('__globals__')(grade)",
    "methodcaller": "import operator\nreturn operator.methodcaller('__reduce__')(grade)",
    "getattr as a value": "return list(map(getattr, [grade], ['__globals__']))",
    "getattr in a variable": "g = getattr\nreturn g(grade, '__globals__')",
    "getattr by partial": "import functools\nreturn functools.partial(getattr, grade)('__globals__')",
    "getattr by reduce": "import functools\nreturn functools.reduce(getattr, ['__globals__'], grade)",
    "getattr of a name": "return getattr(grade, '__glo' 'bals__')",
    "getattr by star": "return getattr(*[grade, '__globals__'])",
    "format": "return len('{0.__globals__}'.format(grade))",
    "format in a spec": "return len('{0:{1.__globals__}}'.format(1, grade))",
    "format of a name": "t = sample['output_text']\nreturn len(t.format(grade))",
    "format of the class": "return len(str.format('{0.__globals__}', grade))",
    "format as a value": "f = '{0.__globals__}'.format\nreturn len(f(grade))",
    "format by getattr": "return len(getattr('{0.__globals__}', 'format')(grade))",
    "format_map": "return len('{a.__globals__}'.format_map({'a': grade}))",
    "format by match": "match '{0.__globals__}':\n    case str(format=f): return len(f(grade))",
    "Formatter": "import string\nreturn len(string.Formatter().format('{0.__globals__}', grade))",
    "match": "match grade:\n    case object(__globals__=g): return len(g)",
    "Cython's function": "from rapidfuzz import fuzz\nreturn len(fuzz.ratio.func_globals)",
    "traceback": "try: 1 / 0\nexcept Exception as e: return e.__traceback__.tb_frame.f_lineno",
    "traceback by context": "try: 1 / 0\nexcept Exception as e: return len(e.with_traceback(None).tb_frame)",
    "generator frame": "g = (x for x in [1])\nreturn g.gi_frame.f_lineno",
    "generator yields from": "g = (x for x in [1])\nreturn g.gi_yieldfrom is None",
    "coroutine frame": "async def c(): pass\nreturn c().cr_frame.f_lineno",
    "asyncgen frame": "async def c(): yield\nreturn c().ag_frame.f_lineno",
    "subclasses": "return len(object.__subclasses__())",
    "mro": "return len(grade.mro())",
    "vars": "return len(vars())",
    "dir": "return len(dir(grade))",
    "type with names": "return type('X', (), {'__hash__': len})() == 1",
    "type of a class": "class A: pass\nreturn type(A)('X', (), {'__hash__': len}) is None",
    "type as a value": "return list(map(type, [1]))[0] is int",
    "type of another name": "t = type\nreturn t('X', (), {}) is None",
    "metaclass": "class M(type): pass\nreturn 1",
    "metaclass keyword": "class A(metaclass=len): pass\nreturn 1",
    "super with arguments": "return super(int, 1).__init__ is None",
    "super of another meaning": "def super(): return list\nreturn super().__init__ is None",
    "isinstance of another meaning": "import numpy as np\ndef isinstance(a, b): return b\nreturn isinstance(1, np.ndarray)((9,))[0]",
    "hash and eq": "class A:\n    def __hash__(self): return 1\n    def __eq__(self, o): return True\nreturn 1",
    "hash as a name": "class A:\n    __hash__ = len\nreturn 1",
    "hash by import": "class A:\n    from math import ceil as __hash__\nreturn 1",
    "hash by match": "class A:\n    match 1:\n        case __hash__: pass\nreturn 1",
    "del": "class A:\n    def __del__(self): pass\nreturn 1",
    "enum of names": "from enum import Enum\nreturn Enum('X', {'__hash__': len}) is None",
    "enum without members": "from enum import Enum\nclass E(Enum): pass\nreturn E('X', {'__hash__': len}) is None",
    "enum that ignores": "from enum import Enum\nclass E(Enum):\n    _ignore_ = 'A'\n    A = 1\nreturn 1",
    "make_dataclass": "import dataclasses\nreturn dataclasses.make_dataclass('X', []) is None",
    "dataclass as a function": "import dataclasses, collections\nreturn dataclasses.dataclass(collections.Counter) is None",
    "dataclass of what another gives": "import dataclasses, collections\n@dataclasses.dataclass\n@(lambda f: collections.Counter)\nclass A: pass\nreturn 1",
    "total_ordering as a function": "import functools\nreturn functools.total_ordering(dict) is None",
    "update_wrapper": "import functools, collections\nreturn functools.update_wrapper(collections.Counter, grade) is None",
    "wraps": "import functools, collections\nreturn functools.wraps(grade)(collections.Counter) is None",
    "singledispatch": "import functools\n@functools.singledispatch\ndef f(x): pass\nreturn 1",
    "register": "import collections.abc\ncollections.abc.Sized.register(int)\nreturn 1",
    "type hints": "import typing\nreturn len(typing.get_type_hints(grade))",
    "forward reference": "import typing\nreturn typing.ForwardRef('1') is None",
    "annotations": "return len(grade.__annotations__)",
    "annotated": "import typing\nreturn typing.Annotated[int, sample] is None",
    "a module's module": "import random\nreturn random._os.getpid()",
    "a module's public module": "import statistics\nreturn statistics.sys.getrecursionlimit()",
    "a package's module": "import json\nreturn json.decoder.scanner.re.purge() is None",
    "re's enum": "import re\nreturn re.enum.sys.getrecursionlimit()",
    "a module as a value": "import random\nr = [random]\nreturn len(r[0].os.environ)",
    "a module by getattr": "import random\nreturn getattr(random, 'random')()",
    "a module's cache": "import re\nre._cache['stash'] = 1\nreturn 1",
    "a class's attribute": "import collections\nc = collections.Counter\nc.stash = 1\nreturn 1",
    "a class's attribute by a call": "import collections\ndef put(o): o.stash = 1\nput(collections.Counter)\nreturn 1",
    "a class's attribute by self": "import collections\nclass A:\n    def put(self): self.stash = 1\nA.put(collections.Counter)\nreturn 1",
    "a class's attribute by init": "import collections\nclass A:\n    def __init__(self): self.stash = 1\nA.__init__(collections.Counter)\nreturn 1",
    "a class's attribute by init's name": "import collections\nclass A:\n    def __init__(self): self.stash = 1\n    put = __init__\nA.put(collections.Counter)\nreturn 1",
    "a class's attribute by another self": "import collections\nclass A:\n    def __init__(self, o):\n        self = o\n        self.stash = 1\nA(collections.Counter)\nreturn 1",
    "a class's attribute by nonlocal": "import collections\nclass A:\n    def __init__(self):\n        def change():\n            nonlocal self\n            self = collections.Counter\n        change()\n        self.stash = 1\nA()\nreturn 1",
    "a class's attribute by an inner function": "import collections\nclass A:\n    def __init__(self):\n        (lambda self: [self for self.stash in [1]])(collections.Counter)\nA()\nreturn 1",
    "a class's attribute by a decorated init": "import collections\ndef d(f):\n    f(collections.Counter)\n    return f\nclass A:\n    @d\n    def __init__(self): self.stash = 1\nreturn 1",
    "a list of the library": "import keyword\nkeyword.kwlist.append('stash')\nreturn 1",
    "a dict of a class": "import textwrap\ntextwrap.TextWrapper.unicode_whitespace_trans['stash'] = 1\nreturn 1",
    "a set of the library": "import hashlib\nhashlib.algorithms_available.add('stash')\nreturn 1",
    "a reader's list": "from nltk.corpus import stopwords\nstopwords.fileids().append('stash')\nreturn 1",
    "a module through an object": "import warnings\nreturn len(warnings.catch_warnings()._module.sys.modules)",
    "csv": "import csv\ncsv.field_size_limit(1)\nreturn 1",
    "memory of earlier rows": "import numpy as np\nreturn np.empty(9)[0]",
    "memory of earlier rows by a class": "import numpy as np\nreturn np.ndarray((9,))[0]",
    "memory of earlier rows by an annotation": "import numpy as np\ndef f(x: (y := np.ndarray)): pass\nreturn y((9,))[0]",
    "any memory": "import types, numpy as np\nreturn np.asarray(types.SimpleNamespace(**{'__array_interface__': {}}))[0]",
    "strides": "import numpy as np\nreturn np.lib.stride_tricks.as_strided(np.zeros(1), (9,))[0]",
    "numpy's ctypes": "import numpy as np\nreturn np.zeros(1).ctypes.data",
    "numpy's files": "import numpy as np\nnp.zeros(1).tofile('stash')\nreturn 1",
    "numpy's pickles": "import numpy as np\nreturn np.load('x', allow_pickle=True)",
    "numpy's modules": "import numpy as np\nreturn np.core.multiarray.os.getpid()",
    "numpy's settings": "import numpy as np\nnp.set_printoptions(precision=1)\nreturn 1",
    "np.vectorize": "import numpy as np\nreturn np.vectorize(len).pyfunc is None",
    "a package that runs annotations": "import pydantic\nreturn 1",
    "a package with eval": "import pandas as pd\nreturn pd.eval('1')",
    "a star": "from operator import *\nreturn 1",
    "a late end": "def g():\n    try: yield\n    finally: print()\nreturn len(str(g()))",
    "a late exit": "def g():\n    with suppress(KeyError): yield\nreturn len(str(g()))",
    "threads": "import threading\nreturn 1",
    "a thread's module": "import queue\nreturn queue.threading.active_count()",
    "context": "import contextvars\nreturn 1",
    "weak references": "import weakref\nreturn 1",
    "collector": "import gc\nreturn 1",
    "inspection": "import inspect\nreturn 1",
    "builtins": "return __builtins__['eval']('1')",
    "loader": "return len(str(__loader__))",
    "help": "return help.__class__ is None",
    "the clock's exception": "import re\nreturn re.Scanner([]) is None",
    "a copy's hook": "import copyreg\nreturn 1",
    "module getattr": "def __getattr__(name): return name\nreturn 1",
}


@pytest.mark.parametrize("body", EVASIONS.values(), ids=EVASIONS)
def test_what_cannot_be_shown_to_be_harmless_is_not_shared(body: str) -> None:
    source = "def grade(sample, item):\n" + textwrap.indent(body, "    ")
    if "import *" in body:
        source = body.split("\n", maxsplit=1)[0] + "\ndef grade(sample, item):\n    return 1"
    assert scan(source)["row"] is not None


HONEST = {
    "numbers": "import math, statistics\nreturn math.exp(-statistics.fmean([1, 2]))",
    "texts": "import re, string, unicodedata\nt = sample['output_text']\nreturn len(re.findall(r'\\w+', unicodedata.normalize('NFC', t).lower().translate(str.maketrans('', '', string.punctuation))))",
    "json": "import json\ntry: return float(json.loads(sample['output_text'])['x'])\nexcept (json.JSONDecodeError, KeyError): return 0.0",
    "f-strings and formats": "x = 1.5\nprint(f'{x:>{10}.2f}', '{:.2f} {name}'.format(x, name='n'), '%d' % 3)\nreturn x",
    "a class": "class P:\n    def __init__(self, text, *, at=0):\n        self.text = text\n        self.at = at\n    def rest(self): return self.text[self.at:]\nreturn len(P('abc', at=1).rest())",
    "a class that inherits": "class A:\n    def __init__(self): self.a = 1\nclass B(A):\n    def __init__(self):\n        super().__init__()\n        self.b = 2\nreturn B().a + B().b",
    "a dataclass": "from dataclasses import dataclass, field\n@dataclass(frozen=True)\nclass P:\n    x: int = 0\n    y: list = field(default_factory=list)\nreturn P(1).x",
    "a named tuple": "from typing import NamedTuple\nclass P(NamedTuple):\n    x: int\nreturn P(1)._replace(x=2).x",
    "an enum": "from enum import Enum\nclass C(Enum):\n    A = 1\nreturn C['A'].value",
    "counters": "from collections import Counter, defaultdict\nd = defaultdict(list)\nd[1].append(2)\nc = Counter('abc')\nc['a'] += 1\nreturn sum((c & Counter('ab')).values())",
    "sorting": "from operator import itemgetter\nimport heapq\nreturn sorted([[2], [1]], key=itemgetter(0))[0][0] + heapq.nlargest(1, [3])[0]",
    "dates": "from datetime import datetime, timedelta\nreturn (datetime(2020, 1, 2) - timedelta(days=1)).year",
    "decimals": "import decimal\ndecimal.getcontext().prec = 28\nreturn float(decimal.Decimal('1') / 3)",
    "types": "x = 1\nprint(type(x).__name__)\nreturn type(x) is int and type(x) in (int, float)",
    "a tree": "import ast\nreturn sum(isinstance(n, ast.Call) for n in ast.walk(ast.parse('f(1)')))",
    "numpy": "import numpy as np\ndef cosine(a: np.ndarray, b: np.ndarray) -> float: return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))\nx = np.array([1.0, 2.0])\nassert isinstance(x, np.ndarray)\nreturn cosine(x, x.copy())",
    "rapidfuzz": "from rapidfuzz import fuzz, utils\nfrom rapidfuzz.distance import Levenshtein\nreturn fuzz.WRatio('a', 'b', processor=utils.default_process) + Levenshtein.distance('a', 'b')",
    "nltk": "from nltk.translate.bleu_score import sentence_bleu, SmoothingFunction\nreturn sentence_bleu([['a']], ['a'], smoothing_function=SmoothingFunction().method1)",
    "rouge": "from rouge_score import rouge_scorer\nreturn rouge_scorer.RougeScorer(['rougeL']).score('a', 'a')['rougeL'].fmeasure",
    "random": "import random\nr = random.Random(3)\nreturn r.random() + random.choice([1])",
    "a cache": "from functools import lru_cache\n@lru_cache(maxsize=None)\ndef f(n): return n if n < 2 else f(n - 1) + f(n - 2)\nreturn f(20)",
    "a generator": "def g():\n    for x in range(3): yield x\nreturn sum(g())",
    "html and xml": "import html\nimport xml.etree.ElementTree as ET\nreturn len(html.unescape('&lt;')) + len(ET.fromstring('<a><b/></a>'))",
    "schema": "import jsonschema\ntry: jsonschema.validate({}, {'type': 'object'})\nexcept jsonschema.ValidationError: return 0\nreturn 1",
}


@pytest.mark.parametrize("body", HONEST.values(), ids=HONEST)
def test_what_graders_do_shares_a_process(body: str) -> None:
    assert scan("def grade(sample, item):\n" + textwrap.indent(body, "    "))["row"] is None


@pytest.mark.more
def test_what_graders_do_works_in_a_shared_process() -> None:
    # A row each of one source: all of them share a process with each other, too.
    made = [
        f"def f{n}(sample, item):\n{textwrap.indent(body, '    ')}\n"
        for n, body in enumerate(HONEST.values())
    ]
    source = (
        "".join(made) + "def grade(sample, item):\n    return globals()[f'f{item}'](sample, item)"
    )
    samples = [{"output_text": "a text"}] * len(made)
    with PythonSandbox(isolation="module") as sandbox:
        replies = sandbox.perform(PythonCall(source, samples, list(range(len(made)))))
        assert sandbox.stats.workers_started == 1
    for name, reply in zip(HONEST, replies, strict=True):
        assert reply.error is None, (name, reply.error)


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
    max_examples=examples(25),
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


def test_an_executed_sample_cannot_touch_other_rows() -> None:
    texts = ["x = 1", "x = 1"]
    for hostile in HOSTILE_SAMPLES:
        texts += [hostile, "x = 1", "raise ValueError", "x = 1"]
    with PythonSandbox(limits=Limits(call_seconds=0.4, grace_seconds=0.4)) as sandbox:
        replies = sandbox.perform(
            PythonCall(EXECUTES, [{"output_text": text} for text in texts], [{}] * len(texts))
        )
    scores = [reply.score for reply in replies]
    assert scores[:2] == [0.5, 0.5]
    for place, hostile in enumerate(HOSTILE_SAMPLES):
        assert scores[4 * place + 3 : 4 * place + 6] == [0.5, 0.0, 0.5], hostile


def test_no_row_follows_in_the_process_of_one_that_left_a_thread() -> None:
    """Python has not counted a thread yet that has not run; the system has."""
    source = """
import _thread, os
def grade(sample, item):
    if item:
        lock = _thread.allocate_lock()
        lock.acquire()
        _thread.start_new_thread(lock.acquire, ())
    return os.getpid()
"""
    with PythonSandbox(isolation="module") as sandbox:
        first, *others = sandbox.perform(PythonCall(source, [{}] * 4, [1, 0, 0, 0]))
    assert first.score is not None
    assert first.score not in [one.score for one in others]

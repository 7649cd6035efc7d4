"""What is seen of a source before it runs, and a source that is indented as a whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from graders.calls import PythonCall
from graders.sandbox import PythonSandbox, SourceHint, look
from tests.sandbox.conftest import needs_standard


def body(*lines: str, before: str = "") -> str:
    return before + "def grade(sample, item):\n" + "".join(f"    {line}\n" for line in lines)


@pytest.mark.parametrize(
    ("source", "hints"),
    [
        (body("return subprocess.call(['ls'])", before="import subprocess\n"),
         [("process", 3, "subprocess.call")]),
        (body("with Pool() as p:", "    return sum(p.map(f, [1]))", before="from concurrent.futures import ProcessPoolExecutor as Pool\n"),
         [("process", 3, "concurrent.futures.ProcessPoolExecutor")]),
        (body("import os", "os.execvp('ls', [])", "return os.system('ls')"),
         [("process", 3, "os.execvp"), ("process", 4, "os.system")]),
        (body("return subprocess.PIPE", before="import subprocess, multiprocessing as mp\nN = mp.cpu_count()\n"), []),
        (body("return run('x')", before="import re\ndef run(x):\n    return 1\n"), []),
        (body("return item.get('sample', {}).get('output_text') == item['a']"), [("layout", 2, 'item["sample"]')]),
        (body("s = row['sample']", "return len(s['output_json'])").replace("item)", "row)"), [("layout", 2, 'row["sample"]')]),
        (body("return (item.get('sample') or sample)['output_text'] == 'x'"), []),
        (body("return len(item['sample'])"), []),
        (body("return len(taggers.pos(item))", before="import taggers_of_ours as taggers\n"), []),
        (body("return len(words.words())", before="from nltk.corpus import words\n"),
         [("data", 3, "corpora/words")]),
        (body("return len(nltk.word_tokenize('a b'))", before="import nltk\n"), []),
    ],
)  # fmt: skip
def test_what_a_source_asks_for_in_vain_is_seen(source: str, hints: list[Any]) -> None:
    found = [one for one in look(source).hints if one.kind != "data" or one.what != "taggers"]
    assert found == [SourceHint(*one) for one in hints]


def test_data_of_nltk_that_is_there_is_no_hint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NLTK_DATA", str(tmp_path))
    source = body("return len(stopwords.words())", before="from nltk.corpus import stopwords\n")
    assert [one.what for one in look(source).hints] == ["corpora/stopwords"]
    (tmp_path / "corpora").mkdir()
    (tmp_path / "corpora" / "stopwords.zip").touch()
    assert not look(source).hints


def test_only_what_a_source_may_hide_is_noted() -> None:
    source = (
        "import surely_missing_here\ntry:\n    import perhaps_missing_here\nexcept ImportError:\n    pass\n"
        + body("return 1.0")
    )
    (note,) = look(source).notes("x: source")
    assert note.startswith("x: source line 3: perhaps_missing_here is not installed")


def run(sandbox: PythonSandbox, source: str) -> Any:
    (reply,) = sandbox.perform(PythonCall(source, [{}], [{}]))
    return reply.score if reply.error is None else reply.error


INDENTED = {
    "\n    def grade(sample, item):\n        return 0.25\n": 0.25,
    "\tdef grade(sample, item):\n\t\treturn 0.25\n# the end\n": 0.25,
    "  from __future__ import annotations\n  import math\n\n  def grade(sample, item):\n      return math.pi\n": 3.141592653589793,
    '    T = """\n  a\n    b"""\n    def grade(sample, item):\n        return len(T)\n': 10.0,
}


@needs_standard
@pytest.mark.parametrize(("source", "score"), INDENTED.items())
def test_a_source_that_is_indented_as_a_whole_runs_as_it_is(
    sandbox: PythonSandbox, source: str, score: float
) -> None:
    assert run(sandbox, source) == score


@needs_standard
def test_lines_and_columns_of_an_indented_source_are_its_own(sandbox: PythonSandbox) -> None:
    error = run(sandbox, "\n    def grade(sample, item):\n        return 1 / 0\n")
    assert (error.line, error.column) == (3, 16)
    assert "(line 3: `return 1 / 0`)" in error.message


@needs_standard
@pytest.mark.parametrize(
    "source",
    [
        "    import re\ndef grade(sample, item):\n    return 1\n",
        "  def grade(sample, item):\n      return 1\nelse:\n  pass\n",
        "def grade(sample, item):\n    x = 1\n      return x\n",
        "    def grade(sample, item):\n        return 1\n   x = 2\n",
    ],
)
def test_any_other_indentation_is_refused_as_python_does(
    sandbox: PythonSandbox, source: str
) -> None:
    error = run(sandbox, source)
    assert error.kind == "load"
    assert error.message.startswith("IndentationError: ")

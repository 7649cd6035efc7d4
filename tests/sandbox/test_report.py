"""What the sandbox refuses is said as that, and not as the system says it."""

from __future__ import annotations

from pathlib import Path

import pytest

from graders.calls import PythonCall
from graders.sandbox import PythonSandbox
from tests.sandbox.conftest import needs_standard

pytestmark = needs_standard
PROCESS = "a python grader may not start a process"
NETWORK = "a python grader has no network"


def said(sandbox: PythonSandbox, before: str, *lines: str) -> str:
    source = f"{before}\ndef grade(sample, item):\n" + "".join(f"    {line}\n" for line in lines)
    (reply,) = sandbox.perform(PythonCall(source, [{}], [{}]))
    assert reply.error is not None
    return reply.error.message


@pytest.mark.parametrize(
    ("before", "line"),
    [
        ("import subprocess", "return len(subprocess.check_output(['ls']))"),
        ("import os", "return os.fork()"),
        ("from os import posix_spawn", "return posix_spawn('/bin/ls', ['ls'], {})"),
        ("import os", "return len(os.popen('ls').read())"),
        ("from multiprocessing import Pool", "return sum(Pool(1).map(len, ['a']))"),
    ],
)
def test_a_process_is_named(sandbox: PythonSandbox, before: str, line: str) -> None:
    message = said(sandbox, before, line)
    assert PROCESS in message
    assert f"(line 3: `{line}`)" in message


@pytest.mark.parametrize(
    ("before", "line"),
    [
        ("import socket", "return socket.create_connection(('192.0.2.1', 80)).fileno()"),
        ("import urllib.request", "return urllib.request.urlopen('http://example.com').status"),
    ],
)
def test_the_network_is_named(sandbox: PythonSandbox, before: str, line: str) -> None:
    assert NETWORK in said(sandbox, before, line)


def test_it_is_named_behind_an_error_of_the_grader(sandbox: PythonSandbox) -> None:
    lines = (
        "try:",
        "    subprocess.run(['ls'])",
        "except OSError as error:",
        "    raise ValueError('no') from error",
    )
    assert PROCESS in said(sandbox, "import subprocess", *lines)


@pytest.mark.parametrize(
    "line",
    [
        "return len(open('/etc/shadow').read())",
        "raise PermissionError(1, 'fork')",
        "return {}['x']",
    ],
)
def test_another_error_says_nothing_of_it(sandbox: PythonSandbox, line: str) -> None:
    message = said(sandbox, "import os", line)
    assert PROCESS not in message
    assert NETWORK not in message


@pytest.mark.more
def test_data_of_nltk_that_is_not_here_has_its_cure(
    sandbox: PythonSandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NLTK_DATA", str(tmp_path))
    message = said(sandbox, "from nltk.corpus import gazetteers", "return len(gazetteers.words())")
    assert message.startswith("LookupError: NLTK's data gazetteers is not on this machine")
    assert "NLTK_DATA" in message
    assert "nltk.download" not in message

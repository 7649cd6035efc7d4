"""A limit of the machine is named as one, and never blamed on a source."""

from __future__ import annotations

import errno
import os
import subprocess
import sys

import pytest

from graders.sandbox.machine import named
from tests.sandbox.conftest import needs_standard

GRADER = '{"type": "python", "name": "g", "source": "def grade(sample, item):\\n    return 0.5\\n"}'
RUN = (
    "import os, resource, sys, graders\n"
    "{before}\n"
    "try:\n    print(graders.load(sys.argv[1])({{}}, 'x'))\n"
    "except graders.UnavailableError as error:\n    print(error)\n"
)


def run(before: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", RUN.format(before=before), GRADER],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout.strip()


@needs_standard
@pytest.mark.parametrize(
    "mask",
    [pytest.param("0o777", marks=pytest.mark.more), pytest.param("0o277", marks=pytest.mark.more)],
)
def test_a_grader_runs_whatever_the_umask(mask: str) -> None:
    assert run(f"os.umask({mask})") == "0.5"


@needs_standard
@pytest.mark.parametrize("most", [10, pytest.param(16, marks=pytest.mark.more)])
def test_too_few_open_files_are_the_machines_limit(most: int) -> None:
    said = run(f"graders.Python; resource.setrlimit(resource.RLIMIT_NOFILE, ({most}, {most}))")
    assert said.startswith("python graders cannot run on this machine: ")
    assert f"only {most} open files, too few for a sandbox" in said


@pytest.mark.parametrize(
    ("number", "names"),
    [
        (errno.EMFILE, "ulimit -n"), (errno.ENOMEM, "ulimit -v"), (errno.EAGAIN, "ulimit -u"),
        (errno.ENOSPC, "TMPDIR"),
    ],
)  # fmt: skip
def test_each_limit_has_its_name(number: int, names: str) -> None:
    assert names in named(f"OSError: [Errno {number}] {os.strerror(number)}")


def test_any_other_reason_stays_as_it_is() -> None:
    assert named("PermissionError: [Errno 13] Permission denied: '/x'").startswith("Permission")
    assert named("it ended") == "it ended"

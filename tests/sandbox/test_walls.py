"""Disk, files and memory are bounded whatever is done to hide them; older Landlocks; the sweep.

Where this machine gives mount namespaces the scratch is a file system of its own. `modified` runs
a copy of the worker's modules that is told otherwise, or that the kernel's Landlock is older.
"""

from __future__ import annotations

import fcntl
import functools
import os
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from graders.calls import PythonCall, PythonReply
from graders.sandbox import Limits, PythonSandbox, boot, level, probe
from graders.sandbox import scratch as outside
from graders.sandbox.inside import scratch, syscalls
from tests.waiting import until

from .conftest import needs_standard

pytestmark = needs_standard

SMALL = Limits(call_seconds=60.0, disk_bytes=8 << 20, disk_files=500)
ON_DISK = '\n\ndef try_out(*, mounts_alone, folder):\n    return "told so by a test"\n'


@pytest.fixture
def modified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    def modify(text: str) -> None:
        copy = tmp_path / "inside"
        shutil.copytree(boot._INSIDE, copy)
        with (copy / "lockdown.py").open("a") as file:
            file.write(text)
        monkeypatch.setattr(boot, "_INSIDE", str(copy))

    return modify


def run(body: str, *, isolation: Any = "row", where: Any = None, item: Any = None) -> PythonReply:
    source = "def grade(sample, item):\n" + textwrap.indent(textwrap.dedent(body), "    ")
    with PythonSandbox(level=where, isolation=isolation, limits=SMALL) as sandbox:
        return sandbox.perform(PythonCall(source, [{}], [item]))[0]


def run_each(
    bodies: dict[str, str], *, isolation: Any = "row", where: Any = None
) -> list[tuple[str, PythonReply]]:
    """Run some bodies, as the rows of one source where each row has a process of its own.

    To start a worker costs more than most of them do.
    """
    if isolation != "row":
        alone = {name: run(body, isolation=isolation, where=where) for name, body in bodies.items()}
        return list(alone.items())
    source = "def grade(sample, item):\n"
    for name, body in bodies.items():
        source += f"    if item == {name!r}:\n"
        source += textwrap.indent(textwrap.dedent(body), "        ") + "\n"
    with PythonSandbox(level=where, isolation=isolation, limits=SMALL) as sandbox:
        call = PythonCall(source, [{}] * len(bodies), list(bodies))
        return list(zip(bodies, sandbox.perform(call), strict=True))


FILL = """
    import os, time
    total = 0
    {start}
    try:
        for number in range(40):
            {file}
            for _ in range(4):
                total += os.write(file, bytes(1 << 20))
    except OSError:
        return total / (1 << 20)
    time.sleep({sleep})
    return total / (1 << 20)
"""
WAYS = {
    "plain": ("", "file = os.open(str(number), 0o102)"),
    "unlinked": ("", "file = os.open('f', 0o102); os.unlink('f')"),
    "unlinked and mapped": (
        "import mmap; held = []",
        "file = os.open('f', 0o102); os.unlink('f'); held.append(mmap.mmap(file, os.write(file, b'x')))",
    ),
    "a folder that cannot be listed": ("os.mkdir('d', 0o300)", "file = os.open(f'd/{number}', 0o102)"),
    "deeper than a path may be long": (
        "for _ in range(30): os.mkdir('n' * 200); os.chdir('n' * 200)",
        "file = os.open(str(number), 0o102)",
    ),
}  # fmt: skip
FLOODS = {
    "folders": "os.mkdir(str(number))",
    "links": "os.symlink('x' * 3000, str(number))",
    "names": "os.link('f', str(number))",
}
FLOOD = """
    import os, time
    open("f", "w").close()
    try:
        for number in range(3000):
            {make}
    except OSError:
        return len(os.listdir("."))
    time.sleep({sleep})
    return len(os.listdir("."))
"""


def fills(*, sleep: int) -> dict[str, str]:
    return {
        way: FILL.format(start=start, file=file, sleep=sleep) for way, (start, file) in WAYS.items()
    }


needs_mounts = pytest.mark.skipif(bool(probe().filesystem), reason=f"here: {probe().filesystem}")


@needs_mounts
@pytest.mark.parametrize(
    ("where", "isolation"),
    [
        pytest.param(where, isolation, marks=[] if often else [pytest.mark.slow])
        for where, chosen in (("strong", "module"), ("standard", "row"))
        if where in probe().available
        for isolation in ("module", "row")
        for often in [isolation == chosen]
    ],
)
def test_a_file_system_of_its_own_bounds_the_disk(isolation: Any, where: Any) -> None:
    for way, reply in run_each(fills(sleep=0), isolation=isolation, where=where):
        assert reply.score is not None, (way, reply)
        assert 6 <= reply.score <= 8, way


@needs_mounts
def test_a_file_system_of_its_own_bounds_files_and_folders() -> None:
    floods = {name: FLOOD.format(make=make, sleep=0) for name, make in FLOODS.items()}
    for make, reply in run_each(floods):
        assert reply.score is not None, (make, reply)
        assert reply.score <= 500, make


@pytest.mark.more
def test_on_the_disk_a_call_that_writes_too_much_is_killed(modified: Any) -> None:
    modified(ON_DISK)
    for way, reply in run_each(fills(sleep=50)):
        hidden = way == "a folder that cannot be listed"
        what = (
            "it wrote to disk what cannot be measured"
            if hidden
            else "it wrote more than 8 MiB to disk"
        )
        said = ("crash", f"the call was killed: {what}")
        assert reply.error is not None, (way, reply)
        assert (reply.error.kind, reply.error.message) == said, way


@pytest.mark.parametrize(
    "make",
    [pytest.param(one, marks=[] if one == "names" else [pytest.mark.more]) for one in FLOODS],
)
def test_on_the_disk_a_call_that_makes_too_many_files_is_killed(make: Any, modified: Any) -> None:
    modified(ON_DISK)
    reply = run(FLOOD.format(make=FLOODS[make], sleep=50))
    assert reply.error is not None, reply
    message = "the call was killed: it made more than 500 files and folders"
    assert (reply.error.kind, reply.error.message) == ("crash", message)


def test_on_the_disk_ordinary_files_are_left_alone(modified: Any) -> None:
    modified(ON_DISK)
    body = """
        import mmap, os, tempfile, time
        with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as file:
            file.write(b"x" * 9000)
            file.flush()
            view = mmap.mmap(file.fileno(), 0)
            for number in range(100):
                with open(f"{folder}/{number}", "w") as one:
                    one.write("text")
                os.link(f"{folder}/{number}", f"{folder}/{number}.too")
            time.sleep(1.5)
            return len(os.listdir(folder)) + len(view)
    """
    assert run(body).score == 9200


@needs_mounts
def test_a_full_disk_is_nobody_elses() -> None:
    source = textwrap.dedent("""
        import os
        def grade(sample, item):
            with open("file", "wb") as file:
                file.write(bytes(6 << 20))
            if item:
                os.link("file", "more")
                os.unlink("file")
                os._exit(0)
            return 1
        """)
    items = [True, False] * 4
    with PythonSandbox(isolation="row", limits=SMALL) as sandbox:
        replies = sandbox.perform(PythonCall(source, [{}] * 8, items))
    assert [reply.score for reply in replies] == [None, 1.0] * 4


EMPTY = """
    import os
    done = []
    for name, act in {
        "truncate": lambda path: os.truncate(path, 0),
        "read": lambda path: os.open(path, os.O_RDONLY | os.O_TRUNC),
        "neither": lambda path: os.open(path, 3 | os.O_TRUNC),
        "write": lambda path: os.open(path, os.O_WRONLY | os.O_TRUNC),
    }.items():
        for path in item:
            try:
                act(path)
                done.append((name, path))
            except OSError:
                pass
    print(done)
    open("mine", "w").write("12345")
    with open("mine", "r+") as file:
        file.truncate(2)
    return os.path.getsize("mine")
"""


@pytest.mark.parametrize("version", [1, 2, 3])
def test_no_landlock_lets_a_file_outside_be_emptied(
    version: int, modified: Any, tmp_path: Path
) -> None:
    modified(f"\n\ndef landlock_abi():\n    return min({version}, {probe().landlock})\n")
    readable = tmp_path / "readable"
    readable.mkdir()
    files = [tmp_path / "outside", readable / "inside"]
    for file in files:
        file.write_text("years of work")
    source = "def grade(sample, item):\n" + textwrap.indent(textwrap.dedent(EMPTY), "    ")
    with PythonSandbox(isolation="row", readable=[readable]) as sandbox:
        (reply,) = sandbox.perform(PythonCall(source, [{}], [[str(file) for file in files]]))
    assert (reply.score, reply.stdout) == (2.0, "[]\n")
    assert [file.read_text() for file in files] == ["years of work"] * 2


def test_an_old_landlock_is_named(monkeypatch: Any) -> None:
    assert "truncate" in " ".join(level._notes(2))
    assert "truncate" not in " ".join(level._notes(3))


# -- sweeping and emptying ---------------------------------------------------------------------


@pytest.mark.parametrize("target", ["folder", "lock"])
def test_a_link_swapped_in_while_sweeping_is_not_followed(
    target: str, tmp_path: Path, monkeypatch: Any
) -> None:
    victim = tmp_path / "victim"
    victim.mkdir(mode=0o700)
    (victim / "lock").touch()
    (victim / "precious").touch()
    ours = tmp_path / "gr-bait"
    ours.mkdir(mode=0o700)
    (ours / "lock").touch()
    real = outside._locked

    def swap(*arguments: Any, **more: Any) -> Any:
        if target == "folder":
            ours.rename(tmp_path / "moved")
            ours.symlink_to(victim)
        else:
            (ours / "lock").unlink()
            (ours / "lock").symlink_to(victim / "lock")
        return real(*arguments, **more)

    monkeypatch.setattr(outside, "_locked", swap)
    outside.sweep()
    assert sorted(path.name for path in victim.iterdir()) == ["lock", "precious"]
    ours.unlink() if target == "folder" else shutil.rmtree(ours)


def test_a_sweep_while_a_folder_is_made_leaves_it(tmp_path: Path, monkeypatch: Any) -> None:
    real = fcntl.flock

    def swept_first(*arguments: Any) -> None:
        monkeypatch.setattr(fcntl, "flock", real)
        outside.sweep()  # As another process does that starts at the same moment.
        real(*arguments)

    monkeypatch.setattr(fcntl, "flock", swept_first)
    made = outside.Scratch()
    try:
        assert Path(made.folder()).is_dir()
        outside.sweep()
        assert made.path.is_dir()
    finally:
        made.close()
    assert not list(tmp_path.glob("gr-*"))


def test_a_folder_others_may_write_in_is_not_swept(tmp_path: Path) -> None:
    for mode, left in ((0o777, True), (0o700, False)):
        bait = tmp_path / "gr-bait"
        bait.mkdir(exist_ok=True)
        bait.chmod(mode)
        (bait / "lock").touch()
        outside.sweep()
        assert bait.exists() == left


def test_what_takes_long_is_removed_by_a_process_of_its_own(
    tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setattr(outside, "_PATIENCE", 0.0)
    folder = outside.Scratch()
    (Path(folder.folder()) / "deep" / "er").mkdir(parents=True)
    folder.close()
    until(lambda: not folder.path.exists())


def test_a_sweep_goes_on_with_what_is_half_removed(tmp_path: Path, monkeypatch: Any) -> None:
    folder = outside.Scratch()
    Path(folder.folder()).joinpath("deep").mkdir()
    monkeypatch.setattr(outside, "_PATIENCE", 0.0)
    monkeypatch.setattr(outside, "_remove_later", lambda path, lock: None)
    folder.close()
    assert (folder.path / "lock").exists()
    monkeypatch.setattr(outside, "_PATIENCE", 60.0)
    outside.sweep()
    assert not folder.path.exists()


def test_the_emptying_of_a_deep_tree_opens_few_files_and_follows_nothing(tmp_path: Path) -> None:
    beside = tmp_path / "beside"
    beside.mkdir()
    (beside / "precious").touch()
    code = textwrap.dedent("""
        import os, resource, sys
        sys.path[:0] = [sys.argv[2]]
        import scratch
        os.chdir(sys.argv[1])
        os.mkdir("tree")
        os.chdir("tree")
        for depth in range(300):
            os.mkdir(".gone0")
            os.symlink(sys.argv[1] + "/beside", "link")
            os.chmod(".", 0o500 if depth else 0o700)
            os.chdir(".gone0")
        resource.setrlimit(resource.RLIMIT_NOFILE, (20, 20))
        assert scratch.empty(sys.argv[1] + "/tree")
        """)
    subprocess.run(
        [sys.executable, "-c", code, str(tmp_path), str(Path(scratch.__file__).parent)],
        check=True,
    )
    assert not list((tmp_path / "tree").iterdir())
    assert list(beside.iterdir()) == [beside / "precious"]


# -- the filters -------------------------------------------------------------------------------


@functools.cache
def programs(_machine: str) -> list[syscalls.Program]:
    """Return the filters of the keeper and of the grader for the machine, which `platform` says."""
    return [syscalls.keeper_program(), syscalls.grader_program(77, truncate=False)]


def verdict(program: syscalls.Program, machine: str, name: str, arguments: dict[int, int]) -> int:
    """Run a filter on a call, as the kernel would; return its answer."""
    data = {0: syscalls._numbers()[name], 4: syscalls._ARCH[machine]}
    for place in range(6):
        value = arguments.get(place, 0)
        data[16 + 8 * place], data[20 + 8 * place] = value & 0xFFFFFFFF, value >> 32
    held = at = 0
    while True:
        code, yes, no, value = program[at]
        at += 1
        if code == 0x20:
            held = data[value]
        elif code == 0x54:
            held &= value
        elif code == 0x06:
            return value
        else:
            met = {0x15: held == value, 0x35: held >= value, 0x45: bool(held & value)}[code]
            at += yes if met else no


ALLOWED = 0x7FFF0000
EPERM, EINVAL, ENOSYS, ENOPROTOOPT, ENOTSUP, DONE = (
    0x00050000 | number for number in (1, 22, 38, 92, 95, 0)
)


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("openat", {2: os.O_RDONLY}, ALLOWED),
        ("openat", {2: os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC}, ALLOWED),
        ("openat", {2: os.O_RDWR | os.O_TRUNC}, ALLOWED),
        ("openat", {2: os.O_RDONLY | os.O_TRUNC}, EPERM),
        ("openat", {2: 3 | os.O_TRUNC}, EPERM),
        ("openat", {2: os.O_RDWR | 0o20000000}, ENOTSUP),
        ("openat", {2: os.O_RDWR | 0o20000000 | 1 << 40}, ENOTSUP),
        ("openat2", {}, ENOSYS),
        ("truncate", {}, EPERM),
        ("ftruncate", {}, ALLOWED),
        ("fallocate", {1: 1}, ENOTSUP),
        ("mmap", {2: 3, 3: 0x22}, ALLOWED),
        ("mmap", {2: 1, 3: 0x01}, ALLOWED),
        ("mmap", {2: 3, 3: 0x21}, EPERM),
        ("mmap", {2: 3, 3: 0x23}, EPERM),
        ("mmap", {2: 3, 3: 0x40022}, EINVAL),
        ("clone", {0: 0x3D0F00}, ALLOWED),
        ("clone", {0: 0x3D0B00}, EPERM),
        ("clone", {0: 17}, EPERM),
        ("close_range", {1: 9, 2: 4}, ALLOWED),
        ("close_range", {1: 9, 2: 6}, EINVAL),
        ("fcntl", {1: 6}, DONE),
        ("fcntl", {1: 7}, DONE),
        ("fcntl", {1: 5}, ALLOWED),
        ("fcntl", {1: 37}, EINVAL),
        ("fcntl", {1: 1031}, EINVAL),
        ("setsockopt", {1: 1, 2: 20}, ALLOWED),
        ("setsockopt", {1: 1, 2: 26}, ENOPROTOOPT),
        ("setsockopt", {1: 1, 2: 7}, ENOPROTOOPT),
        ("setsockopt", {1: 0, 2: 20}, ENOPROTOOPT),
        ("getsockopt", {1: 1, 2: 3}, ALLOWED),
        ("getsockopt", {1: 1, 2: 77}, ENOPROTOOPT),
        ("getsockopt", {1: 1, 2: 17}, ENOPROTOOPT),
        ("sendmsg", {}, EPERM),
        ("recvmsg", {}, EPERM),
        ("splice", {}, EINVAL),
        ("tee", {}, EINVAL),
        ("sendfile", {}, EINVAL),
        ("prctl", {0: 4}, EPERM),
        ("prlimit64", {1: 4, 2: 0}, ALLOWED),
        ("prlimit64", {1: 4, 2: 1 << 32}, EPERM),
        ("prlimit64", {1: 4, 2: 8}, EPERM),
        ("prlimit64", {0: 5, 1: 9, 2: 8}, EPERM),
        ("prlimit64", {1: 9, 2: 8}, ALLOWED),
        ("write", {}, ALLOWED),
    ],
)
def test_what_the_filters_say(
    name: str, arguments: Any, expected: int, machine: str, monkeypatch: Any
) -> None:
    monkeypatch.setattr("platform.machine", lambda: machine)
    answers = [verdict(program, machine, name, arguments) for program in programs(machine)]
    assert [answer for answer in answers if answer != ALLOWED][:1] == [
        answer for answer in [expected] if answer != ALLOWED
    ]


def test_truncate_by_path_works_where_landlock_looks_at_it() -> None:
    if probe().landlock < 3:
        pytest.skip("Landlock here does not")
    body = (
        "import os\nopen('f', 'w').write('12345')\nos.truncate('f', 2)\nreturn os.path.getsize('f')"
    )
    assert run(body).score == 2

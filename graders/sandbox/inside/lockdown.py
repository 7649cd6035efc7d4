"""Locks the calling process: Landlock, seccomp, rlimits, capabilities, namespaces, by ctypes.

Does: `lock_keeper` takes from a worker, before any user code is near, the network, every file
but the readable folders and its scratch, exec, and all privileges; `lock_grader` takes from
the process that runs a grader, on top, new processes, signals to others and the scratch of
other rows. A step that fails raises: nothing here goes on with less than was asked for.
Does not: hide the names and sizes of files (Landlock lets stat through), stop a bug in the
kernel, or stop side channels. Off Linux only rlimits are set.
"""

from __future__ import annotations

import ctypes
import os
import platform
import stat
import struct
import sys
from collections.abc import Iterable, Sequence

from . import syscalls

__all__ = [
    "DESCRIPTORS",
    "SLOTS",
    "Ground",
    "landlock_abi",
    "landlock_errno",
    "lock_grader",
    "lock_keeper",
    "namespaces",
    "own_filesystems",
    "try_out",
]

_LANDLOCK_CREATE, _LANDLOCK_ADD, _LANDLOCK_RESTRICT = 444, 445, 446
_SECCOMP = {"x86_64": 317, "aarch64": 277}
_CAPSET = {"x86_64": 126, "aarch64": 91}

_READ = 1 << 2 | 1 << 3  # READ_FILE, READ_DIR
# Everything about files; EXECUTE (1 << 0) is handled and never granted.
_FILES = (1 << 13) - 1
_REFER, _TRUNCATE, _IOCTL_DEV = 1 << 13, 1 << 14, 1 << 15
# In its scratch: write, read, list, remove, make folder, file, symlink. No devices, FIFOs, sockets.
_SCRATCH = 1 << 1 | _READ | 1 << 4 | 1 << 5 | 1 << 7 | 1 << 8 | 1 << 12

_NEWUSER, _NEWNS, _NEWUTS, _NEWIPC, _NEWPID, _NEWNET = (
    0x10000000, 0x00020000, 0x04000000, 0x08000000, 0x20000000, 0x40000000,
)  # fmt: skip


SLOTS = 3
"""How many runners of a worker may be alive at once: at work, in waiting, being checked."""

DESCRIPTORS = 512
"""RLIMIT_NOFILE of a worker's processes."""


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _checked(result: int, what: str) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")
    return result


def landlock_abi() -> int:
    """Return the kernel's Landlock version, 0 where there is none."""
    if not sys.platform.startswith("linux"):
        return 0
    return max(0, int(_libc().syscall(_LANDLOCK_CREATE, None, ctypes.c_size_t(0), 1)))


def landlock_errno() -> int:
    """Return with which error the kernel refuses Landlock, 0 where it gives it."""
    if landlock_abi() > 0:
        return 0
    _libc().syscall(_LANDLOCK_CREATE, None, ctypes.c_size_t(0), 1)
    return ctypes.get_errno()


class Ground:
    """The files that may be read, held open so that a process can be confined to them fast."""

    def __init__(self, readable: Iterable[str], devices: Iterable[str]) -> None:
        self.abi = landlock_abi()
        self._read = self._open(readable)
        self._devices = self._open(devices)
        self._processes = self._open(("/proc",))

    @staticmethod
    def _open(paths: Iterable[str]) -> list[int]:
        opened = []
        for path in paths:
            try:
                opened.append(os.open(path, os.O_PATH | os.O_CLOEXEC))
            except OSError:  # a folder this machine does not have needs no rule
                continue
        return opened

    def confine(self, scratch: str, *, watch: bool = False) -> None:
        """Let this process read the ground and write `scratch`, and nothing more, for ever.

        With `watch` it may read /proc as well; a grader may not.
        """
        libc = _libc()
        handled = _FILES
        handled |= _REFER if self.abi >= 2 else 0
        handled |= _TRUNCATE if self.abi >= 3 else 0
        handled |= _IOCTL_DEV if self.abi >= 5 else 0
        # BIND_TCP, CONNECT_TCP; abstract sockets and signals out of this domain.
        net = 3 if self.abi >= 4 else 0
        scope = 3 if self.abi >= 6 else 0
        size = 24 if self.abi >= 6 else 16 if self.abi >= 4 else 8
        attributes = (ctypes.c_uint64 * 3)(handled, net, scope)
        rules = _checked(
            libc.syscall(_LANDLOCK_CREATE, attributes, ctypes.c_size_t(size), 0),
            "landlock_create_ruleset",
        )
        try:
            for opened in (*self._read, *(self._processes if watch else ())):
                self._allow(libc, rules, opened, _READ)
            for opened in self._devices:
                self._allow(libc, rules, opened, 1 << 1 | 1 << 2 | handled & _TRUNCATE)
            here = os.open(scratch, os.O_PATH | os.O_CLOEXEC)
            try:
                self._allow(libc, rules, here, _SCRATCH | handled & (_REFER | _TRUNCATE))
            finally:
                os.close(here)
            _checked(libc.syscall(_LANDLOCK_RESTRICT, rules, 0), "landlock_restrict_self")
        finally:
            os.close(rules)

    @staticmethod
    def _allow(libc: ctypes.CDLL, rules: int, opened: int, rights: int) -> None:
        if not stat.S_ISDIR(os.fstat(opened).st_mode):
            # The kernel takes only file rights for a file.
            rights &= 1 << 1 | 1 << 2 | _TRUNCATE
        # struct landlock_path_beneath_attr, packed: u64 rights, s32 descriptor.
        rule = struct.pack("<Qi", rights, opened)
        _checked(libc.syscall(_LANDLOCK_ADD, rules, 1, rule, 0), "landlock_add_rule")


def _seccomp(program: Sequence[tuple[int, int, int, int]]) -> None:
    # struct sock_filter: u16 code, u8 jt, u8 jf, u32 k; struct sock_fprog: u16 length, pointer.
    instructions = b"".join(struct.pack("<HBBI", *instruction) for instruction in program)
    held = ctypes.create_string_buffer(instructions, len(instructions))
    whole = struct.pack("<HxxxxxxQ", len(program), ctypes.addressof(held))
    number = _SECCOMP[platform.machine()]
    # SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC: every thread, or an error.
    result = _libc().syscall(number, 1, 1, whole)
    _checked(-1 if result > 0 else result, "seccomp")


def _drop_privileges() -> None:
    """No capability now or ever, no privilege by exec, no core dump, not even to a pipe."""
    libc = _libc()
    for capability in range(64):
        if libc.prctl(24, capability, 0, 0, 0) < 0:  # PR_CAPBSET_DROP; EPERM without privilege
            break
    libc.prctl(47, 4, 0, 0, 0)  # PR_CAP_AMBIENT_CLEAR_ALL
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    empty = (ctypes.c_uint32 * 6)()
    _checked(libc.syscall(_CAPSET[platform.machine()], header, empty), "capset")
    _checked(libc.prctl(38, 1, 0, 0, 0), "no_new_privs")
    # So that no other process of this user may look into this one.
    _checked(libc.prctl(4, 0, 0, 0, 0), "set_dumpable")


def _rlimits(*, memory: int, disk: int, tasks: int) -> None:
    import resource  # noqa: PLC0415  (absent on Windows)

    wanted = {
        "RLIMIT_AS": memory,
        "RLIMIT_FSIZE": disk,
        # No core: no file is that short, and 1 is what keeps it from a core_pattern that is a
        # pipe, which 0 does not.
        "RLIMIT_CORE": 1,
        "RLIMIT_NOFILE": DESCRIPTORS,
        "RLIMIT_MEMLOCK": 1 << 16,
        "RLIMIT_MSGQUEUE": 0,
        "RLIMIT_SIGPENDING": 4096,  # timers too; counted for the user as a whole
        "RLIMIT_NPROC": tasks,
    }
    for name, value in wanted.items():
        which = getattr(resource, name, None)
        if which is None or (name == "RLIMIT_NPROC" and value <= 0):
            continue
        _, hard = resource.getrlimit(which)
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)  # noqa: PLW2901
        try:
            resource.setrlimit(which, (value, value))
        except (OSError, ValueError):
            if sys.platform.startswith("linux"):
                raise
            # macOS refuses some of these (RLIMIT_AS above all); its level does not promise them.


def namespaces(scratch: str, disk: int, files: int) -> None:
    """Move to namespaces of our own: users, mounts, processes (of children), network, IPC, host.

    Must come first: it needs the privileges that are dropped later.
    """
    _unshare(_NEWNS | _NEWUTS | _NEWIPC | _NEWPID | _NEWNET)
    _slots(scratch, disk, files)


def own_filesystems(scratch: str, disk: int, files: int) -> None:
    """Move to a mount namespace of our own, so that `scratch` is of file systems of its own."""
    _unshare(_NEWNS)
    _slots(scratch, disk, files)


def _unshare(wanted: int) -> None:
    libc = _libc()
    uid, gid = os.getuid(), os.getgid()
    # root needs no user namespace (and a 0 -> 0 map fails in some containers).
    if libc.unshare(wanted) < 0:
        _checked(libc.unshare(wanted | _NEWUSER), "unshare")
        for name, text in (
            ("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1"),
        ):  # fmt: skip
            with open(f"/proc/self/{name}", "w", encoding="ascii") as file:  # noqa: PTH123
                file.write(text)
    # MS_SLAVE | MS_REC: what we mount stays ours, and what the machine unmounts is let go here too.
    _checked(libc.mount(b"none", b"/", None, 1 << 19 | 1 << 14, None), "mount slave")


def _slots(scratch: str, disk: int, files: int) -> None:
    """Mount `SLOTS` file systems in memory, `scratch`/1 and on, one a runner.

    Each holds `disk` bytes and `files` files and folders, whatever is done to hide them, and
    vanishes with the last process that has it.
    """
    for number in range(1, SLOTS + 1):
        place = f"{scratch}/{number}"
        os.mkdir(place, 0o700)  # noqa: PTH102
        _mount(place, disk, files)


def _mount(place: str, disk: int, files: int) -> None:
    size, inodes = max(4096, int(disk)), int(files) + 1  # 0 would be no limit; one is the root's
    options = f"size={size},nr_inodes={inodes},mode=0700,uid={os.getuid()},gid={os.getgid()}"
    _checked(  # MS_NOSUID, MS_NODEV
        _libc().mount(b"tmpfs", os.fsencode(place), b"tmpfs", 2 | 4, options.encode()),
        "mount tmpfs",
    )


def try_out(*, mounts_alone: bool, folder: str) -> str:
    """Return "" where `namespaces` (or `own_filesystems`) works here, else what failed.

    Tried in a child process, as half of it cannot be undone, with a mount on `folder`.
    """
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            more = 0 if mounts_alone else _NEWUTS | _NEWIPC | _NEWPID | _NEWNET
            _unshare(_NEWNS | more)
            _mount(folder, 1 << 20, 10)
            code = 0
        except OSError as error:
            os.write(write, str(error).encode()[:200])
        finally:
            os._exit(code)
    os.close(write)
    reason = os.read(read, 200).decode(errors="replace")
    os.close(read)
    _, status = os.waitpid(child, 0)
    return "" if status == 0 else reason or "the attempt died"


def lock_keeper(
    level: str, ground: Ground, scratch: str, limits: dict[str, int], *, watch: bool
) -> None:
    """Lock the worker to `level`; after this no user code can do more than the level promises.

    With `watch` it may look into its runners' descriptors and mappings.
    """
    if level == "basic":
        return
    _rlimits(memory=limits["memory"], disk=limits["disk"], tasks=limits["tasks"])
    if level == "limits":
        if sys.platform.startswith("linux"):
            _checked(_libc().prctl(38, 1, 0, 0, 0), "no_new_privs")
        return
    _drop_privileges()
    if level in ("standard", "strong"):
        ground.confine(scratch, watch=watch)
    _seccomp(syscalls.keeper_program())


def lock_grader(level: str, ground: Ground, scratch: str, *, watch: bool) -> None:
    """Lock this child of the keeper for one grader: nothing but its own process and scratch.

    With `watch` the keeper may look into its descriptors and mappings.
    """
    if level in ("standard", "strong"):
        ground.confine(scratch)
        if watch:
            # Dumpable. Other graders cannot look in: Landlock keeps them from /proc, seccomp
            # from ptrace and its kin.
            _checked(_libc().prctl(4, 1, 0, 0, 0), "set_dumpable")
    if level in ("standard", "strong", "seccomp-only"):
        _seccomp(syscalls.grader_program(os.getpid(), truncate=ground.abi >= 3))

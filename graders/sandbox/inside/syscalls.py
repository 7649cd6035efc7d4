"""The seccomp filters: which system calls a worker may make.

Does: builds two BPF programs. `keeper_program` is an allow-list for the whole worker; anything
not named here is refused. `grader_program` is stacked on top in every process that runs a
grader: no new process, no signal to another process, no change to the rules, and nothing that
takes disk or memory where neither an rlimit nor the size of the scratch counts it.
Does not: look behind pointers (BPF cannot), so file paths are Landlock's business, and socket
addresses are refused by refusing the sockets.
"""

from __future__ import annotations

import platform
import struct

__all__ = ["grader_program", "keeper_program", "supported"]

# name: (x86_64, aarch64); 0 is a real number (x86_64 read), so absent is -1.
# From the kernel's unistd_64.h and asm-generic/unistd.h (tests compare where headers exist).
_TABLE = """
read 0 63  write 1 64  open 2 -  close 3 57  stat 4 -  fstat 5 80  lstat 6 -  poll 7 -
lseek 8 62  mmap 9 222  mprotect 10 226  munmap 11 215  brk 12 214  rt_sigaction 13 134
rt_sigprocmask 14 135  rt_sigreturn 15 139  pread64 17 67  pwrite64 18 68  readv 19 65
writev 20 66  access 21 -  pipe 22 -  select 23 -  sched_yield 24 124  mremap 25 216
msync 26 227  madvise 28 233  dup 32 23  dup2 33 -  pause 34 -  nanosleep 35 101
getitimer 36 102  alarm 37 -  setitimer 38 103  getpid 39 172  sendfile 40 71  sendto 44 206
recvfrom 45 207  sendmsg 46 211  recvmsg 47 212  shutdown 48 210  getsockname 51 204
getpeername 52 205  fork 57 -  vfork 58 -  exit 60 93
wait4 61 260  kill 62 129  uname 63 160  flock 73 32  fsync 74 82  fdatasync 75 83
truncate 76 45  ftruncate 77 46  getdents 78 -  getcwd 79 17  chdir 80 49  fchdir 81 50
rename 82 -  mkdir 83 -  rmdir 84 -  creat 85 -  link 86 -  unlink 87 -  symlink 88 -
readlink 89 -  umask 95 166  gettimeofday 96 169  getrlimit 97 163  getrusage 98 165
sysinfo 99 179  times 100 153  getuid 102 174  getgid 104 176  geteuid 107 175  getegid 108 177
getppid 110 173  getpgrp 111 -  getgroups 115 158  getresuid 118 148  getresgid 120 150
getpgid 121 155  getsid 124 156  capget 125 90  rt_sigpending 127 136  rt_sigtimedwait 128 137
rt_sigsuspend 130 133  sigaltstack 131 132  statfs 137 43  fstatfs 138 44  getpriority 140 141
sched_getparam 143 121  sched_getscheduler 145 120  sched_get_priority_max 146 125
sched_get_priority_min 147 126  sched_rr_get_interval 148 127  mlock 149 228  munlock 150 229
arch_prctl 158 -  gettid 186 178  readahead 187 213  time 201 -  futex 202 98
sched_getaffinity 204 123  epoll_create 213 -  getdents64 217 61  set_tid_address 218 96
restart_syscall 219 128  fadvise64 221 223  timer_create 222 107  timer_settime 223 110
timer_gettime 224 108  timer_getoverrun 225 109  timer_delete 226 111  clock_gettime 228 113
clock_getres 229 114  clock_nanosleep 230 115  exit_group 231 94  epoll_wait 232 -
epoll_ctl 233 21  tgkill 234 131  waitid 247 95  openat 257 56  mkdirat 258 34
newfstatat 262 79  unlinkat 263 35  renameat 264 38  linkat 265 37  symlinkat 266 36
readlinkat 267 78  faccessat 269 48  pselect6 270 72  ppoll 271 73  set_robust_list 273 99
splice 275 76  tee 276 77  sync_file_range 277 84  epoll_pwait 281 22  signalfd 282 -
timerfd_create 283 85  eventfd 284 -  timerfd_settime 286 86
timerfd_gettime 287 87  signalfd4 289 74  eventfd2 290 19  epoll_create1 291 20  dup3 292 24
pipe2 293 59  preadv 295 69  pwritev 296 70  getcpu 309 168  renameat2 316 276
getrandom 318 278  membarrier 324 283  mlock2 325 284  copy_file_range 326 285  preadv2 327 286
pwritev2 328 287  statx 332 291  rseq 334 293  close_range 436 436  openat2 437 437
faccessat2 439 439  epoll_pwait2 441 441  futex_waitv 449 449

seccomp 317 277  landlock_create_ruleset 444 444  landlock_add_rule 445 445
landlock_restrict_self 446 446
ioctl 16 29  fcntl 72 25  prctl 157 167  prlimit64 302 261  clone 56 220  clone3 435 435
socketpair 53 199  setsockopt 54 208  getsockopt 55 209  fallocate 285 47

chmod 90 -  fchmod 91 52  fchmodat 268 53  fchmodat2 452 452  chown 92 -  fchown 93 55
lchown 94 -  fchownat 260 54  utime 132 -  utimes 235 -  utimensat 280 88  futimesat 261 -
setxattr 188 5  lsetxattr 189 6  fsetxattr 190 7  getxattr 191 8  lgetxattr 192 9
fgetxattr 193 10  listxattr 194 11  llistxattr 195 12  flistxattr 196 13  removexattr 197 14
lremovexattr 198 15  fremovexattr 199 16
"""

_PLAIN, _RULES, _METADATA = (
    [words[i : i + 3] for i in range(0, len(words), 3)]
    for words in (block.split() for block in _TABLE.strip().split("\n\n"))
)
_COLUMN = {"x86_64": 1, "aarch64": 2}
_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}

_EPERM, _EINVAL, _ENOTTY, _ENOSYS, _ENOPROTOOPT, _ENOTSUP = 1, 22, 25, 38, 92, 95
_ALLOW = 0x7FFF0000
_KILL = 0x80000000
_ERRNO = 0x00050000

# What an ioctl may ask: is it a terminal, how wide, how much to read, blocking, close-on-exec.
# Everything else is "not a terminal": TIOCSTI (CVE-2017-5226), TIOCLINUX, device control.
# The kernel itself looks at the low 32 bits of the command alone, and so does the filter.
_IOCTLS = (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)
# dup, flags, locks. Not F_SETOWN/F_SETSIG (signals to others), F_NOTIFY, F_SETLEASE,
# F_SETPIPE_SZ (memory that no rlimit counts).
_FCNTLS = (0, 1, 2, 3, 4, 5, 6, 7, 36, 37, 38, 1030)
# PR_SET_NAME, PR_GET_NAME, PR_GET_DUMPABLE, PR_CAPBSET_READ, PR_GET_NO_NEW_PRIVS, PR_SET_VMA,
# and PR_SET_PDEATHSIG (1), which the keeper's children need and `grader_program` takes away.
# PR_SET_DUMPABLE (4) likewise. Not PR_SET_MM, PR_SET_SECCOMP ...
_PRCTLS = (1, 4, 15, 16, 3, 23, 39, 0x53564D41)
# Of level SOL_SOCKET, on a stream pair: SO_TYPE, SO_ERROR, SO_ACCEPTCONN, SO_PROTOCOL, SO_DOMAIN,
# and the two timeouts. Not SO_ATTACH_FILTER (a program in the kernel), SO_PEERPIDFD (a handle on
# another process), SO_SNDBUF and SO_RCVBUF (memory that no rlimit counts), SO_PASSCRED ...
_GETSOCKOPTS = (3, 4, 30, 38, 39, 20, 21, 66, 67)
_SETSOCKOPTS = (20, 21, 66, 67)
_CLONE_THREAD = 0x00010000
_CLONE_FILES = 0x00000400
_CLONE_NEW = 0x7E020000  # every namespace flag of clone(2)
_CLOSE_RANGE_UNSHARE = 2
_O_ACCMODE, _O_TRUNC, _TMPFILE = 0o3, 0o1000, 0o20000000
_MAP_SHARED, _MAP_ANONYMOUS, _MAP_HUGETLB = 0x1, 0x20, 0x40000
_F_SETLK, _F_SETLKW, _F_OFD_SETLK, _F_OFD_SETLKW = 6, 7, 37, 38
_RLIMIT_CORE = 4

Program = list["tuple[int, int, int, int]"]


def supported() -> bool:
    """Return whether the system call numbers of this machine are known here."""
    return platform.machine() in _COLUMN and struct.calcsize("P") == 8


def _numbers() -> dict[str, int]:
    column = _COLUMN[platform.machine()]
    return {row[0]: int(row[column]) for row in _PLAIN + _RULES + _METADATA if row[column] != "-"}


def _load(offset: int) -> Program:
    return [(0x20, 0, 0, offset)]  # BPF_LD | BPF_W | BPF_ABS into the accumulator


def _ret(action: int) -> Program:
    return [(0x06, 0, 0, action)]


def _refuse(errno: int) -> Program:
    return _ret(_ERRNO | errno)


def _when_equal(value: int, then: Program) -> Program:
    """If the accumulator is `value`, run `then` (which must end in a return)."""
    return [(0x15, 0, len(then), value), *then]


def _when_any_bit(mask: int, then: Program) -> Program:
    return [(0x45, 0, len(then), mask), *then]


def _masked(mask: int) -> Program:
    return [(0x54, 0, 0, mask)]  # BPF_ALU | BPF_AND


def _argument(index: int) -> Program:
    # The low 32 bits: every argument compared here is an int or unsigned int to the kernel
    # (clone's flags too: it takes lower_32_bits). Both machines are little-endian.
    return _load(16 + 8 * index)


def _one_of(index: int, values: tuple[int, ...], otherwise: int) -> Program:
    """Allow where the argument is one of `values`, else fail with the errno `otherwise`."""
    program = _argument(index)
    for value in values:
        program += _when_equal(value, _ret(_ALLOW))
    return program + _refuse(otherwise)


def _head() -> Program:
    """Check the architecture, leave the call's number in the accumulator."""
    program = [*_load(4), (0x15, 1, 0, _ARCH[platform.machine()]), *_ret(_KILL), *_load(0)]
    if platform.machine() == "x86_64":
        # The x32 numbers are a second way to every call.
        program += [(0x35, 0, 1, 0x40000000), *_refuse(_ENOSYS)]
    return program


def keeper_program() -> Program:
    """Return the allow-list for the whole worker.

    Refused by not being named: every socket but a connected stream pair (so TCP, UDP, unix,
    netlink, vsock; connect, bind, listen), exec, ptrace, process_vm_*, pidfd_*, io_uring, bpf,
    perf, keyrings, userfaultfd, mount and namespaces, setting clocks, priorities, ids, hosts;
    memfd and System V memory (which RLIMIT_AS does not count), inotify (which Landlock does
    not see), mknod, setsid and setpgid (so that a group kill is complete).
    """
    number = _numbers()
    rules: dict[str, Program] = {
        "ioctl": _one_of(1, _IOCTLS, _ENOTTY),
        "fcntl": _one_of(1, _FCNTLS, _EINVAL),
        "prctl": _one_of(0, _PRCTLS, _EPERM),
        # Another process of the same user may have its limits changed: only oneself (0).
        "prlimit64": _one_of(0, (0,), _EPERM),
        "clone": [*_argument(0), *_when_any_bit(_CLONE_NEW, _refuse(_EPERM)), *_ret(_ALLOW)],
        # Its flags are behind a pointer; the C library falls back to clone.
        "clone3": _refuse(_ENOSYS),
        # AF_UNIX stream, with or without NONBLOCK and CLOEXEC. Not datagram: sendto() on one
        # end of a datagram pair may name any socket path on the host.
        "socketpair": [
            *_argument(0),
            (0x15, 1, 0, 1),
            *_refuse(_EPERM),
            *_one_of(1, (1, 0x801, 0x80001, 0x80801), _EPERM),
        ],
        "setsockopt": _socket_options(_SETSOCKOPTS),
        "getsockopt": _socket_options(_GETSOCKOPTS),
        # RLIMIT_FSIZE does not see what is allocated past the end of a file. The C library's
        # posix_fallocate writes instead.
        "fallocate": _refuse(_ENOTSUP),
    }
    program = _head()
    for name in (row[0] for row in _PLAIN + _RULES):
        if name in number:
            program += _when_equal(number[name], rules.get(name) or _ret(_ALLOW))
    for name in (row[0] for row in _METADATA):
        if name in number:
            # shutil.copy goes on without extended attributes when they are not supported.
            program += _when_equal(
                number[name], _refuse(_ENOTSUP) if "xattr" in name else _ret(_ALLOW)
            )
    # Numbers newer than this table: "no such call", as an older kernel would say.
    program += [(0x35, 0, 1, 450), *_refuse(_ENOSYS)]
    return program + _refuse(_EPERM)


def grader_program(pid: int, *, truncate: bool) -> Program:
    """Return what is refused on top in the process `pid` that runs a grader.

    `truncate`: whether truncate(2) may be asked for; Landlock before version 3 (Linux 6.2) does
    not look at it.
    """
    number = _numbers()
    rules: dict[str, Program] = {
        "fork": _refuse(_EPERM),
        "vfork": _refuse(_EPERM),
        # Threads alone, and all with one table of descriptors: RLIMIT_NOFILE holds for a table.
        "clone": [
            *_argument(0),
            *_masked(_CLONE_THREAD | _CLONE_FILES),
            *_when_equal(_CLONE_THREAD | _CLONE_FILES, _ret(_ALLOW)),
            *_refuse(_EPERM),
        ],
        "close_range": [
            *_argument(2),
            *_when_any_bit(_CLOSE_RANGE_UNSHARE, _refuse(_EINVAL)),
            *_ret(_ALLOW),
        ],
        # Signals to itself alone; so neither 0 (its group, the keeper) nor -1 (everyone).
        "kill": _one_of(0, (pid,), _EPERM),
        "tgkill": _one_of(0, (pid,), _EPERM),
        "prctl": [
            *_argument(0),
            *_when_equal(1, _refuse(_EPERM)),
            *_when_equal(4, _refuse(_EPERM)),
            *_ret(_ALLOW),
        ],
        # With the limit at 0 a core_pattern that is a pipe gets a core again; see `lockdown`.
        "prlimit64": [*_argument(1), *_when_equal(_RLIMIT_CORE, _no_pointer(2)), *_ret(_ALLOW)],
        "seccomp": _refuse(_EPERM),
        "landlock_create_ruleset": _refuse(_EPERM),
        "landlock_add_rule": _refuse(_EPERM),
        "landlock_restrict_self": _refuse(_EPERM),
        **_growth(),
    }
    if not truncate:
        rules["truncate"] = _refuse(_EPERM)
    program = _head()
    for name, rule in rules.items():
        if name in number:
            program += _when_equal(number[name], rule)
    for name in (row[0] for row in _METADATA):
        if name in number and "xattr" not in name:
            # Landlock does not cover modes, owners and times, so nobody may change them; the
            # answer is a lie ("done"), or shutil.copy and tarfile would fail for nothing.
            program += _when_equal(number[name], _refuse(0))
    return program + _ret(_ALLOW)


def _growth() -> dict[str, Program]:
    """Return the rules against memory and disk that no limit counts."""
    return {
        "open": _opening(1),
        "openat": _opening(2),
        # Its flags are behind a pointer; whoever asks falls back to openat.
        "openat2": _refuse(_ENOSYS),
        # Memory that is shared and has no file stays whole, and uncounted, while one page of it
        # is mapped. Huge pages come from a pool of the machine.
        "mmap": [
            *_argument(3),
            *_when_any_bit(_MAP_HUGETLB, _refuse(_EINVAL)),
            *_when_any_bit(
                _MAP_ANONYMOUS, [*_when_any_bit(_MAP_SHARED, _refuse(_EPERM)), *_ret(_ALLOW)]
            ),
            *_ret(_ALLOW),
        ],
        # Descriptors in a message are in no table, and held past their close.
        "sendmsg": _refuse(_EPERM),
        "recvmsg": _refuse(_EPERM),
        # A pipe or a socket would hold a file's pages, each perhaps part of a much larger one.
        "splice": _refuse(_EINVAL),
        "tee": _refuse(_EINVAL),
        "sendfile": _refuse(_EINVAL),
        # A lock on a range of bytes is kernel memory, and their number has no limit. Nobody else
        # has the scratch, and a process never conflicts with itself: "granted" is the truth.
        "fcntl": [
            *_argument(1),
            *_when_equal(_F_SETLK, _refuse(0)),
            *_when_equal(_F_SETLKW, _refuse(0)),
            *_when_equal(_F_OFD_SETLK, _refuse(_EINVAL)),
            *_when_equal(_F_OFD_SETLKW, _refuse(_EINVAL)),
            *_ret(_ALLOW),
        ],
    }


def _opening(index: int) -> Program:
    """Refuse files that never have a name, and emptying a file that is not opened to write."""
    return [
        *_argument(index),
        *_when_any_bit(_TMPFILE, _refuse(_ENOTSUP)),
        # Landlock before version 3 asks for the right to write only where the mode is to write.
        *_when_any_bit(
            _O_TRUNC,
            [
                *_masked(_O_ACCMODE),
                *_when_equal(0, _refuse(_EPERM)),
                *_when_equal(_O_ACCMODE, _refuse(_EPERM)),
                *_ret(_ALLOW),
            ],
        ),
        *_ret(_ALLOW),
    ]


def _no_pointer(index: int) -> Program:
    """Allow where the argument, all 64 bits of it, is NULL."""
    return [
        *_argument(index),
        (0x15, 1, 0, 0),
        *_refuse(_EPERM),
        *_load(20 + 8 * index),
        *_when_equal(0, _ret(_ALLOW)),
        *_refuse(_EPERM),
    ]


def _socket_options(names: tuple[int, ...]) -> Program:
    """Allow these options of level SOL_SOCKET (1)."""
    return [
        *_argument(1),
        (0x15, 1, 0, 1),
        *_refuse(_ENOPROTOOPT),
        *_one_of(2, names, _ENOPROTOOPT),
    ]

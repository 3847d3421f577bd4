"""The walls around code of strangers: raised by the operating system, then tried out by attack.

The child of `sandbox.py` begins on this page, before anything else is imported, so it needs nothing
but Python's own library. `enter` takes it into namespaces of its own (by bubblewrap where that is
installed, else by itself), to a view of the file system with nothing but the interpreter and its
libraries, away from root, and under Landlock. `no_more_calls` ends what only the imports needed:
from there on the kernel refuses (seccomp) whatever is not on a short list, so that nothing can be
written, opened to the network, started or signalled. `held` then tries each wall as an attacker
would. A mechanism that a machine lacks is left out; what counts is what `held` finds.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import platform
import resource
import signal
import socket
import struct
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NoReturn

WALLS = {
    "root": "runs as root",
    "secrets": "reads the environment of other processes, where the master key may be",
    "files": "reads files that only this user may read, such as those of the data directory",
    "writing": "writes files: changes what is there, or fills the disk",
    "network": "opens connections, also to the database",
    "processes": "starts processes, which may outlive it",
    "others": "signals, traces or reads the memory of other processes",
    "limits": "takes as much memory and time as it likes",
}
"""Each wall, and what a strategy does where it is missing."""

LINUX = sys.platform == "linux"
_libc = ctypes.CDLL(None, use_errno=True) if LINUX else None
_NEWUSER, _APART = 0x10000000, 0x00020000 | 0x2C000000 | 0x40000000  # mounts, uts, ipc, pids, net
_BIND, _READ_ONLY, _REMOUNT, _PRIVATE, _ALL = 0x1000, 0x1, 0x20, 0x40000, 0x4000
_NO_SUID, _NO_DEVICES, _NO_EXEC = 0x2, 0x4, 0x8
_DEATH_SIGNAL, _CAPABILITY_DROP, _SUBREAPER, _NO_NEW_PRIVILEGES = 1, 24, 36, 38
_SYSTEM = """
/usr/lib /usr/lib64 /usr/share/zoneinfo /usr/local/lib /lib /lib64 /nix/store /etc/ld.so.cache
/etc/localtime /etc/alternatives /dev/null /dev/zero /dev/urandom /sys/devices/system/cpu
"""


def readable(path: Iterable[str]) -> list[str]:
    """What an interpreter with that search path needs to read, of what is there."""
    wanted = {sys.prefix, sys.base_prefix, *_SYSTEM.split(), *path}
    return sorted(place for place in wanted if os.path.exists(place))


def enter(room: str, uid: int | None, apart: bool) -> tuple[dict[str, str], int | None]:
    """Go behind the walls, as `uid` if this is root; what was raised, and why something was not.

    With it a descriptor of what this process has mapped, which it cannot open any more.

    Returns in the child that is to run; this process keeps it, ends whatever is left of it, and
    exits as it did: 128 and the number of the signal that ended it. `apart` is false where
    bubblewrap has made the namespaces.
    """
    raised: dict[str, str] = {}
    if not LINUX:
        return raised, None
    places = readable(sys.path)
    _control(_DEATH_SIGNAL, signal.SIGTERM)
    _control(_SUBREAPER, 1)
    if apart:
        with noting(raised, "namespaces"):
            _unshare()
            _fork_and_keep()  # from here on: the first process of its namespace
            _control(_DEATH_SIGNAL, signal.SIGKILL)
            with noting(raised, "view"):
                _view(places, room)
    else:
        raised["namespaces"] = raised["view"] = "bubblewrap"
    _fork_and_keep()
    with noting(raised, "user"):
        _lay_down(uid, places, room)
    _control(_DEATH_SIGNAL, signal.SIGKILL)  # a change of user forgets it
    mapped = os.open("/proc/self/statm", os.O_RDONLY)
    with noting(raised, "landlock"):
        _landlock(places, room)
    return raised, mapped


@contextmanager
def noting(raised: dict[str, str], name: str) -> Iterator[None]:
    """Note what was raised, or the error that it was not raised for."""
    try:
        yield
        raised[name] = "raised"
    except (OSError, KeyError) as error:
        raised[name] = f"not to be had: {getattr(error, 'strerror', None) or error}"


def _checked(answer: int, what: str) -> int:
    if answer < 0:
        raise OSError(ctypes.get_errno(), f"{what}: {os.strerror(ctypes.get_errno())}")
    return answer


def _control(option: int, value: int) -> None:
    _checked(_libc.prctl(option, value, 0, 0, 0), "prctl")  # type: ignore[union-attr]


def _call(number: int, *arguments: Any) -> int:
    return _checked(_libc.syscall(number, *arguments), "syscall")  # type: ignore[union-attr]


def _fork_and_keep() -> None:
    """Fork, and return in the child. The parent waits for it, then ends all that is left."""
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        return

    def leave(*_: object) -> NoReturn:
        _end_children()
        os._exit(128 + signal.SIGTERM)

    signal.signal(signal.SIGTERM, leave)
    code = None
    while code is None:
        ended, status = os.waitpid(-1, 0)
        if ended == child:
            code = os.waitstatus_to_exitcode(status)
    _end_children()
    os._exit(code if code >= 0 else 128 - code)


def _end_children() -> None:
    """Kill the children and, as they become ours when their parents die, all below them."""
    while True:
        for entry in Path("/proc").iterdir():
            with suppress(OSError, ValueError):
                if int((entry / "stat").read_text().rpartition(")")[2].split()[1]) == os.getpid():
                    os.kill(int(entry.name), signal.SIGKILL)
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def _unshare() -> None:
    """Namespaces of our own; who is not root needs one of users to make the others."""
    uid, gid = os.getuid(), os.getgid()
    flags = _APART | (0 if uid == 0 else _NEWUSER)
    _checked(_libc.unshare(flags), "unshare")  # type: ignore[union-attr]
    if uid:
        for name, text in (
            ("setgroups", "deny"),
            ("uid_map", f"{uid} {uid} 1"),
            ("gid_map", f"{gid} {gid} 1"),
        ):
            Path(f"/proc/self/{name}").write_text(text)


def _mount(source: str, target: str, kind: str | None, flags: int, data: str | None = None) -> None:
    texts = [None if text is None else text.encode() for text in (source, target, kind, data)]
    answer = _libc.mount(*texts[:3], ctypes.c_ulong(flags), texts[3])  # type: ignore[union-attr]
    _checked(answer, f"mount {target}")


def _view(places: Iterable[str], room: str) -> None:
    """Make a file system of nothing but `places`, read-only, and `room` our root."""
    _mount("none", "/", None, _PRIVATE | _ALL)
    new = os.path.join(room, "view")
    os.mkdir(new)
    _mount("tmpfs", new, "tmpfs", _NO_SUID | _NO_DEVICES, "mode=755,size=1m")
    seen: list[str] = []
    for place in (*places, room):
        if any(Path(place).is_relative_to(other) for other in seen):
            continue
        seen.append(place)
        target = new + place
        os.makedirs(os.path.dirname(target), exist_ok=True)
        os.mkdir(target) if os.path.isdir(place) else Path(target).touch()
        _mount(place, target, None, _BIND)
        held = os.statvfs(target).f_flag & (_NO_SUID | _NO_DEVICES | _NO_EXEC | 0x400 | 0x800)
        # 0x400, 0x800: times of access; the kernel lets nobody lift what the outer mount has.
        flags = _BIND | _REMOUNT | _NO_SUID | held | (0 if place == room else _READ_ONLY)
        _mount("none", target, None, flags)
    os.mkdir(f"{new}/proc")
    _mount("proc", f"{new}/proc", "proc", _NO_SUID | _NO_DEVICES | _NO_EXEC)
    here = os.getcwd()
    os.chdir(new)
    _call({"x86_64": 155}.get(platform.machine(), 41), b".", b".")  # pivot_root
    _checked(_libc.umount2(b".", 2), "umount")  # type: ignore[union-attr]
    os.chdir(here)


def _lay_down(uid: int | None, places: Iterable[str], room: str) -> None:
    """Become `uid` if this is root, with the room for its own; lay down all capabilities."""
    refused = None
    if os.geteuid() == 0 and uid is not None:
        os.setgroups([])
        os.seteuid(uid)
        refused = next(
            (each for each in places if not os.access(each, os.R_OK, effective_ids=True)), None
        )
        os.seteuid(0)
        if refused is None:
            for path in (Path(room), *Path(room).rglob("*")):
                os.chown(path, uid, uid)
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
    for number in range(64):
        with suppress(OSError):
            _control(_CAPABILITY_DROP, number)
    header, none = struct.pack("Ii", 0x20080522, 0), bytes(24)
    _checked(_libc.capset(header, none), "capset")  # type: ignore[union-attr]
    _control(_NO_NEW_PRIVILEGES, 1)
    if refused:
        raise PermissionError(errno.EACCES, f"another user cannot read {refused}")


def _landlock(places: Iterable[str], room: str) -> None:
    """Landlock: read below `places`, write below `room`, connect nowhere, signal nobody outside."""
    create, add_rule, restrict = 444, 445, 446
    version = _call(create, None, 0, 1)
    files = (1 << 13) - 1 | (1 << 13 if version >= 2 else 0) | (1 << 14 if version >= 3 else 0)
    files |= 1 << 15 if version >= 5 else 0
    rules = struct.pack("QQQ", files, 3, 3)[: 8 if version < 4 else 16 if version < 6 else 24]
    ruleset = _call(create, rules, len(rules), 0)
    read, of_files = 1 << 2 | 1 << 3, 1 | 1 << 1 | 1 << 2 | 1 << 14 | 1 << 15
    for place in (*places, room):
        with suppress(FileNotFoundError):
            at = os.open(place, os.O_PATH | os.O_CLOEXEC)
            allowed = files if place == room else read
            allowed &= files if os.path.isdir(place) else of_files & files
            _call(add_rule, ruleset, 1, struct.pack("=Qi", allowed, at), 0)
            os.close(at)
    _call(restrict, ruleset, 0)
    os.close(ruleset)


# System calls

_MACHINES = {"x86_64": (0, 0xC000003E, 317), "aarch64": (1, 0xC00000B7, 277)}
_CALLS = """
read 0 63; write 1 64; close 3 57; fstat 5 80; newfstatat 262 79; statx 332 291; lseek 8 62;
mmap 9 222; mprotect 10 226; munmap 11 215; brk 12 214; mremap 25 216; madvise 28 233;
pread64 17 67; pwrite64 18 68; readv 19 65; writev 20 66; access 21 -; faccessat 269 48;
faccessat2 439 439; readlink 89 -; readlinkat 267 78; getdents64 217 61; getcwd 79 17; fcntl 72 25;
dup 32 23; dup2 33 -; dup3 292 24; pipe 22 -; pipe2 293 59; poll 7 -; ppoll 271 73; select 23 -;
pselect6 270 72; epoll_create1 291 20; epoll_ctl 233 21; epoll_wait 232 -; epoll_pwait 281 22;
eventfd2 290 19; futex 202 98; futex_waitv 449 449; set_robust_list 273 99; get_robust_list 274 100;
rseq 334 293; rt_sigaction 13 134; rt_sigprocmask 14 135; rt_sigreturn 15 139; sigaltstack 131 132;
sched_yield 24 124; sched_getaffinity 204 123; sched_getparam 143 121; sched_getscheduler 145 120;
nanosleep 35 101; clock_nanosleep 230 115; clock_gettime 228 113; clock_getres 229 114;
gettimeofday 96 169; time 201 -; times 100 153; getrusage 98 165; getrandom 318 278; getpid 39 172;
getppid 110 173; gettid 186 178; getuid 102 174; geteuid 107 175; getgid 104 176; getegid 108 177;
getresuid 118 148; getresgid 120 150; getgroups 115 158; getpgrp 111 -; getpgid 121 155;
getsid 124 156; uname 63 160; sysinfo 99 179; arch_prctl 158 -; set_tid_address 218 96; exit 60 93;
exit_group 231 94; restart_syscall 219 128; membarrier 324 283; getcpu 309 168; stat 4 -; lstat 6 -;
getpriority 140 141; statfs 137 43; fstatfs 138 44; chdir 80 49; wait4 61 260; msync 26 227;
fadvise64 221 223; setitimer 38 103; getitimer 36 102; alarm 37 -
"""
"""Allowed as they are: name, number on x86_64, number on aarch64."""
_CREATES = 0o3 | 0o100 | 0o1000
"""To write, to create, to truncate: what no file is opened for."""


def no_more_calls() -> None:
    """Have the kernel refuse every system call that a computation does not need (seccomp).

    Refused is an error to who calls, `PermissionError` in Python. For all threads, for good.
    """
    column, architecture, seccomp = _MACHINES[platform.machine()]
    allow, refuse, load, equal, has = 0x7FFF0000, 0x00050000 | errno.EPERM, 0x20, 0x15, 0x45
    program: list[tuple[int, int, int, int]] = [
        (load, 0, 0, 4),
        (equal, 1, 0, architecture),
        (0x06, 0, 0, refuse),
        (load, 0, 0, 0),
    ]

    def rule(numbers: tuple[int | None, int | None], *body: tuple[int, int, int, int]) -> None:
        number = numbers[column]
        if number is not None:
            program.extend(((equal, 0, len(body), number), *body))

    def only(numbers: tuple[int, int], argument: int, *values: int) -> None:
        allowed = [line for v in values for line in ((equal, 0, 1, v), (0x06, 0, 0, allow))]
        rule(numbers, (load, 0, 0, 16 + 8 * argument), *allowed, (0x06, 0, 0, refuse))

    for line in _CALLS.split(";"):
        _, *texts = line.split()
        x86, arm = (None if text == "-" else int(text) for text in texts)
        rule((x86, arm), (0x06, 0, 0, allow))
    for numbers, argument in (((2, None), 1), ((257, 56), 2)):  # open, openat: their flags
        rule(
            numbers,
            (load, 0, 0, 16 + 8 * argument),
            (has, 0, 1, _CREATES),
            (0x06, 0, 0, refuse),
            (0x06, 0, 0, allow),
        )
    rule(  # clone: a thread, never a process
        (56, 220), (load, 0, 0, 16), (has, 0, 1, 0x10000), (0x06, 0, 0, allow), (0x06, 0, 0, refuse)
    )
    rule((435, 435), (0x06, 0, 0, 0x00050000 | errno.ENOSYS))  # clone3: not to be looked into
    only((234, 131), 0, os.getpid())  # tgkill: itself, as abort() does
    only((16, 29), 1, 0x5401, 0x5413, 0x541B, 0x5450, 0x5451)  # ioctl: is it a terminal, close
    only((157, 167), 0, 15, 0x53564D41)  # prctl: the names of threads and of memory
    only((302, 261), 0, 0)  # prlimit64: its own
    program.append((0x06, 0, 0, refuse))
    lines = b"".join(struct.pack("HBBI", *line) for line in program)
    buffer = ctypes.create_string_buffer(lines, len(lines))
    filters = struct.pack("HxxxxxxP", len(program), ctypes.addressof(buffer))
    _control(_NO_NEW_PRIVILEGES, 1)
    _call(seccomp, 1, 1, filters)  # to all threads of the process


# Attacks


def held(platform_pid: int, secret: str, most_memory: int) -> dict[str, str]:
    """Each wall of WALLS: empty where it holds, else what was possible.

    `secret` is a file that only the platform's user may read, `platform_pid` that process, and
    `most_memory` what the address space was to be limited to.
    """
    tried: dict[str, Callable[[], object]] = {
        "root": lambda: _require(os.geteuid() == 0, "user id 0"),
        "secrets": _read_environments,
        "files": lambda: Path(secret).read_bytes(),
        "writing": _write_anywhere,
        "network": _make_a_socket,
        "processes": _start_a_process,
        "others": lambda: os.kill(platform_pid, 0),
        "limits": lambda: _require(
            resource.getrlimit(resource.RLIMIT_AS)[1] not in range(1, most_memory + 1),
            "memory without a limit",
        ),
    }
    found = {}
    for name, attack in tried.items():
        try:
            said = attack()
        except (OSError, MemoryError):
            found[name] = ""
        else:
            found[name] = said if isinstance(said, str) else WALLS[name]
    return found


def _require(broken: bool, said: str) -> str:
    return said if broken else ""


def _read_environments() -> str:
    own = Path("/proc/self/environ")
    mine = own.read_bytes() if os.access(own, os.R_OK) else b""
    for entry in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):
            if entry.read_bytes() not in (b"", mine):
                return f"reads {entry}"
    return ""


def _write_anywhere() -> str:
    for place in (os.getcwd(), "/tmp", "/dev/shm", "/var/tmp", str(Path(__file__).parent)):
        path = Path(place, f"commenda-tried-{os.getpid()}")
        with suppress(OSError):
            path.write_bytes(b"")
            path.unlink()
            return f"writes to {place}"
    return ""


def _make_a_socket() -> str:
    for family in (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX):
        with suppress(OSError):
            socket.socket(family).close()
            return f"makes sockets of {family.name}"
    return ""


def _start_a_process() -> None:
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)


if __name__ == "__main__":
    _told = json.loads(sys.argv[1])
    _raised, _mapped = enter(**_told)
    from commenda.strategies.sandboxed import main

    main(_raised, _mapped)

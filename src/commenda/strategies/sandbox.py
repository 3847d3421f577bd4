"""Strategies of strangers: run in a process behind walls, with limits of time and memory.

The child (`walls.py`, then `sandboxed.py`) is a fresh interpreter with an environment that holds
nothing of ours, fed and read through plain bytes: what it writes is parsed as JSON and arrays of
numbers, never unpickled. It is another user where we are root, in namespaces of its own, sees the
interpreter, its libraries and a copy of the strategy's sources, and may read, compute and answer.
Before it loads any of the strategy it attacks each of its own walls (`walls.held`), and ends where
one is open, unless the caller said that this one may be. It is ended when its time is over, with
all that it may have started. numba's cache is copied for it, because whoever may write there can
have code run by its readers.

One's own file on one's own machine needs none of this: `commenda backtest` and the rest of the
command line run files with all rights of whoever names them.
"""

from __future__ import annotations

import json
import os
import pickle
import secrets
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO, Any, NoReturn

import numpy as np

import commenda
from commenda.kernel import CACHE_DIR, Array, Bars, Costs, Funding
from commenda.kit.errors import CommendaError
from commenda.strategies import walls
from commenda.strategies.plugins import absolute, is_file, parted, sources_of

LENGTH = struct.Struct("<q")
LAST_WORDS = 600
USERS = range(61_184, 65_520)
"""User ids that belong to nobody: what systemd gives to services without one."""
LEAVING = 5.0
STARVED = ("MemoryError", "bad_alloc", "Cannot allocate memory", "out of memory")


@dataclass(frozen=True, slots=True)
class Limits:
    """What a child may use: `seconds` on the wall and of CPU, its start included (about two).

    `memory` is address space in bytes beyond what the interpreter and the kernel take; `files` are
    open at once, each at most `file_size` bytes.
    """

    seconds: float = 60.0
    memory: int = 1 << 30
    files: int = 64
    file_size: int = 1 << 28

    def __post_init__(self) -> None:
        if not (0.0 < self.seconds < 1e6 and min(self.memory, self.files, self.file_size) > 0):
            raise ValueError(f"{self}: limits are positive")


@dataclass(frozen=True, slots=True, eq=False)
class SandboxedRun:
    """What the child's run left behind, as `kernel.run` says it. `source_hash` is what ran."""

    strategy: str
    version: str
    source_hash: str
    equity: Array
    targets: Array


def run_sandboxed(
    named: str,
    params: Mapping[str, object],
    bars: Bars,
    *,
    cash: float = 10_000.0,
    costs: Costs | None = None,
    funding: Funding | None = None,
    limits: Limits | None = None,
    hash_seed: int = 0,
    allow: Collection[str] = (),
) -> SandboxedRun:
    """Run what `find_strategy` finds by `named` over `bars` in a child process.

    `allow` names the walls of WALLS that may be open: all of them for code of one's own. Codes
    `sandbox_open` where another is, `unknown_wall`, `strategy_timeout`, `strategy_memory` and
    `strategy_crashed` (with the child's last words) where the process itself ended; and as outside
    those of `find_strategy`, of the parameters and of `faults.watch` where the step raised.
    """
    limits = limits or Limits()
    for wall in allow:
        if wall not in walls.WALLS:
            raise CommendaError("unknown_wall", "There is no such wall").at(
                "allow", wall, f"name some of {', '.join(walls.WALLS)}"
            )
    asked = {
        "params": dict(params),
        "run": {"bars": bars, "cash": cash, "costs": costs, "funding": funding},
        "open": frozenset(allow),
    }
    said, numbers, words = _answer(named, asked, limits, hash_seed)
    try:
        equity, targets = np.frombuffer(numbers, "<f8").reshape(2, len(bars)).astype(np.float64)
        ran = {name: str(said[name]) for name in ("strategy", "version", "source_hash")}
    except (ValueError, KeyError):
        raise _crashed(named, "without an answer", words) from None
    return SandboxedRun(**ran, equity=equity, targets=targets)


def try_walls() -> tuple[dict[str, str], dict[str, str]]:
    """What a strategy of a stranger could do on this machine, now, tried by attack.

    Each wall of WALLS with what was possible, empty where it holds; and each mechanism that raises
    them, with why it is not to be had where it is not.
    """
    said, _, _ = _answer("sma_cross", {"run": None}, Limits(), 0)
    return said["held"], said["raised"]


def open_walls(found: Mapping[str, str]) -> CommendaError:
    """The refusal of a machine that does not hold what a strategy might try."""
    could = "; ".join(f"it {what}" for what in found.values())
    return CommendaError(
        "sandbox_open", f"A strategy of a stranger would not be held on this machine: {could}"
    ).at(
        "allow",
        ", ".join(found),
        "commenda strategy walls says what is missing; allow these walls to be open only for code"
        " that you trust",
    )


def _answer(
    named: str, asked: Mapping[str, object], limits: Limits, hash_seed: int
) -> tuple[dict[str, Any], bytes, str]:
    """What a child said to a request: JSON, numbers, and its last words."""
    with (
        tempfile.TemporaryDirectory(prefix="commenda-sandbox-") as folder,
        tempfile.NamedTemporaryFile() as secret,
        tempfile.TemporaryFile() as given,
        tempfile.TemporaryFile() as answer,
        tempfile.TemporaryFile() as words,
    ):
        room = Path(folder).resolve()
        code = room / "code"
        request = {
            "strategy": _copied(named, code),
            "limits": limits,
            "attacked": (os.getpid(), secret.name),
            **asked,
        }
        given.write(pickle.dumps(request))
        given.seek(0)
        ended = _run_child(room, given, answer, words, limits, hash_seed)
        answer.seek(0)
        words.seek(max(0, words.seek(0, os.SEEK_END) - 16 * LAST_WORDS))
        said = words.read().decode("utf-8", "replace").strip()[-LAST_WORDS:]
        if ended != 0:
            _refuse(named, ended, said, limits)
        return *_read(named, code, answer.read(LENGTH.size + limits.file_size), said), said


def _copied(named: str, code: Path) -> str:
    """The sources of a file, copied for a child that cannot read them where they are."""
    if not is_file(named):
        return named
    path, name = parted(absolute(named))
    if path.is_file():
        for source in sources_of(path):
            target = code / source.relative_to(path.parent)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
        path = code / path.name
    return f"{path}:{name}" if name else str(path)


def _run_child(
    room: Path,
    given: IO[bytes],
    answer: IO[bytes],
    words: IO[bytes],
    limits: Limits,
    hash_seed: int,
) -> int | None:
    """The child's exit code, negative for a signal; None if its time was over."""
    work, kept = room / "work", room / "cache"
    work.mkdir()
    with suppress(OSError):  # shutil.Error is one; what is missing is compiled again
        unfinished = shutil.ignore_patterns("plugin-*", "*.tmp*")
        shutil.copytree(CACHE_DIR, kept / CACHE_DIR.name, ignore=unfinished)
    user = secrets.choice(USERS) if os.geteuid() == 0 else None
    prefix = _bubblewrap()
    told = json.dumps({"room": str(room), "uid": user, "apart": not prefix})
    bound = ["--bind", str(room), str(room)] if prefix else []
    with subprocess.Popen(
        [*prefix, *bound, sys.executable, "-P", walls.__file__, told],
        stdin=given,
        stdout=answer,
        stderr=words,
        cwd=work,
        env={
            **_environment(),
            "COMMENDA_CACHE_DIR": str(kept),
            "HOME": str(work),
            "PYTHONHASHSEED": str(hash_seed),
            "TMPDIR": str(work),
        },
        start_new_session=True,
    ) as child:
        try:
            code = child.wait(limits.seconds)
            # 128 and a signal's number is how whoever keeps the child says how it ended.
            return 128 - code if code > 128 else code
        except subprocess.TimeoutExpired:
            return None
        finally:
            child.terminate()  # its keeper ends all that it started, also in other sessions
            with suppress(subprocess.TimeoutExpired):
                child.wait(LEAVING)
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(child.pid, signal.SIGKILL)


@cache
def _bubblewrap() -> list[str]:
    """The command that runs another one in namespaces; empty where there is none that works."""
    program = shutil.which("bwrap")
    if program is None:
        return []
    words = ["ipc", "pid", "net", "uts"]
    apart = ["--die-with-parent", *(f"--unshare-{word}" for word in words)]
    if os.geteuid() == 0:  # the child lays down the rest when it becomes another user
        for name in ("CAP_SETUID", "CAP_SETGID", "CAP_SETPCAP", "CAP_CHOWN"):
            apart += ["--cap-add", name]
    # Asked of a child, whose path has nothing that only this process was started with.
    ask = [sys.executable, "-P", "-c", "import sys; print(*sys.path, sep='\\n')"]
    asked = subprocess.run(ask, capture_output=True, check=True, env=_environment(), text=True)
    places = walls.readable(asked.stdout.split("\n"))
    above = {
        one for place in (*places, f"{tempfile.gettempdir()}/room") for one in Path(place).parents
    }
    for folder in sorted({str(one) for one in above} - {"/", *places}):  # else for root alone
        apart += ["--perms", "0755", "--dir", folder]
    for place in places:
        apart += ["--dev-bind" if place.startswith("/dev/") else "--ro-bind", place, place]
    command = [program, *apart, "--proc", "/proc"]
    tried = subprocess.run([*command, sys.executable, "-c", ""], capture_output=True, check=False)
    return command if tried.returncode == 0 else []


def _environment() -> dict[str, str]:
    return {
        "LANG": "C.UTF-8",
        "OPENBLAS_NUM_THREADS": "1",
        "POLARS_MAX_THREADS": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPATH": str(Path(commenda.__file__).parent.parent),
    }


def _refuse(named: str, ended: int | None, said: str, limits: Limits) -> NoReturn:
    if ended is None or ended == -signal.SIGXCPU:
        raise CommendaError(
            "strategy_timeout",
            f"The strategy was not done after {limits.seconds:g} s and was ended",
        ).at("strategy", named, "run it over fewer bars, make its step faster, or allow more time")
    if any(sign in said for sign in STARVED):
        raise CommendaError(
            "strategy_memory",
            f"The strategy needed more than {limits.memory / 2**20:,.0f} MiB and was ended",
        ).at("strategy", named, "keep less in memory, or allow more")
    raise _crashed(named, f"with {_name_of(ended)}", said)


def _crashed(named: str, how: str, said: str) -> CommendaError:
    return CommendaError(
        "strategy_crashed",
        f"The strategy's process ended {how}" + (f"; its last words: {said}" if said else ""),
    ).at("strategy", named, "run it in this process to see where: commenda strategy check")


def _name_of(ended: int) -> str:
    if ended >= 0:
        return f"exit code {ended}"
    try:
        return signal.Signals(-ended).name
    except ValueError:
        return f"signal {-ended}"


def _read(named: str, code: Path, answer: bytes, said: str) -> tuple[dict[str, Any], bytes]:
    """The child's answer; nothing in it is believed to have the form it should have.

    A refusal names the sources where they were copied from, not their copies in `code`.
    """
    home = str(parted(absolute(named))[0].parent)
    try:
        (length,) = LENGTH.unpack_from(answer)
        said_so = json.loads(answer[LENGTH.size : LENGTH.size + length])
        if "error" not in said_so:
            return dict(said_so), answer[LENGTH.size + length :]
        error = {
            key: str(text).replace(str(code), home)
            for key, text in said_so["error"].items()
            if text is not None
        }
        refusal = CommendaError(error["code"], error["message"]).at(
            error.get("field"), error.get("value"), error.get("hint")
        )
    except (struct.error, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise _crashed(named, "without an answer", said) from None
    raise refusal

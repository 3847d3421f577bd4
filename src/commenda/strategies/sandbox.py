"""Strategies from users: run in a process of their own, with limits of time and memory.

The child (`sandboxed.py`) is a fresh interpreter in an empty directory, with an environment that
holds nothing of ours, fed and read through plain bytes: what it writes is parsed as JSON and arrays
of numbers, never unpickled. It is ended when its time is over, whatever it does; its address space,
CPU time, files and their size are limited by the kernel. numba's cache is copied for it, because
whoever may write there can have code run by its readers.

This keeps a careless strategy from harming the platform. It is no wall against an attacker: the
child runs as the same user, can read that user's files and processes, and can open connections. A
platform that takes code from strangers runs its workers as a user with nothing to read, in a
container without a network. As root, the limit on processes does not hold.
"""

from __future__ import annotations

import json
import os
import pickle
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NoReturn

import numpy as np

import commenda
from commenda.kernel import CACHE_DIR, Array, Bars, Costs, Funding
from commenda.kit.errors import CommendaError
from commenda.strategies.plugins import absolute

LENGTH = struct.Struct("<q")
LAST_WORDS = 600
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
) -> SandboxedRun:
    """Run what `find_strategy` finds by `named` over `bars` in a child process.

    Codes `strategy_timeout`, `strategy_memory` and `strategy_crashed` (with the child's last
    words), and those of `find_strategy` and of the parameters.
    """
    limits = limits or Limits()
    request = pickle.dumps(
        {
            "strategy": absolute(named),
            "params": dict(params),
            "run": {"bars": bars, "cash": cash, "costs": costs, "funding": funding},
            "limits": limits,
        }
    )
    with (
        tempfile.TemporaryDirectory(prefix="commenda-sandbox-") as room,
        tempfile.TemporaryFile() as given,
        tempfile.TemporaryFile() as answer,
        tempfile.TemporaryFile() as words,
    ):
        given.write(request)
        given.seek(0)
        ended = _run_child(Path(room), given, answer, words, limits, hash_seed)
        answer.seek(0)
        words.seek(max(0, words.seek(0, os.SEEK_END) - 16 * LAST_WORDS))
        said = words.read().decode("utf-8", "replace").strip()[-LAST_WORDS:]
        if ended != 0:
            _refuse(named, ended, said, limits)
        return _read(named, answer.read(LENGTH.size + limits.file_size), len(bars), said)


def _run_child(
    room: Path,
    given: IO[bytes],
    answer: IO[bytes],
    words: IO[bytes],
    limits: Limits,
    hash_seed: int,
) -> int | None:
    """The child's exit code, negative for a signal; None if its time was over."""
    work, cache = room / "work", room / "cache"
    work.mkdir()
    with suppress(OSError):  # shutil.Error is one; what is missing is compiled again
        unfinished = shutil.ignore_patterns("plugin-*", "*.tmp*")
        shutil.copytree(CACHE_DIR, cache / CACHE_DIR.name, ignore=unfinished)
    with subprocess.Popen(
        [sys.executable, "-P", "-m", "commenda.strategies.sandboxed"],
        stdin=given,
        stdout=answer,
        stderr=words,
        cwd=work,
        env={
            "COMMENDA_CACHE_DIR": str(cache),
            "HOME": str(work),
            "LANG": "C.UTF-8",
            "OPENBLAS_NUM_THREADS": "1",
            "POLARS_MAX_THREADS": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONHASHSEED": str(hash_seed),
            "PYTHONPATH": str(Path(commenda.__file__).parent.parent),
            "TMPDIR": str(work),
        },
        start_new_session=True,
    ) as child:
        try:
            return child.wait(limits.seconds)
        except subprocess.TimeoutExpired:
            return None
        finally:
            # With its session: whatever it started goes with it.
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)


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


def _read(named: str, answer: bytes, count: int, said: str) -> SandboxedRun:
    """The child's answer; nothing in it is believed to have the form it should have."""
    try:
        (length,) = LENGTH.unpack_from(answer)
        said_so = json.loads(answer[LENGTH.size : LENGTH.size + length])
        if "error" in said_so:
            error = {key: str(text) for key, text in said_so["error"].items() if text is not None}
            refusal = CommendaError(error["code"], error["message"]).at(
                error.get("field"), error.get("value"), error.get("hint")
            )
        else:
            numbers = np.frombuffer(answer, "<f8", offset=LENGTH.size + length)
            equity, targets = numbers.reshape(2, count).astype(np.float64)
            ran = {name: str(said_so[name]) for name in ("strategy", "version", "source_hash")}
            return SandboxedRun(**ran, equity=equity, targets=targets)
    except (struct.error, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise _crashed(named, "without an answer", said) from None
    raise refusal

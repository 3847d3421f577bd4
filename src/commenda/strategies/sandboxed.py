"""The child of `sandbox.py`: reads what to run from standard input, runs it, answers, ends.

It comes here from `walls.py`, behind the first walls. What it is told is pickled by the parent,
which is trusted; what it answers is a length, JSON, and the numbers. What the strategy prints goes
to standard error.
"""

from __future__ import annotations

import json
import math
import os
import pickle
import resource
import sys
from collections.abc import Mapping
from typing import Any

from numba.core import caching

from commenda.kit.errors import CommendaError
from commenda.strategies import walls
from commenda.strategies.faults import run_program
from commenda.strategies.sandbox import LENGTH, Limits, open_walls
from commenda.strategies.shipped import find_strategy


def main(raised: dict[str, str], mapped: int | None) -> None:
    """Run one strategy over the bars on standard input."""
    answer = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    request = pickle.load(sys.stdin.buffer)
    memory = restrict(request["limits"], mapped)
    keep_nothing()
    with walls.noting(raised, "seccomp"):
        walls.no_more_calls()
    platform, secret = request["attacked"]
    held = walls.held(platform, secret, memory)
    numbers = b""
    try:
        said: dict[str, Any] = {"held": held, "raised": raised}
        if request["run"] is not None:
            if found := sorted(name for name in held if held[name] and name not in request["open"]):
                raise open_walls({name: held[name] for name in found})
            ran, numbers = carry_out(request)
            said |= ran
    except CommendaError as error:
        named = ("code", "message", "field", "value", "hint")
        fields = {name: getattr(error, name) for name in named}
        said = {"error": {k: None if v is None else str(v) for k, v in fields.items()}}
    header = json.dumps(said).encode()
    with os.fdopen(answer, "wb") as out:
        out.write(LENGTH.pack(len(header)) + header + numbers)


def restrict(limits: Limits, mapped: int | None) -> int:
    """Have the operating system hold this process to `limits`, for good; its address space."""
    seconds, memory = math.ceil(limits.seconds), _address_space(mapped) + limits.memory
    held = {
        resource.RLIMIT_AS: memory,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_FSIZE: limits.file_size,
        resource.RLIMIT_NOFILE: limits.files,
        resource.RLIMIT_NPROC: 0,
    }
    for which, most in held.items():
        _, hard = resource.getrlimit(which)
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(which, (most, most))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    return memory


def _address_space(mapped: int | None) -> int:
    """What this process has mapped by now; numba and its compiler alone map much."""
    if mapped is None:  # no Linux: most of what there is
        return 1 << 33
    return int(os.pread(mapped, 100, 0).split()[0]) * os.sysconf("SC_PAGE_SIZE")


def keep_nothing() -> None:
    """Have numba write nothing of what it compiles from here on: there is nowhere to write to.

    What it was given to read it still reads, or the loop of every run would be compiled: 1.4 s.
    """
    numba: Any = caching
    numba.Cache.save_overload = lambda *_: None
    numba._CacheLocator.ensure_cache_path = lambda _: None  # it would try to write there


def carry_out(request: Mapping[str, Any]) -> tuple[dict[str, Any], bytes]:
    """Find the strategy, run it, and say what ran, with equity and targets as bytes."""
    strategy = find_strategy(request["strategy"])
    result = run_program(strategy.bind(**request["params"]), **request["run"])
    said = {
        "strategy": strategy.name,
        "version": strategy.version,
        "source_hash": strategy.source_hash,
    }
    return said, result.equity.astype("<f8").tobytes() + result.targets.astype("<f8").tobytes()

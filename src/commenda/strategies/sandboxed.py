"""The child of `sandbox.py`: reads what to run from standard input, runs it, answers, ends.

What it is told is pickled by the parent, which is trusted; what it answers is a length, JSON, and
the numbers. What the strategy prints goes to standard error.
"""

from __future__ import annotations

import json
import math
import os
import pickle
import resource
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from commenda.kernel import run
from commenda.kit.errors import CommendaError
from commenda.strategies.sandbox import LENGTH, Limits
from commenda.strategies.shipped import find_strategy


def main() -> None:
    """Run one strategy over the bars on standard input."""
    answer = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    request = pickle.load(sys.stdin.buffer)
    restrict(request["limits"])
    try:
        said, numbers = carry_out(request)
    except CommendaError as error:
        named = ("code", "message", "field", "value", "hint")
        fields = {name: getattr(error, name) for name in named}
        said = {"error": {k: None if v is None else str(v) for k, v in fields.items()}}
        numbers = b""
    header = json.dumps(said).encode()
    with os.fdopen(answer, "wb") as out:
        out.write(LENGTH.pack(len(header)) + header + numbers)


def restrict(limits: Limits) -> None:
    """Have the operating system hold this process to `limits`, for good."""
    seconds = math.ceil(limits.seconds)
    held = {
        resource.RLIMIT_AS: _address_space() + limits.memory,
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


def _address_space() -> int:
    """What this process has mapped by now; numba and its compiler alone map much."""
    try:
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
    except OSError:  # no Linux: most of what there is
        return 1 << 33
    return pages * os.sysconf("SC_PAGE_SIZE")


def carry_out(request: Mapping[str, Any]) -> tuple[dict[str, Any], bytes]:
    """Find the strategy, run it, and say what ran, with equity and targets as bytes."""
    strategy = find_strategy(request["strategy"])
    result = run(strategy.bind(**request["params"]), **request["run"])
    said = {
        "strategy": strategy.name,
        "version": strategy.version,
        "source_hash": strategy.source_hash,
    }
    return said, result.equity.astype("<f8").tobytes() + result.targets.astype("<f8").tobytes()


if __name__ == "__main__":
    main()

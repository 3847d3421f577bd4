"""Work in a process of its own, which a worker starts and waits for.

The child is a command of this installation. It stands behind trading, its memory is its own, and it
can be ended. A worker that is killed leaves it to finish; whoever takes the work up again finds
what it has done, or begins anew.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable

from commenda.kit import durable


def run_child(
    database_url: str, home: str, arguments: list[str], wanted: Callable[[], bool] = lambda: True
) -> str:
    """Run `commenda ARGUMENTS` until it ends; what it complained of at the end, or nothing. Its
    data directory is `home`, or where that is empty the worker's own.

    It is ended where it is not `wanted` any more, and where this worker ends: InterruptedError
    then, since its process waits for this thread.
    """
    worker = durable.running()
    data = {"COMMENDA_DATA": home} if home else {}
    child = subprocess.Popen(
        [sys.executable, "-m", "commenda", *arguments],
        env={**os.environ, "COMMENDA_DATABASE_URL": database_url, **data},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        while True:
            try:
                _, complaint = child.communicate(timeout=0.5)
            except subprocess.TimeoutExpired:
                if durable.running() is not worker:
                    raise InterruptedError("the worker ended before its child") from None
                if not wanted():
                    return ""
                continue
            return complaint[-2_000:].strip() if child.returncode else ""
    finally:
        if child.poll() is None:  # not wanted, or nobody knows
            child.terminate()
            child.communicate()

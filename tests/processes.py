"""Real processes of `commenda` for tests: started, asked over HTTP, killed."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

MASTER_KEY = "a master key for tests, of 32 characters and more"


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


class Process:
    """One process of the command line, with what it wrote. `program` is what Python runs."""

    program: tuple[str, ...] = ("-m", "commenda")

    def __init__(self, log: Path, *arguments: str, **environment: str) -> None:
        self.arguments = arguments
        self.log = log
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("COMMENDA_") or name == "COMMENDA_CACHE_DIR"
        }
        with log.open("ab") as out:
            self._process = subprocess.Popen(
                [sys.executable, *self.program, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                env={**kept, **environment},
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def stop(self, how: signal.Signals = signal.SIGTERM, within: float = 40.0) -> int:
        """Ask it to end; its exit code."""
        if self.running:
            self._process.send_signal(how)
        return self._process.wait(within)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def written(self) -> str:
        return self.log.read_text(errors="replace")


def answer(url: str, token: str | None = None) -> Any:
    """The JSON behind a URL; None while nobody answers."""
    request = urllib.request.Request(url)
    if token is not None:
        request.add_header("Authorization", f"Bearer {token}")
    try:
        with urllib.request.urlopen(request, timeout=5) as got:
            return json.load(got)
    except urllib.error.HTTPError as error:
        return json.load(error) if error.code == 503 else None
    except (urllib.error.URLError, OSError, ValueError):
        return None


def until(what: str, holds: Callable[[], object], seconds: float, *alive: Process) -> None:
    """Wait until something holds; fails with the logs when a process ends or time is over."""
    deadline = time.monotonic() + seconds
    while not holds():
        ended = [one for one in alive if not one.running]
        if ended or time.monotonic() > deadline:
            logs = "\n".join(f"--- {one.arguments}\n{one.written()[-4000:]}" for one in alive)
            raise AssertionError(f"{what}: {'a process ended' if ended else 'not in time'}\n{logs}")
        time.sleep(0.1)

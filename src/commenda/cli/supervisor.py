"""Look after the processes of `commenda up`: start, start again, stop in order."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from rich.console import Console
from rich.markup import escape

from commenda.kit.errors import CommendaError
from commenda.kit.folder import private_folder
from commenda.kit.keys import Keys
from commenda.settings import Settings

if TYPE_CHECKING:
    from commenda.kit.db import Database

PATIENCE = 20.0
"""Wall seconds that a process has to end by itself."""
_LONGEST_REST = 30.0
_LOOK_AT_DATABASE = 2.0


@dataclass(slots=True)
class Part:
    """One process: the arguments of its command, where it writes, how often it was restarted."""

    name: str
    arguments: list[str]
    log: Path
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    restarts: int = 0
    rest_until: float = field(default=0.0)

    def start(self) -> None:
        # A session of its own: Ctrl-C reaches the supervisor, which then stops all in order.
        with _appended(self.log) as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "commenda", *self.arguments, "--supervised"],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.started_at = time.monotonic()

    def go(self) -> None:
        """The database is open: what was imported meanwhile may begin."""
        if self.process is not None and self.process.stdin is not None:
            with suppress(BrokenPipeError):
                self.process.stdin.write(b"go")
                self.process.stdin.flush()

    def look_after(self, console: Console) -> None:
        """Start it again if it ended; sooner or later as it keeps ending."""
        now = time.monotonic()
        if self.process is not None and self.process.poll() is not None:
            lasted = now - self.started_at
            self.restarts = self.restarts + 1 if lasted < _LONGEST_REST else 1
            rest = min(_LONGEST_REST, 0.5 * 2 ** (self.restarts - 1))
            console.print(
                f"[yellow]{self.name}[/] ended with code {self.process.returncode}"
                f" after {lasted:.0f} s; starting it again in {rest:.0f} s; it wrote to {self.log}",
                highlight=False,
                soft_wrap=True,
            )
            self.process, self.rest_until = None, now + rest
        if self.process is None and now >= self.rest_until:
            self.start()
            self.go()

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()

    def wait(self, deadline: float) -> None:
        if self.process is None:
            return
        try:
            self.process.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def _appended(file: Path) -> BinaryIO:
    """A log to be written on; where the disk takes no more, nothing is kept of what is written."""
    try:
        file.parent.mkdir(mode=0o700, exist_ok=True)
        return file.open("ab")
    except OSError:
        return Path(os.devnull).open("ab")


@contextmanager
def _alone(data: Path, address: str) -> Iterator[None]:
    """Hold the data directory; code `already_up` where another `up` does."""
    with (private_folder(data) / "up.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise CommendaError("already_up", "This data directory is up already").at(
                "--data", data, f"use it at {lock.read().strip()}, or stop that one first"
            ) from None
        lock.truncate(0)
        lock.write(f"{address} (process {os.getpid()})")
        lock.flush()
        yield


def supervise(settings: Settings, parts: Sequence[Part], host: str, port: int) -> int:
    """Run the parts beside the database until a signal; the exit code.

    Codes `already_up`, `port_not_free`, `data_unwritable`, those of `Keys.of`.
    """
    os.umask(0o077)  # what it and its parts write is its owner's alone
    Keys.of(settings)
    with _alone(settings.data, _address(host, port)):
        return _supervise(settings, parts, host, port)


def _supervise(settings: Settings, parts: Sequence[Part], host: str, port: int) -> int:
    console = Console(stderr=True)
    stopping = threading.Event()
    for one in (signal.SIGTERM, signal.SIGINT):
        signal.signal(one, lambda *_: stopping.set())
    begun = time.monotonic()
    _require_free(host, port)
    try:
        for part in parts:  # they import while the database starts, and wait for it
            part.start()
        from commenda.kit.db import Database  # behind that: 0.1 s which they need not wait for

        # Opened here too: the embedded server stays while a part is started again.
        with Database.open(settings) as database, ExitStack() as beside:
            for part in parts:
                part.go()
            _run(database, parts, stopping, console, _address(host, port), begun, beside)
            console.print("stopping …", highlight=False)
            _end(parts)
    finally:
        _end(parts)
    console.print("stopped; the same command goes on from here", highlight=False)
    return 0


def _end(parts: Sequence[Part]) -> None:
    """End the parts in order, the last that was started first."""
    for part in reversed(parts):
        part.stop()
    deadline = time.monotonic() + PATIENCE
    for part in reversed(parts):
        part.wait(deadline)


def _require_free(host: str, port: int) -> None:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise CommendaError("port_not_free", f"Cannot listen on {host}: {error.strerror}").at(
                "--port", port, "stop what listens there, or choose another port"
            ) from error


def _address(host: str, port: int) -> str:
    shown = "localhost" if host in ("127.0.0.1", "0.0.0.0", "::", "::1") else host
    return f"http://{shown}:{port}"


def _run(
    database: Database,
    parts: Sequence[Part],
    stopping: threading.Event,
    console: Console,
    address: str,
    begun: float,
    beside: ExitStack,
) -> None:
    told, looked_at, away = False, 0.0, ""
    while not stopping.wait(0.2 if told else 0.03):
        for part in parts:
            part.look_after(console)
        if time.monotonic() - looked_at > _LOOK_AT_DATABASE:
            try:
                if database.keep_up() or away:
                    console.print(
                        "[yellow]the database[/] was gone and runs again", highlight=False
                    )
                away = ""
            except Exception as error:  # a full disk, for one: whatever it is, it is tried again
                if str(error) != away:
                    away = str(error)
                    console.print(
                        f"[red]the database[/] does not run: {escape(away)}; trying on",
                        highlight=False,
                        soft_wrap=True,
                    )
            looked_at = time.monotonic()
        if not told and _ready(address):
            told = True
            took = time.monotonic() - begun
            console.print(f"[green]ready[/] in {took:.1f} s: [bold]{address}[/]", highlight=False)
            console.print(
                f"  API: {address}/docs · logs: {parts[0].log.parent} · stop with Ctrl-C",
                highlight=False,
                soft_wrap=True,
            )
            with suppress(OSError):  # no room for one more process: runs compile what they need
                beside.enter_context(_compiling(parts[0].log.with_name("compile.log")))


@contextmanager
def _compiling(log: Path) -> Iterator[None]:
    """Compile meanwhile what backtests run, behind everything else: else the first would wait.

    What is compiled already is only looked at.
    """
    with _appended(log) as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "commenda", "strategy", "compile"],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            start_new_session=True,
        )
    try:
        os.setpriority(os.PRIO_PROCESS, process.pid, 19)
        yield
    finally:
        process.kill()
        process.wait()


def _ready(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/readyz", timeout=2) as answer:
            return bool(json.load(answer)["ready"])
    except (urllib.error.URLError, OSError, ValueError, KeyError):
        return False

"""How a long command ends when it is told to: in order, with all that it started, and a way back.

SIGTERM and Ctrl-C stop it at the next line of Python, so that workers, database and files are
closed as at any other end. Where that line is one whose exceptions Python ignores, as in a
callback of the garbage collector's, at the next one after it. Compiled code has no next line of
Python: a step that does not come back is left after `GRACE`.
"""

from __future__ import annotations

import atexit
import os
import shlex
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any

import typer

GRACE = 5.0
"""Wall seconds that a command has to end in order."""
_SOON = 0.05


class Told(KeyboardInterrupt):
    """What a signal raises. A bare KeyboardInterrupt that passes through `exec` of text, as in the
    making of a dataclass, lets CPython end by SIGINT whatever the code of the exit."""


class Life:
    """One command while it runs; `again` is the command that goes on with it, once there is one."""

    def __init__(self) -> None:
        self.again: list[str] = []
        self.told: int | None = None
        self.is_left = False
        """A thread ends the process, whatever becomes of the command."""
        self.hook = sys.unraisablehook

    def stop(self, number: int, _: FrameType | None) -> None:
        """What a signal does: once; whoever is told again is ending already."""
        if self.told is None:
            self.told = number
            raise Told

    def ignored(self, what: Any) -> None:
        """Where an exception comes to nothing: one that was to end the command is raised anew,
        outside of what ignored it."""
        if not isinstance(what.exc_value, Told):
            self.hook(what)
            return
        number, self.told = self.told, None
        assert number is not None
        threading.Timer(_SOON, os.kill, (os.getpid(), number)).start()

    def last_words(self) -> int:
        """Say how to go on; the exit code, as a shell has it."""
        number = self.told or signal.SIGINT
        said = "interrupted" if number == signal.SIGINT else "told to end"
        how = f"; to go on with it:\n  {shlex.join(self.again)}" if self.again else ""
        print(f"{said}{how}", file=sys.stderr, flush=True)  # noqa: T201 - also from a thread
        return 128 + number

    def watch(self, alarm: socket.socket) -> None:
        """Leave without order when the order takes too long: from a thread, for the main one is in
        compiled code."""
        number = alarm.recv(1)
        if not number:
            return
        alarm.settimeout(GRACE)
        try:
            while alarm.recv(16):
                pass
        except TimeoutError:
            self.is_left = True
            self.told = self.told or number[0]
            code = self.last_words()
            for child in children(os.getpid()):
                with suppress(ProcessLookupError):
                    os.kill(child, signal.SIGKILL)
            atexit._run_exitfuncs()  # stops the embedded database
            os._exit(code)


def children(parent: int) -> list[int]:
    """Processes that a process started and that still run, where /proc tells."""
    found = []
    for file in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError, IndexError, ValueError):
            # pid (name) state ppid …: a name may hold spaces and brackets
            if int(file.read_text("utf-8", "replace").rpartition(")")[2].split()[1]) == parent:
                found.append(int(file.parent.name))
    return found


@contextmanager
def life() -> Iterator[Life]:
    """A command that ends in order; see above. Its exit code is 128 and the signal's number."""
    mine = Life()
    if threading.current_thread() is not threading.main_thread():
        yield mine
        return
    numbers = (signal.SIGTERM, signal.SIGINT)
    before = [signal.signal(number, mine.stop) for number in numbers]
    inner, outer = socket.socketpair()
    outer.setblocking(False)
    # The byte is written at once, even while the main thread does not come to its handler.
    woken = signal.set_wakeup_fd(outer.fileno(), warn_on_full_buffer=False)
    threading.Thread(target=mine.watch, args=(inner,), daemon=True).start()
    sys.unraisablehook = mine.ignored
    try:
        yield mine
    except KeyboardInterrupt:
        raise typer.Exit(mine.last_words()) from None
    finally:
        if mine.is_left:  # its database is being stopped: what it failed of is no news
            threading.Event().wait()
        sys.unraisablehook = mine.hook
        signal.set_wakeup_fd(woken)
        outer.close()
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)

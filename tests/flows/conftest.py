"""What the tests of whole processes share."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from commenda.kit.embedded import EmbeddedServer
from databases import never_sync


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, Callable[[], None]]]:
    """The owner's URL of a PostgreSQL of its own, and how to crash and restart it.

    COMMENDA_TEST_SERVER_URL and COMMENDA_TEST_SERVER_RESTART (a command) name another one.
    """
    if "COMMENDA_TEST_SERVER_URL" in os.environ:

        def command() -> None:
            subprocess.run(["sh", "-c", os.environ["COMMENDA_TEST_SERVER_RESTART"]], check=True)

        yield os.environ["COMMENDA_TEST_SERVER_URL"], command
        return
    folder = tmp_path / "postgres"
    running = EmbeddedServer.start(folder)

    def restart() -> None:
        postmaster = int((folder / "postmaster.pid").read_text().split()[0])
        os.kill(postmaster, signal.SIGQUIT)  # an immediate shutdown: recovery at the next start
        while (folder / "postmaster.pid").exists():
            time.sleep(0.05)
        time.sleep(1)  # everybody notices
        running.revive()

    try:
        url = running.prepare()
        never_sync(url)
        yield url, restart
    finally:
        running.release()

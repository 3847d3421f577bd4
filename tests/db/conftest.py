"""What tests of chains and of schedules share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import Result

from chained import commenda, deposit, findings, seal_all
from commenda.kit.db import Database
from office import Office
from people import SETTINGS
from pool import Pool


@pytest.fixture
def pool(db: Database) -> Pool:
    return Pool(db)


@pytest.fixture
def sealed(db: Database) -> Database:
    """Nine journals on four accounts, the fifth of three entries, sealed in batches."""
    for number in range(1, 10):
        deposit(db, number, *(("ines", "jon") if number == 5 else ("ines",)))
    assert seal_all(db, limit=6) == 9
    assert findings(db) == []
    return db


@pytest.fixture
def verify(
    sealed: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Result]:
    """`commenda verify` on this database, with the key of its installation."""
    monkeypatch.setenv("COMMENDA_DATABASE_URL", sealed.owner_url)
    monkeypatch.setenv("COMMENDA_MASTER_KEY", str(SETTINGS.master_key))
    monkeypatch.setenv("COMMENDA_DATA", str(tmp_path))
    return commenda


@pytest.fixture
def office(db: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[Office]:
    office = Office(db, monkeypatch)
    yield office
    for worker in office.workers:
        worker.close()

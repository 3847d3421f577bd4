"""The real application over the test's database, and people who are signed in."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from commenda.app import create_app
from commenda.kit.db import Database
from people import SETTINGS, SignIn, signed_in


@pytest.fixture(scope="session")
def application(database: Database) -> FastAPI:
    """Built once, for its routes take 0.2 s. But for its figures, what it holds begins anew with
    each client."""
    return create_app(SETTINGS, database)


@pytest.fixture
def client(db: Database, application: FastAPI) -> Iterator[TestClient]:
    with TestClient(application, raise_server_exceptions=False) as opened:
        yield opened


@pytest.fixture
def sign_in(db: Database) -> SignIn:
    return lambda role, name="", second_factor=True: signed_in(db, role, name, second_factor)

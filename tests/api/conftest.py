"""The real application over the test's database, and people who are signed in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from pwdlib.hashers.argon2 import Argon2Hasher

from commenda.app import create_app
from commenda.identity import passwords
from commenda.kit.db import Database
from people import SETTINGS, SignIn, signed_in
from world import World

HASHER = passwords.hasher


@contextmanager
def hashing(hasher: Callable[[], Argon2Hasher]) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(passwords, "hasher", hasher)
        passwords._nobodys.cache_clear()
        yield
    passwords._nobodys.cache_clear()


@pytest.fixture(scope="session", autouse=True)
def cheap_passwords() -> Iterator[None]:
    """Passwords at the least cost that argon2 has."""
    cheap = Argon2Hasher(time_cost=1, memory_cost=8, parallelism=1)
    with hashing(lambda: cheap):
        yield


@pytest.fixture
def dear_passwords() -> Iterator[None]:
    """Passwords at the cost of the house."""
    with hashing(HASHER):
        yield


@pytest.fixture(scope="session")
def application(database: Database) -> FastAPI:
    """Built once. But for its figures, what it holds begins anew with
    each client."""
    return create_app(SETTINGS, database)


@pytest.fixture
def client(db: Database, application: FastAPI) -> Iterator[TestClient]:
    with TestClient(application, raise_server_exceptions=False) as opened:
        yield opened


@pytest.fixture
def sign_in(db: Database) -> SignIn:
    return lambda role, name="", second_factor=True: signed_in(db, role, name, second_factor)


@pytest.fixture
def world(db: Database) -> World:
    return World(db, hours=48)

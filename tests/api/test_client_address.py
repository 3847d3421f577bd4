"""Forged addresses pass no throttle and enter no list; a stranger locks nobody out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient

from commenda.app import create_app
from commenda.identity import http as routes
from commenda.kit.db import Database
from commenda.kit.errors import CommendaError
from commenda.settings import Settings
from identity_steps import API, Wall, bearer, joined, login, register
from people import SETTINGS

PROXY, HOME, CAFE, STRANGER = "10.0.0.1", "192.0.2.10", "192.0.2.20", "203.0.113.66"


@pytest.fixture(autouse=True)
def wall(monkeypatch: pytest.MonkeyPatch) -> Wall:
    made = Wall()
    monkeypatch.setattr(routes, "wall_now", made.now)
    return made


@contextmanager
def at(db: Database, address: str, settings: Settings = SETTINGS) -> Iterator[TestClient]:
    """Somebody who holds a connection from an address."""
    app = create_app(settings, db)
    with TestClient(app, raise_server_exceptions=False, client=(address, 4711)) as opened:
        yield opened


def tried(client: TestClient, name: str = "ada", **headers: str) -> int:
    body = {"username": name, "password": "a wrong passphrase"}
    sent = {key.replace("_", "-"): value for key, value in headers.items()}
    return client.post(f"{API}/auth/login", json=body, headers=sent).status_code


@pytest.mark.parametrize("peer", ["127.0.0.1", STRANGER])
@pytest.mark.parametrize("header", ["X_Forwarded_For", "Forwarded", "X_Real_IP"])
def test_a_forged_address_passes_no_throttle(db: Database, peer: str, header: str) -> None:
    value = "for=198.51.100.{}" if header == "Forwarded" else "198.51.100.{}"
    with at(db, peer) as client:
        answers = [tried(client, f"name{n}", **{header: value.format(n)}) for n in range(22)]
    assert answers == [401] * 21 + [429]


def test_a_forged_address_is_in_no_list(db: Database) -> None:
    with at(db, "127.0.0.1") as client:
        client.headers["X-Forwarded-For"] = "8.8.8.8"
        signed = joined(client)
        (session,) = client.get(f"{API}/auth/sessions", headers=bearer(signed)).json()
    assert session["address"] == "127.0.0.1"


def test_behind_a_trusted_proxy_each_client_is_throttled_alone(db: Database) -> None:
    behind = replace(SETTINGS, trusted_proxies=("10.0.0.0/8",))
    with at(db, PROXY, behind) as client:
        forged = [
            tried(client, f"name{n}", X_Forwarded_For=f"198.51.100.{n}, {STRANGER}")
            for n in range(22)
        ]
        assert forged == [401] * 21 + [429], "what the client wrote does not count"
        assert tried(client, "another", X_Forwarded_For=HOME) == 401
        client.headers["X-Forwarded-For"] = f"8.8.8.8, {HOME}"
        signed = joined(client)
        (session,) = client.get(f"{API}/auth/sessions", headers=bearer(signed)).json()
    assert session["address"] == HOME


def test_a_strangers_wrong_passwords_lock_out_strangers_and_not_the_owner(
    db: Database, wall: Wall
) -> None:
    with at(db, HOME) as home:
        joined(home)
    for n in range(8):  # from many places
        with at(db, f"203.0.113.{n}") as stranger:
            answer = tried(stranger)
    assert answer == 429
    with at(db, HOME) as home:
        assert login(home).status_code == 200, "from where she has been"
    with at(db, CAFE) as cafe:
        assert login(cafe).status_code == 429, "from elsewhere she waits with the strangers"
    wall(timedelta(minutes=15))
    with at(db, CAFE) as cafe:
        assert login(cafe).status_code == 200


def test_the_owners_sign_in_gives_strangers_no_new_guesses(db: Database) -> None:
    with at(db, HOME) as home:
        joined(home)
        for n in range(6):
            with at(db, f"203.0.113.{n}") as stranger:
                assert tried(stranger) == 401
        assert login(home).status_code == 200
    with at(db, STRANGER) as stranger:
        assert tried(stranger) == 429


def test_guessing_from_where_the_owner_has_been_is_throttled_too(db: Database) -> None:
    with at(db, HOME) as home:
        joined(home)
        assert [tried(home) for _ in range(7)] == [401] * 6 + [429]


def test_a_network_of_ipv6_is_one_address(db: Database) -> None:
    with at(db, "2001:db8:1:2::1") as home:
        register(home)
    answers = []
    for n in range(22):
        with at(db, f"2001:db8:1:2::{n + 1:x}") as client:
            answers.append(tried(client, f"name{n}"))
    assert answers == [401] * 21 + [429]


def test_a_network_that_is_none_is_refused_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMMENDA_TRUSTED_PROXIES", "10.0.0.0/8, 10.0.0.1/8")
    with pytest.raises(CommendaError, match="COMMENDA_TRUSTED_PROXIES") as caught:
        Settings.from_environment()
    assert (caught.value.code, caught.value.value) == ("bad_setting", "10.0.0.1/8")


def test_the_server_believes_no_header_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    import uvicorn

    from commenda.cli import service

    seen: dict[str, Any] = {}

    class Config(uvicorn.Config):
        def __init__(self, *given: Any, **named: Any) -> None:
            seen.update(named)
            raise KeyboardInterrupt

    monkeypatch.setattr(uvicorn, "Config", Config)
    with pytest.raises(KeyboardInterrupt):
        service.api()
    assert seen["proxy_headers"] is False

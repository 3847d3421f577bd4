"""Who is told what changed: one's own, and what one's permissions show; never another's."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from random import Random

import psycopg
import pytest
from websockets.sync.client import ClientConnection

from commenda.alerts import raise_alerts
from commenda.audit import Event
from commenda.identity import Role
from commenda.identity.tokens import Tokens
from commenda.kit import bus, ids
from commenda.kit.db import Database, Tx
from commenda.kit.keys import Keys
from commenda.kit.times import iso
from commenda.ledger import Owner, OwnerKind
from commenda.managed import authorise_custody
from scripted import ASSET, D
from socketed import (
    SETTINGS,
    TOO_SLOW,
    Server,
    closing,
    hear,
    hear_until,
    listeners,
    serving,
    tell,
    token,
    wait_until,
)
from world import World

URL = "/ws/changes"
SOON = 2.0
"""Seconds within which what changed is told."""
LONG = 10.0
"""As long as a busy machine may take; `SOON` is held where nothing else runs."""


@pytest.fixture
def world(db: Database) -> Iterator[World]:
    """A business, and a worker's thread that tells what changes in it."""
    with telling(db):
        yield World(db)


@contextmanager
def telling(db: Database) -> Iterator[None]:
    stopping = threading.Event()
    thread = threading.Thread(target=bus.keep_telling, args=(db, stopping))
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join(10)


@contextmanager
def hearing(
    db: Database, *people: tuple[str, str], **limits: object
) -> Iterator[tuple[Server, list[ClientConnection]]]:
    """Sockets of these people, once it is told that they are here."""
    tokens = [token(db, *one) for one in people]
    wait_until(lambda: untold(db) == 0)
    time.sleep(bus.TOLD_EVERY)
    with serving(db, **limits) as server, ExitStack() as stack:
        readers = [stack.enter_context(server.connect(URL, one)) for one in tokens]
        for one in readers:
            assert hear(one)["items"] == []
        yield server, readers


def untold(db: Database) -> int:
    with psycopg.connect(db.owner_url) as connection:
        row = connection.execute("SELECT count(*) FROM changes").fetchone()
    assert row is not None
    return int(row[0])


def owner(name: str) -> Owner:
    """The owner who is `token(db, "investor", name)`."""
    return Owner(OwnerKind.INVESTOR, ids.derive("socket-user", "investor", name))


def told(reader: ClientConnection, topic: str) -> set[str]:
    """All topics that are told until this one is."""
    heard: set[str] = set()
    end = time.monotonic() + LONG
    while topic not in heard:
        assert time.monotonic() < end, f"heard {heard}, and not {topic}"
        heard |= set(hear_until(reader, "update")["data"]["topics"])
    return heard


def silent(reader: ClientConnection) -> bool:
    """Whether nothing is told for so long that it would have been."""
    try:
        message = reader.recv(timeout=3 * bus.TOLD_EVERY)
    except TimeoutError:
        return True
    pytest.fail(f"was told {message!r}")


INES, OTTO = ("investor", "ines"), ("investor", "otto")


def test_money_is_told_to_whose_it_is_and_to_nobody_else(world: World) -> None:
    db = world.database
    with hearing(db, INES, OTTO, ("operator", "")) as (_, (ines, otto, staff)):
        begun = time.monotonic()
        world.pay_in(owner("ines"), D(500), "first")
        update = hear(ines)
        assert time.monotonic() - begun < SOON
        assert (update["topic"], update["data"]["topics"]) == ("changes", ["wallet"])
        assert update["data"]["at"] == iso(world.now)
        assert silent(otto)
        assert silent(staff)


def test_a_subscription_is_told_to_its_investor_and_to_the_staff(world: World) -> None:
    db = world.database
    world.creator("anna")
    product = world.product()
    with hearing(db, INES, OTTO, ("risk", "")) as (_, (ines, otto, staff)):
        world.pay_in(owner("ines"), D(20_000), "first")
        with db.transaction() as tx:
            authorise_custody(tx, world.author, owner("ines").id, ASSET, D(20_000))
        world.subscribe(owner("ines"), product, 10_000)
        assert told(ines, "subscriptions") == {"wallet", "subscriptions"}
        assert told(staff, "subscriptions") <= {"subscriptions", "notices"}
        assert silent(otto)


def test_what_everybody_may_see_is_told_to_everybody(world: World) -> None:
    with hearing(world.database, INES, ("auditor", "")) as (_, readers):
        world.product(days=9)
        for one in readers:
            assert told(one, "products") == {"products"}


def test_alerts_are_told_to_the_staff_alone(world: World) -> None:
    about = ids.derive("a difference")
    event = Event("alert.unreconciled", "cash", about, "1", "test", "test/1", world.now, {})
    with hearing(world.database, INES, ("auditor", "")) as (_, (ines, auditor)):
        with world.database.transaction() as tx:
            raise_alerts(tx, [event])
        assert told(auditor, "alerts") <= {"alerts", "notices"}
        assert silent(ines)


def test_what_is_rolled_back_is_not_told_and_what_repeats_is_told_once(world: World) -> None:
    def authorise(tx: Tx, limit: int) -> None:
        authorise_custody(tx, world.author, owner("ines").id, ASSET, D(limit))

    def undone() -> None:
        with world.database.transaction() as tx:
            authorise(tx, 1)
            raise ZeroDivisionError

    with hearing(world.database, INES) as (_, (ines,)):
        with pytest.raises(ZeroDivisionError):
            undone()
        assert silent(ines)
        with world.database.transaction() as tx:
            for limit in range(1, 101):
                authorise(tx, limit)
        assert hear(ines)["data"]["topics"] == ["wallet"]
        assert silent(ines)


def test_after_a_lost_connection_a_gap_says_that_anything_may_have_changed(world: World) -> None:
    db = world.database
    with hearing(db, INES) as (_, (ines,)):
        wait_until(lambda: listeners(db) == 1)
        world.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'commenda bus' AND datname = current_database()"
        )
        assert [hear(ines)["type"] for _ in range(2)] == ["gap", "snapshot"]
        world.pay_in(owner("ines"), D(500), "first")
        assert told(ines, "wallet") == {"wallet"}


def test_a_reader_that_falls_behind_is_dropped_and_another_goes_on(world: World) -> None:
    random, db = Random(1), world.database  # compressible messages would fit into the buffers
    narrow = socket.socket()
    narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    with hearing(db, INES, inbox=16, heartbeat=60) as (server, (fast,)):
        narrow.connect(("127.0.0.1", server.port))
        with server.connect(URL, token(db, *INES), sock=narrow, max_queue=1) as slow:
            hear(slow)
            for n in range(300):
                tell(db, f"changes:{owner('ines').id}", topics=[random.randbytes(3000).hex()], n=n)
                assert hear(fast)["data"]["n"] == n
                if server.sockets.closed[TOO_SLOW]:
                    break
            assert closing(slow) == (TOO_SLOW, "too slow")


def test_who_may_see_something_else_from_now_on_must_connect_again(world: World) -> None:
    with hearing(world.database, ("operator", "")) as (_, (reader,)):
        user = ids.derive("socket-user", "operator", "")
        tokens = Tokens(Keys.of(SETTINGS).derive("access-tokens"))
        newer = tokens.issue(user, Role.AUDITOR, ids.derive("other"), True, datetime.now(UTC))
        reader.send(json.dumps({"type": "auth", "token": newer}))
        assert closing(reader) == (4403, "what you may see has changed: connect again")


def test_nobody_hears_without_a_token_that_stands(world: World) -> None:
    late = token(world.database, *INES, left=timedelta(seconds=-5))
    with serving(world.database) as server, server.connect(URL, late) as reader:
        assert closing(reader)[0] == 4401

"""What sockets are told: bars, signals, alerts; slow readers, lost connections, Redis."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from random import Random
from urllib.request import urlopen
from uuid import UUID

import psycopg
import pytest
import redis

from commenda.alerts import raise_alerts
from commenda.audit import Event, record
from commenda.books import record_nav
from commenda.kit import bus, ids
from commenda.kit.db import Database
from commenda.market import Bar, Kind, ensure_instrument, tell_bar, write_bars
from commenda.operations.live import nav_recorded, signal_published
from commenda.settings import Settings
from socketed import (
    MARKET,
    REDIS,
    SETTINGS,
    TOO_SLOW,
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


@pytest.fixture
def world(db: Database) -> World:
    return World(db, hours=48)


# --- what is told ----------------------------------------------------------------------------


def test_bars_that_are_stored_come_first_and_new_ones_follow(world: World) -> None:
    instrument = world.instruments["AAAUSDT"].id
    with world.database.transaction() as tx:
        tx.execute(
            "INSERT INTO market_bars SELECT %s, to_timestamp(n * 60), 60, 1, 2, 0.5, 1.5, n"
            " FROM generate_series(1, 120) n",
            (instrument,),
        )
    with (
        serving(world.database) as server,
        server.connect("/ws/market/AAAUSDT", token(world.database, "investor")) as reader,
    ):
        snapshot = hear(reader)
        assert snapshot["topic"] == MARKET
        assert [bar["volume"] for bar in snapshot["items"]] == list(range(21, 121))
        assert snapshot["items"][-1] == {
            "type": "bar",
            "venue": "simulated",
            "symbol": "AAAUSDT",
            "ts": 7200,
            "interval": 60,
            "open": 1,
            "high": 2,
            "low": 0.5,
            "close": 1.5,
            "volume": 120,
        }
        tell(world.database, "market:simulated:BBBUSDT", ts=1)
        tell(world.database, MARKET, ts=7260)
        assert hear(reader) == {
            "seq": 2,
            "type": "update",
            "topic": MARKET,
            "data": {"ts": 7260},
        }


def test_two_venues_with_one_symbol_are_told_apart(world: World) -> None:
    """Bars, values of the cache and the snapshot of each; without a name the one that a feed
    follows, and that one still where the other is followed later."""
    first = world.instruments["AAAUSDT"]
    with world.database.transaction() as tx:
        spot = ensure_instrument(
            tx, replace(first, venue="binance_spot", kind=Kind.SPOT, simulated=False)
        )
        write_bars(tx, 60, [(one, Bar(0, *[one.id] * 5)) for one in (first, spot)])
        tx.execute(
            "INSERT INTO market_feeds (name, instrument_id, seen_at, book_right, messages,"
            " losses, resyncs) VALUES ('feed', %s, now(), true, 0, 0, 0)",
            (spot.id,),
        )
    address, secret = "/ws/market/AAAUSDT", token(world.database, "investor")
    with (
        serving(world.database) as server,
        server.connect(address, secret) as unnamed,
        server.connect(f"{address}?venue=simulated", secret) as perpetuals,
        server.connect(f"{address}?venue=nowhere", secret) as nowhere,
        server.connect(f"{address}?venue=%00", secret) as nothing,
    ):
        assert closing(nowhere)[0] == closing(nothing)[0] == 4404
        for reader, one in ((unnamed, spot), (perpetuals, first)):
            (bar,) = hear(reader)["items"]
            assert (bar["venue"], bar["close"]) == (one.venue, one.id)
        with world.database.transaction() as tx:
            tx.execute("UPDATE market_feeds SET stopped_at = now()")
            for one in (first, spot):
                tell_bar(tx, one, 60, Bar(60, *[one.id] * 5))
        for one in (first, spot):
            about = {"type": "tick", "feed": "f", "at": 1, "id": one.id}
            tell(world.database, f"md:tick:AAAUSDT@{one.venue}", **about)
        for reader, one in ((unnamed, spot), (perpetuals, first)):
            told = [hear(reader) for _ in range(2)]
            assert {message["topic"] for message in told} == {f"market:{one.venue}:AAAUSDT"}
            values = [message["data"] for message in told]
            assert {value.get("close", value.get("id")) for value in values} == {one.id}


def test_news_that_a_snapshot_had_already_are_not_told_again(world: World) -> None:
    flow = world.creator("anna")
    signal = world.signal(flow, "0.5")
    with (
        serving(world.database) as server,
        server.connect(f"/ws/strategy/{flow.id}", token(world.database, "risk")) as reader,
    ):
        (item,) = hear(reader)["items"]
        assert (item["type"], UUID(item["signalId"]), item["target"]) == ("signal", signal, "0.5")
        with world.database.transaction() as tx:
            signal_published(tx, signal)
        other = world.signal(flow, "0.25")
        with world.database.transaction() as tx:
            signal_published(tx, other)
        update = hear(reader)
        assert (update["seq"], UUID(update["data"]["signalId"])) == (2, other)


def test_a_strategy_s_socket_is_told_what_its_creator_s_book_is_worth(world: World) -> None:
    flow = world.creator("anna", capital=10_000)
    with (
        serving(world.database) as server,
        server.connect(f"/ws/strategy/{flow.id}", token(world.database, "risk")) as reader,
    ):
        assert hear(reader)["items"] == []
        world.advance()
        with world.database.transaction() as tx:
            record_nav(tx, world.now, world.broker.marks(world.now))
            nav_recorded(tx, world.now)
        value = hear(reader)["data"]
        assert (value["type"], value["capital"], value["nav"]) == ("nav", "10000", "10000")
    with (
        serving(world.database) as server,
        server.connect(f"/ws/strategy/{flow.id}", token(world.database, "risk")) as reader,
    ):
        assert hear(reader)["items"] == [value]


def test_an_alert_is_told_with_its_event_and_once(world: World) -> None:
    def event(kind: str) -> Event:
        correlation = ids.derive("test", kind)
        return Event(kind, "book", correlation, "raised", "risk", "r/1", world.now, {"n": 1})

    with (
        serving(world.database) as server,
        server.connect("/ws/alerts", token(world.database, "risk")) as reader,
    ):
        assert hear(reader)["items"] == []
        for _ in range(2):
            with world.database.transaction() as tx:
                raise_alerts(tx, [event("alert.unreconciled")])
                record(tx, [event("settlement.done")])
        with world.database.transaction() as tx:
            raise_alerts(tx, [event("liquidation.failed")])
        first, second = hear(reader), hear(reader)
        assert (first["data"]["kind"], second["data"]["kind"]) == (
            "alert.unreconciled",
            "liquidation.failed",
        )
        with server.connect("/ws/alerts", token(world.database, "auditor")) as late:
            assert hear(late)["items"] == [first["data"], second["data"]]


def test_every_process_tells_what_was_published_once(world: World) -> None:
    secret = token(world.database, "investor")
    with (
        serving(world.database) as one,
        serving(world.database) as two,
        one.connect("/ws/market/AAAUSDT", secret) as first,
        two.connect("/ws/market/AAAUSDT", secret) as second,
    ):
        hear(first), hear(second)
        tell(world.database, MARKET, ts=1)
        tell(world.database, MARKET, ts=2)
        for reader in (first, second):
            assert [hear(reader)["data"]["ts"] for _ in range(2)] == [1, 2]


def test_a_transaction_that_rolls_back_tells_nothing(world: World) -> None:
    with (
        serving(world.database) as server,
        server.connect("/ws/market/AAAUSDT", token(world.database, "investor")) as reader,
    ):
        hear(reader)
        with world.database.transaction() as tx:
            bus.publish(tx, MARKET, {"ts": 1})
            raise psycopg.Rollback
        tell(world.database, MARKET, ts=2)
        assert hear(reader)["data"] == {"ts": 2}


def test_a_message_too_large_to_send_makes_its_readers_read_again(world: World) -> None:
    with (
        serving(world.database) as server,
        server.connect("/ws/market/AAAUSDT", token(world.database, "investor")) as reader,
    ):
        hear(reader)
        tell(world.database, MARKET, text="x" * 8000)
        assert [hear(reader)["type"] for _ in range(2)] == ["gap", "snapshot"]
        largest = "é" * ((bus.LARGEST - len(f'{MARKET} {{"text":""}}')) // len("\\u00e9"))
        tell(world.database, MARKET, text=largest)
        assert hear(reader)["data"] == {"text": largest}


# --- slow readers, lost connections ----------------------------------------------------------


def test_a_slow_reader_is_dropped_with_a_reason_and_a_fast_one_goes_on(world: World) -> None:
    random = Random(1)  # compressible messages would fit into the buffers
    secret = token(world.database, "investor")
    narrow = socket.socket()
    narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    heard: list[int] = []

    with serving(world.database, inbox=16, heartbeat=60) as server:
        narrow.connect(("127.0.0.1", server.port))
        with (
            server.connect("/ws/market/AAAUSDT", secret) as fast,
            server.connect("/ws/market/AAAUSDT", secret, sock=narrow, max_queue=1) as slow,
        ):
            hear(fast), hear(slow)
            for n in range(200):
                tell(world.database, MARKET, n=n, noise=random.randbytes(3000).hex())
                heard.append(hear(fast)["data"]["n"])
                if server.sockets.closed[TOO_SLOW]:
                    break
            assert server.sockets.closed[TOO_SLOW] == 1
            tell(world.database, MARKET, n=len(heard), noise="")
            heard.append(hear(fast)["data"]["n"])
            assert heard == list(range(len(heard)))
            # It finds what was on its way, and then why there is no more.
            assert closing(slow) == (4408, "too slow")
        wait_until(lambda: server.sockets.open == 0)
        with urlopen(f"http://127.0.0.1:{server.port}/metrics") as answer:
            metrics = answer.read().decode()
        assert "commenda_sockets_open 0.0" in metrics
        assert "commenda_sockets_opened_total 2.0" in metrics
        assert 'commenda_sockets_closed_total{code="4408"} 1.0' in metrics


def test_a_slow_reader_is_told_the_latest_book_and_every_bar(world: World) -> None:
    """Four hundred books do not fit into an inbox of sixteen: each takes the place of the last."""
    random = Random(3)
    secret, venue = token(world.database, "investor"), world.instruments["AAAUSDT"].venue
    narrow = socket.socket()
    narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    book = {"type": "book", "feed": "f", "right": True}
    with serving(world.database, inbox=16, heartbeat=60) as server:
        narrow.connect(("127.0.0.1", server.port))
        with (
            server.connect("/ws/market/AAAUSDT", secret) as fast,
            server.connect("/ws/market/AAAUSDT", secret, sock=narrow, max_queue=1) as slow,
        ):
            hear(fast), hear(slow)
            for n in range(400):
                noise = random.randbytes(2000).hex()
                about = {**book, "at": n, "id": n, "noise": noise}
                tell(world.database, f"md:book:AAAUSDT@{venue}", **about)
                if n % 100 == 0:
                    tell(world.database, MARKET, bar=n)
            while hear(fast)["data"].get("id") != 399:
                pass
            told = [hear(slow)["data"]]
            while not {399, 300} <= {one.get("id", one.get("bar")) for one in told}:
                told.append(hear(slow)["data"])
            assert [one["bar"] for one in told if "bar" in one] == [0, 100, 200, 300]
            books = [one["id"] for one in told if "id" in one]
            assert books == sorted(set(books))
            assert len(books) < 300
            assert server.sockets.skipped >= 400 - len(books)
            assert server.sockets.closed[TOO_SLOW] == 0


def test_a_reader_that_never_reads_again_does_not_keep_its_seat(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("commenda.sockets.TO_TAKE_LEAVE", 0.3)
    random = Random(2)
    narrow = socket.socket()
    narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    with serving(world.database, inbox=16, heartbeat=60) as server:
        narrow.connect(("127.0.0.1", server.port))
        secret = token(world.database, "investor")
        with server.connect("/ws/market/AAAUSDT", secret, sock=narrow, max_queue=1) as deaf:
            hear(deaf)
            for n in range(300):
                tell(world.database, MARKET, n=n, noise=random.randbytes(3000).hex())
                if server.sockets.closed[TOO_SLOW]:
                    break
            wait_until(lambda: server.sockets.open == 0)
            deaf.socket.close()


def test_a_lost_database_connection_is_told_as_a_gap_and_mended(world: World) -> None:
    with (
        serving(world.database) as server,
        server.connect("/ws/market/AAAUSDT", token(world.database, "investor")) as reader,
    ):
        hear(reader)
        for ts in (1, 2):
            with world.database.transaction() as tx:
                ended = tx.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE application_name = 'commenda bus' AND datname = current_database()"
                ).fetchall()
            assert ended == [(True,)]
            assert [hear(reader)["type"] for _ in range(2)] == ["gap", "snapshot"]
            tell(world.database, MARKET, ts=ts)
            assert hear(reader)["data"] == {"ts": ts}


def test_with_redis_messages_take_that_way_and_without_its_relay_the_other(world: World) -> None:
    try:
        redis.Redis.from_url(REDIS, socket_connect_timeout=1).ping()
    except redis.RedisError as error:
        pytest.skip(f"no Redis at {REDIS}: {error}")
    settings = replace(SETTINGS, redis_url=REDIS)
    secret = token(world.database, "investor")

    with (
        serving(world.database, settings) as server,
        server.connect("/ws/market/AAAUSDT", secret) as reader,
    ):
        source = server.sockets.bus
        hear(reader)
        assert source.source == "postgresql"
        for ts in (1, 10):  # the relay comes, goes, and comes again
            with relaying(settings, world.database), relaying(settings, world.database):
                wait_until(lambda: source.source == "redis")
                assert hear_until(reader, "snapshot")
                time.sleep(0.3)
                assert listeners(world.database) == 0
                tell(world.database, MARKET, ts=ts)
                assert hear_until(reader, "update")["data"] == {"ts": ts}
            wait_until(lambda: source.source == "postgresql")
            assert hear_until(reader, "gap")
            tell(world.database, MARKET, ts=ts + 1)
            assert hear_until(reader, "update")["data"] == {"ts": ts + 1}


@contextmanager
def relaying(settings: Settings, database: Database) -> Iterator[None]:
    stopping = threading.Event()
    thread = threading.Thread(target=bus.relay, args=(settings, database, stopping), daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join(10)
        assert not thread.is_alive()

"""Live messages over real connections to a real server."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any
from urllib.request import urlopen
from uuid import UUID

import psycopg
import pytest
import redis
import uvicorn
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from commenda.alerts import raise_alerts
from commenda.app import create_app
from commenda.audit import Event, record
from commenda.books import record_nav
from commenda.identity import Role, register_users
from commenda.identity.tokens import ACCESS_LIFETIME, Tokens
from commenda.kit import bus, ids
from commenda.kit.db import Database
from commenda.kit.keys import Keys
from commenda.operations.live import nav_recorded, signal_published
from commenda.settings import Settings
from commenda.sockets import Sockets
from world import World

SETTINGS = Settings(
    master_key="the sockets' own master key, 32 characters or more",
    cors_origins=("https://console.example",),
    requests_per_minute=0,
)
REDIS = "redis://127.0.0.1:6379/0"
MARKET = "market:AAAUSDT"
TOO_SLOW = 4408


@dataclass(frozen=True)
class Server:
    """One API process, and what a client needs to reach it."""

    port: int
    sockets: Sockets

    def connect(self, path: str, token: str | None = None, **options: Any) -> ClientConnection:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        options.setdefault("additional_headers", headers)
        return connect(f"ws://127.0.0.1:{self.port}{path}", open_timeout=10, **options)


@contextmanager
def serving(db: Database, settings: Settings = SETTINGS, **limits: object) -> Iterator[Server]:
    """A server in a thread; `limits` replace those of its sockets."""
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)  # so that slowness shows soon
    listening.bind(("127.0.0.1", 0))
    app = create_app(settings, db)
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="on"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    wait_until(lambda: server.started)
    for name, value in limits.items():
        setattr(app.state.sockets, name, value)
    try:
        yield Server(listening.getsockname()[1], app.state.sockets)
    finally:
        server.should_exit = True
        thread.join(15)
        assert not thread.is_alive()


@pytest.fixture
def world(db: Database) -> World:
    return World(db, hours=48)


def token(db: Database, role: str, name: str = "", *, left: timedelta = ACCESS_LIFETIME) -> str:
    """An access token of a user of this role, in a session of their own; valid for `left`."""
    user, now = ids.derive("socket-user", role, name), datetime.now(UTC)
    with db.transaction() as tx:
        register_users(tx, [(user, f"{role}{name}")], role, now)
    issued = now - ACCESS_LIFETIME + left
    tokens = Tokens(Keys.of(SETTINGS).derive("access-tokens"))
    return tokens.issue(user, Role(role), ids.derive("socket-session", user), True, issued)


def tell(db: Database, topic: str, **payload: object) -> None:
    with db.transaction() as tx:
        bus.publish(tx, topic, payload)


def hear(reader: ClientConnection) -> dict[str, Any]:
    message: dict[str, Any] = json.loads(reader.recv(timeout=10))
    return message


def hear_until(reader: ClientConnection, kind: str) -> dict[str, Any]:
    while (message := hear(reader))["type"] != kind:
        pass
    return message


def closing(reader: ClientConnection) -> tuple[int, str]:
    """The code and reason with which the server ends this connection."""
    with pytest.raises(ConnectionClosed) as closed:
        _read_on(reader)
    frame = closed.value.rcvd
    assert frame is not None, closed.value
    return frame.code, frame.reason


def _read_on(reader: ClientConnection) -> None:
    end = time.monotonic() + 15  # heartbeats may go on
    while time.monotonic() < end:
        reader.recv(timeout=15)


def wait_until(met: Callable[[], object], seconds: float = 15) -> None:
    end = time.monotonic() + seconds
    while not met():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


# --- who is let in ---------------------------------------------------------------------------


def test_a_socket_without_a_token_is_closed_as_not_signed_in(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("commenda.sockets.TO_SIGN_IN", 0.2)
    with serving(world.database) as server, server.connect("/ws/market/AAAUSDT") as reader:
        assert closing(reader) == (4401, "sign in first")


def test_a_false_token_is_refused(world: World) -> None:
    with serving(world.database) as server:
        with server.connect("/ws/market/AAAUSDT", "not.a.token") as reader:
            assert closing(reader) == (4401, "The access token is not valid")
        with server.connect("/ws/market/AAAUSDT", "ck_unknown") as reader:
            assert closing(reader)[0] == 4401


def test_a_browser_signs_in_with_a_subprotocol_and_gets_one_back(world: World) -> None:
    secret = token(world.database, "investor")
    with (
        serving(world.database) as server,
        server.connect(
            "/ws/market/AAAUSDT", subprotocols=["commenda", f"bearer.{secret}"]
        ) as reader,
    ):
        assert reader.subprotocol == "commenda"
        assert hear(reader)["type"] == "snapshot"


def test_a_first_message_signs_in(world: World) -> None:
    with serving(world.database) as server, server.connect("/ws/market/AAAUSDT") as reader:
        secret = token(world.database, "investor")
        reader.send(json.dumps({"type": "auth", "token": secret}))
        assert hear(reader)["type"] == "snapshot"


def test_alerts_are_for_the_staff(world: World) -> None:
    with serving(world.database) as server:
        with server.connect("/ws/alerts", token(world.database, "investor")) as reader:
            assert closing(reader) == (4403, "This needs the permission 'overview'")
        with server.connect("/ws/alerts", token(world.database, "auditor")) as reader:
            assert hear(reader)["type"] == "snapshot"


@pytest.mark.parametrize(
    "path",
    [
        "/ws/market/NOTHING",
        "/ws/market/%00",
        "/ws/strategy/7b1a0000-0000-4000-8000-000000000000",
        "/ws/strategy/x",
    ],
)
def test_what_does_not_exist_is_closed_as_unknown(world: World, path: str) -> None:
    with (
        serving(world.database) as server,
        server.connect(path, token(world.database, "investor")) as reader,
    ):
        assert closing(reader)[0] == 4404


def test_pages_of_other_hosts_may_not_connect(world: World) -> None:
    secret = token(world.database, "investor")

    def from_page(origin: str) -> ClientConnection:
        return server.connect("/ws/market/AAAUSDT", secret, origin=origin)

    with serving(world.database) as server:
        with from_page("https://elsewhere.example") as reader:
            assert closing(reader) == (4403, "this origin is not allowed")
        for origin in ("https://console.example", f"http://127.0.0.1:{server.port}"):
            with from_page(origin) as reader:
                assert hear(reader)["type"] == "snapshot"


def test_what_is_not_understood_closes_the_socket(world: World) -> None:
    with serving(world.database) as server:
        for text in ("hello", "[" * 4000, '{"type": "subscribe"}', "x" * 9000):
            with server.connect("/ws/market/AAAUSDT", token(world.database, "investor")) as reader:
                reader.send(text)
                assert closing(reader)[0] == 4400


def test_one_user_and_one_server_have_limits(world: World) -> None:
    mine, other = token(world.database, "investor"), token(world.database, "creator")
    with (
        serving(world.database, most_of_a_user=1, most=2) as server,
        server.connect("/ws/market/AAAUSDT", mine) as first,
    ):
        hear(first)
        with server.connect("/ws/market/AAAUSDT", mine) as second:
            assert closing(second) == (1013, "too many sockets of one user")
        with server.connect("/ws/market/AAAUSDT", other) as third:
            hear(third)
            with server.connect("/ws/market/AAAUSDT", other) as fourth:
                assert closing(fourth) == (1013, "this server has all the sockets it takes")
        wait_until(lambda: server.sockets.open == 1)
        with server.connect("/ws/market/AAAUSDT", other) as again:
            assert hear(again)["type"] == "snapshot"


# --- how long --------------------------------------------------------------------------------


def test_an_expired_token_closes_the_socket_and_a_newer_one_keeps_it(world: World) -> None:
    soon = timedelta(seconds=1.5)
    with serving(world.database, heartbeat=0.2) as server:
        left, kept = token(world.database, "risk", left=soon), token(world.database, "admin")
        aging = token(world.database, "admin", left=soon)
        with (
            server.connect("/ws/alerts", left) as leaving,
            server.connect("/ws/alerts", aging) as staying,
        ):
            staying.send(json.dumps({"type": "auth", "token": kept}))
            assert hear_until(staying, "authenticated")
            assert closing(leaving) == (4401, "The access token is not valid any more")
            tell(world.database, "alerts", kind="alert.test")
            assert hear_until(staying, "update")["data"] == {"kind": "alert.test"}


def test_a_socket_cannot_be_handed_to_another_user(world: World) -> None:
    with (
        serving(world.database) as server,
        server.connect("/ws/alerts", token(world.database, "risk")) as reader,
    ):
        reader.send(json.dumps({"type": "auth", "token": token(world.database, "auditor")}))
        assert closing(reader) == (4403, "this socket is another user's")


def test_the_end_of_a_session_closes_its_sockets(world: World) -> None:
    user = ids.derive("socket-user", "risk", "")
    with (
        serving(world.database, heartbeat=0.2) as server,
        server.connect("/ws/alerts", token(world.database, "risk")) as reader,
    ):
        hear(reader)
        with world.database.transaction() as tx:
            tx.execute(
                "INSERT INTO sessions (id, user_id, refresh_hash, second_factor, created_at,"
                " refreshed_at, expires_at, ended_at, end_reason)"
                " VALUES (%s, %s, 'x', false, now(), now(), now(), clock_timestamp(), 'test')",
                (ids.derive("socket-session", user), user),
            )
        assert closing(reader) == (4401, "This session has ended")


def test_nothing_is_told_to_a_session_that_ended_before_its_next_heartbeat(world: World) -> None:
    user = ids.derive("socket-user", "investor", "")
    with (
        serving(world.database, heartbeat=3600) as server,
        server.connect("/ws/market/AAAUSDT", token(world.database, "investor")) as reader,
    ):
        hear(reader)
        tell(world.database, MARKET, ts=60)
        assert hear(reader)["data"] == {"ts": 60}
        with world.database.transaction() as tx:
            tx.execute(
                "INSERT INTO sessions (id, user_id, refresh_hash, second_factor, created_at,"
                " refreshed_at, expires_at, ended_at, end_reason)"
                " VALUES (%s, %s, 'x', false, now(), now(), now(), clock_timestamp(), 'test')",
                (ids.derive("socket-session", user), user),
            )
        time.sleep(1.5)  # what is known of sessions is at most a second old
        tell(world.database, MARKET, ts=120)
        with pytest.raises(ConnectionClosed) as closed:
            reader.recv(timeout=10)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 4401


def test_a_strategy_s_signals_are_for_its_creator_its_followers_and_the_staff(
    world: World,
) -> None:
    flow, carl = world.creator("anna"), world.investor("carl", 1_000)
    world.signal(flow, "0.5")
    path = f"/ws/strategy/{flow.id}"
    with serving(world.database, heartbeat=0.2) as server:

        def told(user: UUID, role: str) -> ClientConnection:
            tokens = Tokens(Keys.of(SETTINGS).derive("access-tokens"))
            session = ids.derive("socket-session", user)
            now = datetime.now(UTC)
            return server.connect(path, tokens.issue(user, Role(role), session, True, now))

        with told(carl.id, "investor") as reader:
            assert closing(reader) == (4404, "No such flow")
        with told(flow.creator_id, "creator") as reader:
            assert len(hear(reader)["items"]) == 1
        with server.connect(path, token(world.database, "auditor")) as reader:
            assert len(hear(reader)["items"]) == 1
        leg = world.follow(carl, flow, Decimal(500))
        with told(carl.id, "investor") as reader:
            assert len(hear(reader)["items"]) == 1
            world.leave(leg, carl)
            assert closing(reader) == (4404, "No such flow")


def test_an_address_that_connects_too_often_is_turned_away(world: World) -> None:
    settings = replace(SETTINGS, requests_per_minute=3)
    with serving(world.database, settings) as server:
        for _ in range(3):
            with server.connect("/ws/alerts"):
                pass
        with pytest.raises(InvalidStatus) as refused, server.connect("/ws/alerts"):
            pass
        assert refused.value.response.status_code == 403


def test_heartbeats_come_while_nothing_happens(world: World) -> None:
    with (
        serving(world.database, heartbeat=0.1) as server,
        server.connect("/ws/market/AAAUSDT", token(world.database, "investor")) as reader,
    ):
        began = time.monotonic()
        kinds = [hear(reader) for _ in range(4)]
        assert [one["type"] for one in kinds] == ["snapshot", *["heartbeat"] * 3]
        assert [one["seq"] for one in kinds] == [1, 2, 3, 4]
        assert 0.25 < time.monotonic() - began < 5
        at = datetime.fromisoformat(kinds[-1]["at"])
        assert abs(datetime.now(UTC) - at) < timedelta(seconds=10)


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
            "symbol": "AAAUSDT",
            "ts": 7200,
            "interval": 60,
            "open": 1,
            "high": 2,
            "low": 0.5,
            "close": 1.5,
            "volume": 120,
        }
        tell(world.database, "market:BBBUSDT", ts=1)
        tell(world.database, MARKET, ts=7260)
        assert hear(reader) == {
            "seq": 2,
            "type": "update",
            "topic": MARKET,
            "data": {"ts": 7260},
        }


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


def listeners(database: Database) -> int:
    with psycopg.connect(database.owner_url) as owner:
        row = owner.execute(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE application_name = 'commenda bus' AND datname = current_database()"
        ).fetchone()
    assert row is not None
    return int(row[0])

"""Who may listen, and for how long."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection

from commenda.identity import Role
from commenda.identity.tokens import Tokens
from commenda.kit import ids
from commenda.kit.db import Database
from commenda.kit.keys import Keys
from socketed import (
    MARKET,
    SETTINGS,
    closing,
    hear,
    hear_until,
    serving,
    tell,
    token,
    wait_until,
)
from world import World


@pytest.fixture
def world(db: Database) -> World:
    return World(db, hours=48)


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

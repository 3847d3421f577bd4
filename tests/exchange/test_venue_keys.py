"""Keys to accounts at an exchange: added, tried, let in by two people, removed; on a real port."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from fastapi.testclient import TestClient
from typer.testing import CliRunner, Result

from commenda.app import create_app
from commenda.cli import app
from commenda.exchange import Key, simulated_house
from commenda.execution import Broker, observe_executions
from commenda.kit.db import Database
from commenda.kit.errors import CommendaError
from commenda.kit.keys import Keys
from commenda.kit.times import iso
from commenda.ledger import Author
from commenda.market import CandleFeed
from commenda.venues import VENUES, Means, VenueUnavailable, connect
from commenda.worker import reach_accounts
from people import SETTINGS, signed_in
from processes import free_port

from .conftest import START, Served

API = "/api/v1"
DESK = "binance_usdm:desk"
OKX = "okx_swap:desk"
ROOT = Path(__file__).parents[2]


@pytest.fixture
def client(db: Database) -> Iterator[TestClient]:
    with TestClient(create_app(SETTINGS, db), raise_server_exceptions=False) as opened:
        yield opened


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    """BTC and ETH, a minute of market each second, and BTC at spot."""
    house = simulated_house(
        ["BTCUSDT", "ETHUSDT"], seed=7, start=START, pace=60.0, spot=["BTCUSDT"]
    )
    found = Served(house)
    yield found
    found.stop()


@pytest.fixture(scope="module", autouse=True)
def keys(served: Served) -> None:
    for name, trades, withdraws in (("b", True, False), ("w", True, True), ("r", False, False)):
        named = name, f"key-{name}-that-is-long-0{name}", f"secret-{name}"
        key = Key(*named, trades, withdraws, f"words-{name}")
        served.house.open_account(key, Decimal(0))


def place(served: Served) -> str:
    return f"http://{served.address}"


def add(client: TestClient, who: dict[str, str], served: Served, name: str, **other: Any) -> Any:
    body = {"account": DESK, "address": place(served), "key": f"key-{name}-that-is-long-0{name}"}
    body |= {"secret": f"secret-{name}"} | other
    return client.post(f"{API}/venues", headers=who, json=body)


def approve(client: TestClient, who: dict[str, str], approval: str) -> Any:
    headers = who | {"Idempotency-Key": uuid4().hex}
    return client.post(f"{API}/approvals/{approval}/approve", headers=headers)


def listed(client: TestClient, who: dict[str, str], **asked: Any) -> list[tuple[str, str]]:
    found = client.get(f"{API}/venues", headers=who, params=asked).json()
    return [(one["hint"], one["state"]) for one in found]


def outcomes(key: dict[str, Any]) -> dict[str, str]:
    return {one["name"]: one["outcome"] for one in key["checks"]}


def rows(db: Database, query: str) -> list[Any]:
    with db.transaction() as tx:
        return tx.execute(query).fetchall()  # type: ignore[call-overload, no-any-return]


@pytest.mark.parametrize("account", ["bybit_linear:desk", "binance_spot:desk", OKX])
@pytest.mark.parametrize(
    ("name", "at", "refused"),
    [
        ("b", 202, None),
        ("w", 422, "key_may_withdraw"),
        ("r", 422, "key_cannot_trade"),
    ],
)
def test_a_key_of_another_exchange_is_tried_in_its_own_words(
    client: TestClient,
    db: Database,
    served: Served,
    account: str,
    name: str,
    at: int,
    refused: str | None,
) -> None:
    """The simulator speaks their languages, too; a wrong secret is refused in them."""
    operator = signed_in(db, "operator")
    told = {"account": account} | ({"passphrase": f"words-{name}"} if account == OKX else {})
    added = add(client, operator, served, name, **told)
    assert (added.status_code, added.json().get("code")) == (at, refused)
    wrong = add(client, operator, served, name, **told | {"secret": "other"})
    assert (wrong.status_code, wrong.json()["code"]) == (422, "key_refused")
    if refused is None:
        seen = outcomes(added.json())
        assert set(seen.values()) == {"passed", "warned"}
        assert seen["withdrawals"] == "passed"
        assert seen["fees" if account.startswith("binance_spot") else "mode"] == "passed"


@pytest.mark.parametrize(
    ("account", "passphrase", "code"),
    [
        (OKX, None, "passphrase_missing"),
        (OKX, "others", "key_refused"),
        (DESK, "words-b", "passphrase_unasked"),
    ],
)
def test_a_passphrase_is_asked_for_where_the_exchange_has_one_and_nowhere_else(
    client: TestClient, db: Database, served: Served, account: str, passphrase: Any, code: str
) -> None:
    told = {"account": account, "passphrase": passphrase}
    answer = add(client, signed_in(db, "operator"), served, "b", **told)
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert rows(db, "SELECT count(*) FROM venue_keys") == [(0,)]


def test_a_passphrase_is_sealed_with_its_key_and_asks_with_it(
    client: TestClient, db: Database, served: Served
) -> None:
    """Two people let it in; what is stored and told holds nothing of it."""
    operator, risk = signed_in(db, "operator"), signed_in(db, "risk")
    added = add(client, operator, served, "b", account=OKX, passphrase="words-b")
    approve(client, risk, added.json()["approvalId"])
    venue = connect(Means(db, CandleFeed([], 60), Keys.of(SETTINGS)), [OKX])[-1]
    assert venue.account(START).wallets == {"USDT": Decimal(0)}
    told = added.text + str(rows(db, "SELECT k::text, e::text FROM venue_keys k, audit_events e"))
    assert "words-b" not in told
    assert b"words-b" not in rows(db, "SELECT sealed FROM venue_keys")[0][0]


def test_a_credential_that_is_too_long_is_not_sent_back(
    client: TestClient, db: Database, served: Served
) -> None:
    """It would end up in a log or a ticket."""
    operator = signed_in(db, "operator")
    for name in ("key", "secret", "passphrase"):
        told = add(client, operator, served, "b", account=OKX, **{name: "my-words" * 600})
        assert (told.status_code, told.json()["field"]) == (422, name)
        assert "my-words" not in told.text


def test_the_console_asks_for_a_passphrase_where_a_venue_does() -> None:
    form = ROOT / "web" / "src" / "features" / "operate" / "venues.tsx"
    (listed,) = re.findall(r"const PHRASED = (\[.*\])", form.read_text())
    assert json.loads(listed) == [f"{one.name}:" for one in VENUES if one.passphrase]


def test_a_key_is_tried_and_counts_once_somebody_else_approves(
    client: TestClient, db: Database, served: Served
) -> None:
    operator, risk = signed_in(db, "operator"), signed_in(db, "risk")
    added = add(client, operator, served, "b")
    assert added.status_code == 202, added.text
    key = added.json()
    assert (key["state"], key["hint"], key["sound"]) == ("waiting", "g-0b", True)
    assert outcomes(key) == {
        "answers": "passed",
        "clock": "warned",  # the simulator's time is its own
        "key": "passed",
        "withdrawals": "passed",
        "trading": "passed",
        "addresses": "warned",
        "mode": "passed",
        "balance": "passed",
        "open": "passed",
        "terms": "passed",
    }
    # Until it is let in nobody can reach the exchange with it.
    venue = connect(Means(db, CandleFeed([], 60), Keys.of(SETTINGS)), [DESK])[-1]
    with pytest.raises(VenueUnavailable, match="no key"):
        venue.account(START)
    own = approve(client, operator, key["approvalId"])
    assert (own.status_code, own.json()["code"]) == (409, "same_person")
    waiting = client.get(f"{API}/approvals/{key['approvalId']}", headers=risk).json()
    (change,) = waiting["changes"]
    assert (change["before"], change["after"]["key"]) == ({}, "g-0b")
    approved = approve(client, risk, key["approvalId"])
    assert approved.json()["status"] == "approved", approved.text
    assert listed(client, risk) == [("g-0b", "active")]
    assert venue.account(START).wallets == {"USDT": Decimal(0)}
    kinds = [row[0] for row in rows(db, "SELECT kind FROM audit_events ORDER BY id")]
    assert [one for one in kinds if one.startswith("venue.")] == ["venue.added", "venue.connected"]
    with db.transaction() as tx:
        tx.execute(
            "INSERT INTO venue_contacts (venue, answered_at, deaf_since) VALUES (%s, %s, %s)",
            (DESK, START, START),
        )
        tx.execute("UPDATE venue_keys SET limited_until = clock_timestamp() + interval '1 hour'")
    (shown,) = client.get(f"{API}/venues", headers=risk).json()
    assert shown["answeredAt"] == shown["deafSince"] == iso(START)
    assert shown["silentSince"] is None
    assert shown["limitedUntil"] is not None
    with db.transaction() as tx:
        tx.execute("UPDATE venue_keys SET limited_until = clock_timestamp() - interval '1 hour'")
    (shown,) = client.get(f"{API}/venues", headers=risk).json()
    assert shown["limitedUntil"] is None, "it is over"


@pytest.mark.parametrize(
    ("other", "status", "code"),
    [
        ({"secret": "another"}, 422, "key_refused"),
        ({"key": "nobody's key at this exchange"}, 422, "key_refused"),
        ({"key": "key-w-that-is-long-0w", "secret": "secret-w"}, 422, "key_may_withdraw"),
        ({"key": "key-r-that-is-long-0r", "secret": "secret-r"}, 422, "key_cannot_trade"),
        ({"address": f"http://127.0.0.1:{free_port()}"}, 503, "venue_no_answer"),
        ({"address": "http://exchange.example"}, 422, "bad_address"),
        ({"address": "https://ada:pass@exchange.example"}, 422, "bad_address"),
        ({"address": "https://exchange.example/api"}, 422, "bad_address"),
        ({"address": "file:///etc/passwd"}, 422, "bad_address"),
        ({"account": "paper:desk"}, 404, "unknown_venue"),
        ({"account": "elsewhere:desk"}, 404, "unknown_venue"),
        ({"account": "binance_usdm"}, 422, "invalid_request"),
    ],
)
def test_a_key_that_will_not_do_is_refused_and_not_kept(
    client: TestClient, db: Database, served: Served, other: Any, status: int, code: str
) -> None:
    answer = add(client, signed_in(db, "operator"), served, "b", **other)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert rows(db, "SELECT count(*) FROM venue_keys") == [(0,)]
    assert rows(db, "SELECT count(*) FROM approvals") == [(0,)]


def test_nothing_that_is_stored_or_told_holds_a_secret(
    client: TestClient, db: Database, served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    operator = signed_in(db, "operator")
    answers = [add(client, operator, served, "b").text, add(client, operator, served, "b").text]
    answers.append(add(client, operator, served, "b", secret=["secret-b"]).text)
    answers.append(add(client, operator, served, "b", key={"a": "key-b-that"}).text)
    answers.append(client.post(f"{API}/venues/{DESK}/test", headers=operator).text)
    tables = rows(
        db,
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace"
        " AND relkind = 'r' AND has_table_privilege(oid, 'SELECT')",
    )
    assert len(tables) > 50
    for (table,) in tables:
        answers += [str(row) for row in rows(db, f'SELECT t::text FROM "{table}" t')]
    assert "g-0b" in "".join(answers)
    told = "".join(answers) + caplog.text
    assert "secret-b" not in told
    assert "key-b-that" not in told
    assert b"secret-b" not in rows(db, "SELECT sealed FROM venue_keys")[0][0]


def test_a_key_takes_the_place_of_another_and_the_old_one_is_forgotten(
    client: TestClient, db: Database, served: Served
) -> None:
    operator, risk = signed_in(db, "operator"), signed_in(db, "risk")
    served.house.open_account(Key("b", "key-c-that-is-long-0c", "secret-c"), Decimal(0))
    first = add(client, operator, served, "b").json()
    assert add(client, operator, served, "c").json()["code"] == "key_waits"
    approve(client, risk, first["approvalId"])
    elsewhere = add(
        client, operator, served, "c", address=place(served).replace("127.0.0.1", "localhost")
    )
    assert elsewhere.json()["code"] == "account_moved"
    second = add(client, operator, served, "c").json()
    assert listed(client, risk) == [("g-0b", "active"), ("g-0c", "waiting")]
    approve(client, risk, second["approvalId"])
    assert listed(client, risk) == [("g-0c", "active")]
    assert listed(client, risk, removed=True) == [("g-0b", "removed"), ("g-0c", "active")]
    assert rows(db, "SELECT count(*) FROM venue_keys WHERE sealed IS NULL") == [(1,)]


def test_a_key_that_is_rejected_or_taken_back_is_forgotten(
    client: TestClient, db: Database, served: Served
) -> None:
    operator, risk = signed_in(db, "operator"), signed_in(db, "risk")
    asked = add(client, operator, served, "b").json()["approvalId"]
    headers = risk | {"Idempotency-Key": uuid4().hex}
    no = client.post(f"{API}/approvals/{asked}/reject", headers=headers, json={"reason": "whose?"})
    assert no.json()["status"] == "rejected", no.text
    asked = add(client, operator, served, "b").json()["approvalId"]
    gone = client.delete(f"{API}/venues/{DESK}", headers=operator)
    assert gone.json()["state"] == "removed"
    assert approve(client, risk, asked).json()["code"] == "approval_expired"
    assert listed(client, risk) == []
    assert rows(db, "SELECT sealed FROM venue_keys") == [(None,), (None,)]
    gone = client.delete(f"{API}/venues/{DESK}", headers=operator)
    assert (gone.status_code, gone.json()["code"]) == (404, "unknown_venue_account")


def test_who_may_not_add_keys_sees_none_of_it(
    client: TestClient, db: Database, served: Served
) -> None:
    assert add(client, signed_in(db, "auditor"), served, "b").status_code == 403
    assert add(client, signed_in(db, "operator", "olga", False), served, "b").status_code == 403
    assert client.get(f"{API}/venues", headers=signed_in(db, "investor")).status_code == 403


def test_an_account_is_tried_again_and_what_is_seen_is_kept(
    client: TestClient, db: Database, served: Served
) -> None:
    operator = signed_in(db, "operator")
    add(client, operator, served, "b")
    buyer = served.client()
    buyer.apiKey, buyer.secret = "key-b-that-is-long-0b", "secret-b"
    served.house.exchange.transfer(served.house.exchange.account("b"), Decimal(5_000), "gift")
    buyer.create_order("BTC/USDT:USDT", "market", "buy", 0.01)
    buyer.create_order("BTC/USDT:USDT", "limit", "buy", 0.01, 20_000)
    tried = client.post(f"{API}/venues/{DESK}/test", headers=operator).json()
    assert outcomes(tried)["open"] == "warned"
    figures = {one["name"]: one["figures"] for one in tried["checks"]}
    assert figures["open"] == {"orders": "1", "positions": "1"}
    assert figures["balance"]["held"].endswith(" USDT")
    served.house.script.set([{"kind": "maintenance"}])
    tried = client.post(f"{API}/venues/{DESK}/test", headers=operator).json()
    served.house.script.set([])
    assert (outcomes(tried), tried["sound"]) == ({"answers": "failed"}, False)
    buyer.cancel_all_orders("BTC/USDT:USDT")
    buyer.create_order("BTC/USDT:USDT", "market", "sell", 0.01)


# --- at the machine ------------------------------------------------------------------------------


def venue(*arguments: str, secret: str = "") -> Result:
    return CliRunner().invoke(app, ["venue", *arguments], input=secret)


def test_at_the_machine_a_key_counts_at_once_and_the_staff_are_told(
    db: Database, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COMMENDA_DATABASE_URL", db.owner_url)
    monkeypatch.setenv("COMMENDA_MASTER_KEY", str(SETTINGS.master_key))
    typed = "key-b-that-is-long-0b\nsecret-b\n"
    asked = ("add", DESK, "--address", place(served), "--key-stdin")
    wrong = venue(*asked, secret="key-w-that-is-long-0w\nsecret-w\n")
    assert isinstance(wrong.exception, CommendaError)
    assert wrong.exception.code == "key_may_withdraw"
    added = venue(*asked, secret=typed)
    assert added.exit_code == 0, added.output
    assert "secret-b" not in added.output
    (row,) = json.loads(venue("list", "--json").stdout)
    assert (row["account"], row["state"], row["sound"]) == (DESK, "active", True)
    assert venue("test", DESK).exit_code == 0
    served.house.script.set([{"kind": "maintenance"}])
    assert venue("test", DESK).exit_code == 1
    served.house.script.set([])
    (told,) = rows(db, "SELECT subject, details->>'key' FROM alerts")
    assert told == (DESK, "g-0b")
    feed = CandleFeed([], 60)
    means = Means(db, feed, Keys.of(SETTINGS))
    worker = Broker(connect(means), feed, b"", lambda name: connect(means, [name])[-1])
    with db.transaction() as tx:
        reach_accounts(worker, tx)
    assert [one.name for one in worker.venues] == ["paper", DESK]
    assert venue("remove", DESK).exit_code == 0
    assert venue("list", "--json").stdout == "[]\n"
    for minute in (1, 4):  # a worker that knew it asks no more, and nobody is told of silence
        author = Author("operation", "operation/1", datetime.now(UTC) + timedelta(minutes=minute))
        observe_executions(db, worker, author)
    assert rows(db, "SELECT count(*) FROM alerts WHERE kind = 'alert.venue_silent'") == [(0,)]
    assert rows(db, "SELECT count(*) FROM venue_contacts WHERE silent_since IS NOT NULL") == [(0,)]


def test_at_the_machine_a_passphrase_is_the_third_line_where_there_is_one(
    db: Database, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COMMENDA_DATABASE_URL", db.owner_url)
    monkeypatch.setenv("COMMENDA_MASTER_KEY", str(SETTINGS.master_key))
    asked, typed = (
        ("add", OKX, "--address", place(served), "--key-stdin"),
        "key-b-that-is-long-0b\n",
    )
    lacking = venue(*asked, secret=f"{typed}secret-b\n")
    assert isinstance(lacking.exception, CommendaError)
    assert (lacking.exception.code, lacking.exception.field) == ("key_missing", "passphrase")
    added = venue(*asked, secret=f"{typed}secret-b\nwords-b\n")
    assert added.exit_code == 0, added.output
    assert "words-b" not in added.output
    assert venue("test", OKX).exit_code == 0

"""A business whose books trade at an exchange on a real port, with processes of its own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from fastapi.testclient import TestClient
from typer.testing import CliRunner

from commenda.app import create_app
from commenda.cli import app
from commenda.copying import enqueue_copy, find_flow, publish_signal
from commenda.exchange import House, Key
from commenda.exchange.spot_market import pair_of
from commenda.kit import clock, durable
from commenda.kit.clock import business_now
from commenda.kit.db import Database
from commenda.kit.keys import Keys
from commenda.ledger import Author
from commenda.market import (
    Instrument,
    Kind,
    Mark,
    ensure_instrument,
    listed,
    load_catalogue,
    write_marks,
)
from commenda.operations import verify
from commenda.venues import Secret, add_key
from people import SETTINGS, signed_in
from processes import Process, until

from .conftest import Served

API = "/api/v1"
DESK = "binance_usdm:desk"
D = Decimal


@dataclass
class Business:
    database: Database
    client: TestClient
    served: Served
    instrument: Instrument
    flow: UUID
    folder: Path
    desk: str
    worker: Process | None = None
    signals: int = 0
    started: list[Process] = field(default_factory=list)

    def rows(self, query: str, *values: object) -> list[Any]:
        with self.database.transaction() as tx:
            return tx.execute(query, values).fetchall()  # type: ignore[call-overload, no-any-return]

    def start(self) -> Process:
        self.worker = self.process("worker")
        return self.worker

    def process(self, *arguments: str) -> Process:
        """A process of the command line on this business's database."""
        made = Process(
            self.folder / f"{arguments[0]}-{uuid4().hex[:6]}.log",
            *arguments,
            COMMENDA_DATABASE_URL=self.database.owner_url,
            COMMENDA_MASTER_KEY=str(SETTINGS.master_key),
        )
        self.started.append(made)
        return made

    def wait(self, what: str, query: str, *values: object) -> None:
        assert self.worker is not None
        until(what, lambda: self.rows(query, *values) == [(True,)], 90, self.worker)

    def mark(self) -> Decimal:
        """Let the live market have the exchange's mark."""
        price = self.served.house.exchange.marks["BTCUSDT"]
        with self.database.transaction() as tx:
            write_marks(tx, [(self.instrument, Mark(price, datetime.now(UTC), "mark"))])
        return price

    def signal(self, target: str) -> UUID:
        price = self.mark()
        self.signals += 1
        with self.database.transaction() as tx:
            now = business_now(tx)
            signal, _ = publish_signal(
                tx,
                flow=find_flow(tx, self.flow),
                natural_key=f"by-hand:{self.signals}",
                target=D(target),
                reference_price=self.instrument.to_tick(price),
                now=now,
                base="BTC",
                quote="USDT",
            )
            enqueue_copy(tx, signal, now)
        return signal

    def copied(self, signal: UUID) -> None:
        self.wait(
            "the signal is copied",
            "SELECT status = 'processed' FROM trading_signals WHERE id = %s",
            signal,
        )

    def reconciled(self) -> dict[str, Any]:
        told = CliRunner().invoke(app, ["reconcile", "--json"]).stdout
        found: dict[str, Any] = json.loads(told)
        return found

    def assert_sound(self) -> None:
        """The ledger keeps its rules, and the exchange tells its story."""
        with self.database.transaction() as tx:
            assert [str(one) for one in verify(tx)] == []
        found = self.reconciled()
        assert [one for one in found["lines"] if D(one["unexplained"])] == []
        assert found["leftOut"] == []
        assert f"{self.desk} USDT" in {one["subject"] for one in found["lines"]}

    @property
    def is_spot(self) -> bool:
        return self.instrument.kind is Kind.SPOT

    def wallet(self) -> Decimal:
        house = self.served.house
        if self.is_spot:
            return house.spot.account("desk").of("USDT").whole
        return house.exchange.account("desk").wallet

    def held(self) -> Decimal:
        """What the exchange says that the account holds."""
        if self.is_spot:
            return self.served.house.spot.account("desk").of("BTC").whole
        exchange = self.served.house.exchange
        lots = sum(one.lots for one in exchange.account("desk").positions.values())
        return exchange.contracts["BTCUSDT"].quantity(lots)

    def trades(self) -> int:
        place: Any = self.served.house.spot if self.is_spot else self.served.house.exchange
        return len({one.order for one in place.account("desk").trades})


MOVED = "SELECT count(*) > 0 AND bool_and(done_at IS NOT NULL) FROM transfers"
BEGUN = "SELECT count(*) = 1 FROM venue_contacts WHERE begun_at IS NOT NULL"


@contextmanager
def business_at(
    house: House,
    db: Database,
    folder: Path,
    patch: pytest.MonkeyPatch,
    desk: str = DESK,
    **shared: Any,
) -> Iterator[Business]:
    """Two books at one account of the house: a creator's of 20,000 and a follower's of 5,000.

    `shared` is what the creator says of the flow besides.
    """
    patch.setenv("COMMENDA_DATABASE_URL", db.owner_url)
    patch.setenv("COMMENDA_MASTER_KEY", str(SETTINGS.master_key))
    spot = desk.startswith("binance_spot:")
    purse = D(1_000_000) if spot else D(0)  # its futures, out of which spot is paid in
    house.open_account(Key("desk", "key-of-the-desk-01", "secret-of-the-desk"), purse)
    served = Served(house)
    durable.prepare(db.owner_url)
    with db.transaction() as tx:
        clock.follow_wall(tx)
        found = listed(load_catalogue(), "binance_usdm", "BTCUSDT")
        found = pair_of(found) if spot else found
        instrument = ensure_instrument(tx, replace(found, venue=desk.partition(":")[0]))
        secret = Secret("key-of-the-desk-01", "secret-of-the-desk")
        author = Author("cli", "venues/1", business_now(tx))
        place = f"http://{served.address}"
        add_key(tx, Keys.of(SETTINGS), desk, place, secret, [], author, None)
    with TestClient(create_app(SETTINGS, db), raise_server_exceptions=False) as client:
        anna, ines = signed_in(db, "creator", "anna"), signed_in(db, "investor", "ines")
        flow = uuid4()
        business = Business(db, client, served, instrument, flow, folder, desk)
        business.mark()
        for who in (anna, ines):
            post(client, who, "participation/funding", {"amount": "25000"})
        told = {"flowId": str(flow), "title": "Desk", "strategy": "ema_trend", "venue": desk}
        told |= {"symbol": "BTCUSDT", "investmentAmount": "20000"}
        post(client, anna, "co-trading/flows", told | shared)
        copied = {"flowId": str(flow), "investmentAmount": "5000"}
        post(client, ines, "co-trading/subscribe", copied)
        try:
            yield business
        finally:
            for one in business.started:
                if one.running:
                    one.kill()
            served.stop()


def post(client: TestClient, who: dict[str, str], path: str, body: dict[str, Any]) -> Any:
    keyed = who | {"Idempotency-Key": uuid4().hex}
    answer = client.post(f"{API}/{path}", headers=keyed, json=body)
    assert answer.status_code < 300, answer.text
    return answer.json()

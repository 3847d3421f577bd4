"""A whole business at an exchange at which everything goes wrong, while its processes are killed.

A thousand investors over ten days with `make test-all`, some dozens over one with `make test`:
COMMENDA_BUSINESS says another size ("1000 10").
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from commenda.demo import demo_scenario, market_of
from commenda.demo.exchange import ACCOUNT
from commenda.exchange import FAULTS, Keeper, simulated_house
from commenda.exchange.model import Account
from commenda.kit import durable
from commenda.kit.db import Database
from commenda.kit.errors import CommendaError
from commenda.kit.keys import Keys
from commenda.venues import Simulator, VenueUnavailable
from extent import up_to
from people import SETTINGS
from processes import Process, free_port, until

D = Decimal
PEOPLE, DAYS = map(int, os.environ.get("COMMENDA_BUSINESS", up_to("40 1", "1000 10")).split())
KILLED_EACH = 0.2
"""Days of the business between two kills, on the average."""
CLEARED_IN = 0.05
"""Days in which what was on its way when workers ended should have come: some five ticks."""
PATIENCE = 600
"""Wall seconds in which it must come from one kill to the next."""
CHANCES = {
    "delayed": 0.05,
    "limited": 0.005,
    "banned": 0.002,
    "late_trades": 0.05,
    "not_shown": 0.05,
}
MILLISECONDS = {
    "delayed": 2_000,
    "latency": 300,
    "limited": 1_000,
    "banned": 1_000,
    "late_trades": 6_000,
    "not_shown": 5_000,
}
EVERYTHING = [
    {"kind": kind, "chance": CHANCES.get(kind, 0.02), "milliseconds": MILLISECONDS.get(kind, 0)}
    for kind in FAULTS
]


class Peopled(Process):
    program = (str(Path(__file__).parents[1] / "peopled.py"),)


@dataclass
class Business:
    database: Database
    folder: Path
    port: int = field(default_factory=free_port)
    parts: dict[str, Process] = field(default_factory=dict)
    killed: Counter[str] = field(default_factory=Counter)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def exchange(self) -> Simulator:
        return Simulator.of(self.address, Keys.of(SETTINGS))

    def start(self, part: str) -> None:
        symbols = ",".join(demo_scenario().market.symbols)
        commands = {
            "exchange": ["exchange", "--demo", "--port", str(self.port), "--limits", "100000"],
            "worker": ["worker", "--demo", "--pace", "100000", "--exchange", self.address],
            "feed": ["feed", "--symbols", symbols, "--url", self.address, "--history", "0",
                     "--venue", "binance_usdm"],
        }  # fmt: skip
        self.parts[part] = Peopled(
            self.folder / f"{part}.log",
            *commands[part.partition("-")[0]],
            COMMENDA_DATABASE_URL=self.database.owner_url,
            COMMENDA_MASTER_KEY=str(SETTINGS.master_key),
            COMMENDA_DATA=str(self.folder / "data"),
            COMMENDA_TEST_PEOPLE=f"{PEOPLE} {max(1, DAYS - 3)}",
        )

    def kill(self, part: str) -> None:
        if self.parts[part].running:
            self.parts[part].kill()
        self.killed[part] += 1
        self.start(part)

    def command(self, *arguments: str) -> str:
        environment = os.environ | {
            "COMMENDA_DATABASE_URL": self.database.owner_url,
            "COMMENDA_MASTER_KEY": str(SETTINGS.master_key),
        }
        told = subprocess.run(
            [sys.executable, "-m", "commenda", *arguments],
            capture_output=True,
            text=True,
            check=False,
            env=environment,
        )
        return told.stdout + told.stderr

    def one(self, query: str, *values: object) -> Any:
        with self.database.transaction() as tx:
            row = tx.execute(query, values).fetchone()  # type: ignore[call-overload]
        return row and row[0]

    def days(self) -> float:
        """How far its clock has come."""
        now = self.one("SELECT now_at FROM business_clock")
        return 0.0 if now is None else (now - demo_scenario().start).total_seconds() / 86_400

    def script(self, *faults: dict[str, Any]) -> dict[str, int]:
        """Set what goes wrong; how often each did."""
        while True:
            try:
                told = self.exchange.ask("PUT", "faults", {"faults": list(faults)})
            except (VenueUnavailable, CommendaError):
                time.sleep(0.2)
            else:
                struck: dict[str, int] = told["struck"]
                return struck

    def trading(self) -> list[Process]:
        return [one for name, one in self.parts.items() if name.startswith("worker")]

    def reconciled(self) -> dict[str, Any]:
        """Both books, while nobody trades."""
        found: dict[str, Any] = json.loads(self.command("reconcile", "--json"))
        return found


@pytest.fixture
def business(db: Database, tmp_path: Path) -> Iterator[Business]:
    durable.prepare(db.owner_url)
    made = Business(db, tmp_path)
    try:
        yield made
    finally:
        for one in made.parts.values():
            if one.running:
                one.kill()


def test_a_business_ends_with_the_books_that_its_exchange_has(
    business: Business, seed: int
) -> None:
    draw = random.Random(seed)
    for part in ("exchange", "worker-1", "worker-2", "feed"):
        business.start(part)
    until("it trades", lambda: business.one("SELECT count(*) FROM fills"), 240)
    business.script(*EVERYTHING)
    alive = business.days()
    while (alive := alive + draw.expovariate(1 / KILLED_EACH)) < DAYS:
        until(f"day {alive:.2f}", lambda: business.days() >= alive, PATIENCE)
        time.sleep(draw.random())
        business.kill(draw.choice(sorted(business.parts)))
    until(f"day {DAYS}", lambda: business.days() >= DAYS, PATIENCE)
    struck = business.script()
    settled = "SELECT count(*) FROM orders WHERE allocated_at IS NULL"
    for part in ("worker-1", "worker-2"):  # each ends a tick that it began
        assert business.parts[part].stop(within=120) == 0
    for _ in range(20):  # what was on its way when it ended
        later = business.days() + CLEARED_IN
        business.start("worker-1")
        until("it works", lambda: business.days() >= later, PATIENCE)  # noqa: B023
        assert business.parts["worker-1"].stop(within=120) == 0
        found = business.reconciled()
        if found["reconciled"] and not business.one(settled):
            break
    assert found["reconciled"], found
    assert found["leftOut"] == []
    assert "clean" in business.command("verify", "--chain")
    print(PEOPLE, "investors", DAYS, "days", dict(business.killed), struck, counted(business))

    assert business.parts["exchange"].stop() == 0
    hold_against(business, kept_account(business))
    investors = "SELECT count(*) FROM users WHERE 'investor' = role AND password_hash IS NULL"
    assert business.one(investors) >= PEOPLE * 0.9
    assert business.one("SELECT count(*) FROM settlements") > 0 or DAYS < 2  # a term is a day
    assert set(business.killed) == {"exchange", "worker-1", "worker-2", "feed"} or DAYS < 5


def counted(business: Business) -> dict[str, int]:
    tables = (
        "orders",
        "fills",
        "signal_executions",
        "managed_subscriptions",
        "settlements",
        "journals",
    )
    return {one: business.one(f"SELECT count(*) FROM {one}") for one in tables}


def kept_account(business: Business) -> Account:
    """The account as the exchange has kept it, read here from its folder."""
    keeper = Keeper(business.folder / "data" / "exchange")
    assert keeper.founded is not None
    how = market_of(demo_scenario())
    assert {name: keeper.founded[name] for name in how} == how
    house = simulated_house(how["symbols"], seed=how["seed"], pace=0)
    keeper.go_on(house)
    keeper.close()
    return house.exchange.account("demo")


def hold_against(business: Business, account: Account) -> None:
    """No order twice, no fill lost or counted twice, funding as it was paid, positions as they are
    there, by the exchange's own records."""
    symbols = {one.symbol for one in account.trades}
    steps = {}
    with business.database.transaction() as tx:
        fills = tx.execute(
            "SELECT fill_id, quantity, price, fee FROM fills WHERE venue = %s", (ACCOUNT,)
        ).fetchall()
        steps = {
            symbol: (tick, lot)
            for symbol, tick, lot in tx.execute(
                "SELECT symbol, tick, lot FROM instruments WHERE venue = 'simulated'"
            )
        }
        held = dict(
            tx.execute(
                "SELECT i.symbol, sum(p.quantity) FROM positions p JOIN legs l ON l.id = p.leg_id"
                " JOIN instruments i ON i.id = p.instrument_id WHERE l.venue = %s GROUP BY 1",
                (ACCOUNT,),
            ).fetchall()
        )
        sent = tx.execute(
            "SELECT id::text FROM orders WHERE venue = %s AND sent_at IS NOT NULL", (ACCOUNT,)
        ).fetchall()
        paid = tx.execute(
            "SELECT coalesce(sum(amount), 0) FROM funding_payments WHERE venue = %s", (ACCOUNT,)
        ).fetchone()
    assert symbols <= set(steps)
    there = Counter(
        (
            f"{one.symbol}:{one.id}",
            one.lots * steps[one.symbol][1],
            one.ticks * steps[one.symbol][0],
            one.fee,
        )
        for one in account.trades
    )
    assert Counter(fills) == there
    ours = Counter(one.client_id for one in account.orders.values())
    known = {row[0] for row in sent}
    assert all(count == 1 for client, count in ours.items() if client in known)
    assert not account.open
    lots: Counter[str] = Counter()
    for (symbol, _), one in account.positions.items():
        lots[symbol] += one.lots
    for symbol, (_, lot) in steps.items():
        assert held.get(symbol, D(0)) == lots[symbol] * lot, symbol
    funding = sum((one.amount for one in account.income if one.kind == "FUNDING_FEE"), D(0))
    assert paid == (funding,)

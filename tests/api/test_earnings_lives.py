"""What did I earn? Random lives, held against the asset log, the statement, holdings and books.

What the market gave is summed up beside the platform: quantities held, times how the test's own
prices moved. Fees are read from the accounts of their receivers and from the venue's own record.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest
import pyxirr
from fastapi.testclient import TestClient

from commenda.copying import Flow
from commenda.income import Holding
from commenda.kit import ids
from commenda.kit.db import Database
from commenda.kit.errors import CommendaError
from commenda.ledger import AccountKey, Journal, Line, Owner, open_accounts, post
from commenda.managed import FeeTerms, activate_due
from pool import Pool
from scripted import ASSET, D
from wallets import person
from world import World

SignIn = Callable[..., dict[str, str]]
TERMS = FeeTerms(
    management_fee=D("0.5"),
    hurdle=D("0.02"),
    profit_share=D("0.20"),
    platform_cut=D("0.30"),
    referral_rates=(D("0.20"),),
    crystallise_days=1,
)
CLOSE = D("0.000001")
HOURS = 24 * 40
SYMBOLS = {"AAAUSDT": 100, "BBBUSDT": 50}


class Life:
    """One investor's life: what happens at odd hours, and prices that move at even ones."""

    def __init__(self, db: Database, client: TestClient, sign_in: SignIn, seed: int) -> None:
        self.random = random.Random(seed)
        self.paths = {symbol: self._path(start) for symbol, start in SYMBOLS.items()}
        prices = {
            symbol: (lambda hour, path=path: float(path[max(hour, 0) // 2]))
            for symbol, path in self.paths.items()
        }
        self.world = World(db, prices, hours=HOURS)
        self.client = client
        self.flows: list[Flow] = [self.world.creator(name, capital=0) for name in ("anna", "bea")]
        sign_in("investor", "rita")
        rita = person(self.world, "rita", 50)
        self.headers = sign_in("investor", "ines")
        self.ines = person(self.world, "ines", 60_000, rita)
        self.rita = rita
        self.product = self.world.product(3, TERMS, early_exit=True)
        self.pool = Pool(db, self.world.now)
        self.savings = self.pool.product(daily_rate=D("0.001"))
        self.copies: list[UUID] = []
        self.holdings: list[Holding] = []
        self.pnl = D(0)
        self.chain: list[tuple[Decimal, Decimal]] = []
        self.noted: list[tuple[datetime, Decimal]] = []
        self.count = 0

    def _path(self, start: int) -> list[Decimal]:
        path = [D(start)]
        for _ in range(HOURS // 2 + 2):
            path.append(max(D(10), round(path[-1] * D(self.random.randint(94, 107)) / 100, 2)))
        return path

    # --- time, and what it gives ---------------------------------------------------------

    def move(self, hours: int) -> None:
        held = self.world.rows(
            "SELECT i.symbol, sum(p.quantity) FROM scopes s JOIN legs l ON l.scope_id = s.id"
            " JOIN positions p ON p.leg_id = l.id JOIN instruments i ON i.id = p.instrument_id"
            " WHERE s.owner_id = %s GROUP BY i.symbol",
            self.ines.id,
        )
        before = {symbol: self.world.price(symbol) for symbol in SYMBOLS}
        self.world.advance(hours)
        self.pool.now = self.world.now
        self.pnl += sum(
            (held_by * (self.world.price(symbol) - before[symbol]) for symbol, held_by in held),
            D(0),
        )

    # --- steps ---------------------------------------------------------------------------

    def step(self) -> None:
        """Value the books at the even hour; do something at the odd one; the prices move."""
        self.world.value_books()
        self.move(1)
        doing = self.random.choice(
            [self.signal] * 4
            + [self.subscribe, self.withdraw, self.share, self.end]
            + [self.copy, self.leave, self.save, self.accrue, self.accrue, self.redeem]
            + [self.pay_in, self.pay_out]
        )
        self.count += 1
        doing()
        self.move(1)

    def signal(self) -> None:
        target = D(self.random.randint(-6, 9)) / 10
        self.world.signal(self.random.choice(self.flows), target)

    def subscribe(self) -> None:
        try:
            self.world.subscribe(self.ines, self.product, 3_000, key=f"{self.count}")
        except CommendaError as error:
            assert error.code == "insufficient_custody"  # noqa: PT017
        self.world.value_books()
        self.move(2)
        with self.world.database.transaction() as tx:
            activate_due(tx, self.world.author)
        self.world.move_cash()

    def running(self) -> list[UUID]:
        return self.world.column(
            "SELECT id FROM managed_subscriptions WHERE status = 'ACTIVE' AND matures_at > %s",
            self.world.now,
        )

    def withdraw(self) -> None:
        for subscription in self.running()[:1]:
            try:
                self.world.withdraw(subscription, self.random.randint(50, 900))
            except CommendaError:
                return
            self.world.liquidate()
            self.world.pay_parts()
            self.world.move_cash()

    def share(self) -> None:
        self.world.crystallise()

    def end(self) -> None:
        for subscription in self.running()[:1]:
            self.world.ask(subscription)
            self.world.liquidate()
            if self.world.status(subscription) == "LIQUIDATED":
                self.world.settle(subscription)
            self.world.move_cash()

    def copy(self) -> None:
        if self.wallet() > 2_000:
            flow = self.random.choice(self.flows)
            self.copies.append(
                self.world.follow(self.ines, flow, D(2_000), key=f"copy {self.count}")
            )

    def leave(self) -> None:
        if self.copies:
            self.world.leave(self.copies.pop(), self.ines)
            self.world.close_copies()

    def save(self) -> None:
        if self.wallet() > 1_000:
            held = self.pool.subscribe(self.ines.id, self.savings, 1_000, f"{self.count}")
            self.holdings.append(held)

    def accrue(self) -> None:
        self.pool.accrue()
        self.pool.distribute()

    def redeem(self) -> None:
        if self.holdings:
            self.pool.redeem(self.holdings.pop())

    def pay_in(self) -> None:
        self.chain.append((self.total(), D(777)))
        self.world.pay_in(self.ines, D(777), f"in {self.count}")

    def pay_out(self) -> None:
        if self.wallet() < 500:
            return
        self.chain.append((self.total(), D(-432)))
        keys = [
            AccountKey("wallet", self.ines, ASSET),
            AccountKey("external", Owner.platform(), ASSET),
        ]
        with self.world.database.transaction() as tx:
            wallet, outside = open_accounts(tx, keys)
            key, lines = f"withdrawal:{self.count}", [Line(wallet, D(-432)), Line(outside, D(432))]
            post(tx, self.world.author, Journal(key, "withdrawal", ids.derive(key), lines))

    # --- what is known beside the platform's answer ---------------------------------------

    def wallet(self) -> Decimal:
        return self.world.wallet(self.ines)

    def received(self, *kinds: str) -> Decimal:
        return D(
            self.world.one(
                "SELECT coalesce(sum(balance), 0) FROM accounts WHERE kind = ANY (%s)", list(kinds)
            )
        )

    def fees(self) -> dict[str, Decimal]:
        return {
            "trading": D(self.world.one("SELECT coalesce(sum(fee), 0) FROM paper.fills")),
            "management": self.received("fee:management"),
            "profitShare": self.received("fee:profit_share", "fee:platform", "referral_pending"),
            "earlyExit": D(0),
        }

    def income(self) -> Decimal:
        return -self.received("income_expense")

    def total(self) -> Decimal:
        """Put in, less taken out, and all that the market gave and others took since."""
        paid = sum((amount for _, amount in self.chain), D(60_000))
        return paid + self.pnl + self.income() - sum(self.fees().values())

    # --- what the platform answers --------------------------------------------------------

    def get(self, path: str, **params: Any) -> Any:
        answer = self.client.get(f"/api/v1/{path}", headers=self.headers, params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def pages(self, path: str, **params: Any) -> list[Any]:
        found: list[Any] = []
        cursor: dict[str, str] = {}
        while True:
            page = self.get(path, **params, **cursor)
            found += page["items"]
            if page.get("nextCursor") is None:
                return found
            cursor = {"cursor": page["nextCursor"]}

    def check(self) -> None:
        self.world.value_books()
        earned = self.get("wallet/earnings")
        closing = {name: D(value) for name, value in earned["closing"].items() if name != "asOf"}
        # The asset log: what came from outside, and what the wallet has.
        log = self.pages("wallet/asset-log", limit=200)
        outside = [one for one in log if one["type"] in ("recharge", "withdraw")]
        paid = [D(one["amount"]) for one in outside]
        assert D(earned["paidIn"]) == sum(one for one in paid if one > 0)
        assert D(earned["paidOut"]) == -sum(one for one in paid if one < 0)
        assert closing["wallet"] == D(log[0]["balanceAfter"])
        # The statement of all accounts.
        statement = self.get("wallet/statement", accounts="all")
        kinds: dict[str, Decimal] = {}
        for one in statement["accounts"]:
            kinds[one["kind"]] = kinds.get(one["kind"], D(0)) + D(one["closing"])
        assert closing["wallet"] == kinds.get("wallet", 0)
        assert closing["reserved"] == kinds.get("reserved", 0)
        assert closing["pools"] == kinds.get("holding", 0)
        # Holdings and books, each by its own page.
        held = [one for one in self.pages("pools/holdings") if one["status"] == "held"]
        assert closing["pools"] == sum(D(one["amount"]) + D(one["accruedUnpaid"]) for one in held)
        managed = [
            D(one["performance"]["currentValue"])
            for one in self.pages("managed-subscriptions")
            if one["status"] not in ("SETTLED", "CANCELLED", "RESERVED")
        ]
        assert closing["managed"] == pytest.approx(sum(managed), abs=CLOSE)
        copies = [
            D(one["currentValue"])
            for one in self.get("co-trading/subscriptions", limit=100)["items"]
            if one["status"] != "cancelled"
        ]
        assert closing["copies"] == pytest.approx(sum(copies), abs=CLOSE)
        assert closing["owed"] == self.received("receivable")
        assert closing["total"] == sum(closing.values()) - closing["total"]
        # The gain by its parts, each known beside it.
        assert D(earned["gainBeforeFees"]) == pytest.approx(self.pnl, abs=CLOSE)
        fees = {name: D(value) for name, value in earned["fees"].items()}
        assert fees == self.fees() | {"total": sum(self.fees().values())}
        assert D(earned["income"]["total"]) == D(earned["income"]["pools"]) == self.income()
        assert D(earned["gain"]) == closing["total"] - sum(paid)
        assert closing["total"] == pytest.approx(self.total(), abs=CLOSE)
        self.check_rates(earned, outside, closing["total"])
        self.noted.append((self.world.now + timedelta(seconds=1), closing["total"]))

    def check_rates(self, earned: Any, outside: list[Any], total: Decimal) -> None:
        # TWR by hand: 60,000 at first, and the worth before each flow as it was known then; the
        # flows of a day count at its first.
        growth, base = 1.0, 60_000.0
        for before, amount in self.chain:
            growth *= float(before) / base
            base = float(before + amount)
        growth *= float(total) / base
        if not self.same_day():
            assert float(earned["twr"]) == pytest.approx(growth - 1, abs=1e-8)
        assert (earned["twrBreaks"], earned["wipedOut"]) == (0, False)
        # XIRR by another hand.
        dated = [
            (datetime.fromisoformat(one["createdAt"]).date(), -float(one["amount"]))
            for one in reversed(outside)
        ]
        dated.append((self.world.now.date(), float(total)))
        if len({day for day, _ in dated}) > 1 and earned["xirr"] is not None:
            other = pyxirr.xirr([day for day, _ in dated], [amount for _, amount in dated])
            assert float(earned["xirr"]) == pytest.approx(other, rel=1e-5, abs=1e-7)
        else:
            assert earned["xirrReason"].split(":")[0] in ("xirr_undefined", "xirr_ambiguous")

    def same_day(self) -> bool:
        """Whether two flows fell on one day: those count at the first one's time."""
        days = self.world.column(
            "SELECT e.created_at::date FROM asset_log e WHERE e.user_id = %s"
            " AND e.type IN ('recharge', 'withdraw')",
            self.ines.id,
        )
        return len(days) > len(set(days))


@pytest.mark.parametrize("number", range(3))
def test_what_was_earned_is_what_log_statement_holdings_and_books_say(
    client: TestClient, db: Database, sign_in: SignIn, seed: int, number: int
) -> None:
    life = Life(db, client, sign_in, seed * 10 + number)
    life.subscribe()
    for flow in life.flows:  # that something is traded, whatever is drawn
        life.world.signal(flow, D("0.5"))
    for _ in range(5):
        for _ in range(9):
            life.step()
        life.check()
    # What was shown at a moment is what is said of that moment later, and periods add up.
    whole = life.get("wallet/earnings")
    cuts = [None, *(at.isoformat() for at, _ in life.noted[:-1]), None]
    parts = [
        life.get(
            "wallet/earnings",
            **{
                name: value for name, value in (("from", since), ("to", until)) if value is not None
            },
        )
        for since, until in pairwise(cuts)
    ]
    for part, (_, total) in zip(parts[:-1], life.noted[:-1], strict=True):
        assert D(part["closing"]["total"]) == pytest.approx(total, abs=CLOSE)
    for name in ("paidIn", "paidOut", "gain", "gainBeforeFees", "funding", "covered"):
        assert sum(D(part[name]) for part in parts) == pytest.approx(D(whole[name]), abs=CLOSE)
    for group in ("fees", "income"):
        for name, value in whole[group].items():
            assert sum(D(part[group][name]) for part in parts) == D(value)
    assert D(whole["fees"]["trading"]) > 0, "nothing happened"

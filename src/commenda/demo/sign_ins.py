"""Sign-ins that the demo publishes: one for each role, and a second operator, for four eyes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from commenda.copying import Flow
from commenda.demo.savings import put_in
from commenda.demo.transfers import OPERATORS, ask
from commenda.identity import (
    Role,
    create_user,
    prepare_password,
    rename_user,
    set_password,
    user_by_id,
)
from commenda.kit.db import Tx
from commenda.ledger import Author, Owner, OwnerKind
from commenda.managed import SubscriptionOrder, authorise_custody, deposit, subscribe
from commenda.portfolios import Method, PortfolioDraft, PortfolioRules, found_portfolio
from commenda.simulate import ASSET, Scenario, product_id

PASSWORD = "commenda-demo"
_MONEY, _TRANSFER, _STAKE = Decimal(60_000), Decimal(15_000), Decimal(10_000)


@dataclass(frozen=True, slots=True)
class SignIn:
    username: str
    role: Role
    label: str

    @property
    def password(self) -> str:
        return PASSWORD


SIGN_INS = (
    *(SignIn(f"demo-{role}", role, role.capitalize()) for role in Role),
    SignIn(OPERATORS[1], Role.OPERATOR, "Second operator"),
)


def register_sign_ins(
    tx: Tx, scenario: Scenario, flows: Sequence[Flow], pools: Sequence[UUID], secret: bytes
) -> None:
    """Register the demo's users: the investor has subscriptions, pool holdings and a portfolio, the
    creator leads a flow and has money for another."""
    now = scenario.start
    known = tx.execute("SELECT username FROM users WHERE username ^@ 'demo-'").fetchall()
    for one in SIGN_INS:
        if (one.username,) in known:
            continue
        password = prepare_password(PASSWORD, one.username)
        if one.role is Role.CREATOR:
            creator = flows[0].creator_id
            rename_user(tx, creator, one.username)
            set_password(tx, user_by_id(tx, creator), password, now, actor="demo")
            author = Author("demo", "demo/1", now)
            owner = Owner(OwnerKind.CREATOR, creator)
            deposit(tx, author, owner, ASSET, _STAKE, "demo-creator")
            continue
        user = create_user(tx, one.username, password, one.role, now, actor="demo")
        if one.role is Role.INVESTOR:
            _invest(tx, user.id, pools, now, secret)
            _divide(tx, user.id, flows, now)


def _invest(tx: Tx, investor: UUID, pools: Sequence[UUID], now: datetime, secret: bytes) -> None:
    author = Author("demo", "demo/1", now)
    deposit(tx, author, Owner(OwnerKind.INVESTOR, investor), ASSET, _MONEY, "demo-investor")
    authorise_custody(tx, author, investor, ASSET, _MONEY)
    ask(tx, author, investor, _TRANSFER)
    for place, (profile, term) in enumerate([("balanced", 3), ("aggressive", 1)]):
        wanted = product_id(profile, term, "silver")
        order = SubscriptionOrder(product_id=wanted, amount=Decimal(8000))
        subscribe(tx, author, investor, order, f"demo-{place}", secret)
    for pool in pools[::2]:
        put_in(tx, author, investor, pool, Decimal(5000))


def _divide(tx: Tx, investor: UUID, flows: Sequence[Flow], now: datetime) -> None:
    """A portfolio in equal parts, which drift as the flows trade, and the machine brings back; a
    tenth of it is kept as cash."""
    draft = PortfolioDraft(
        name="Four strategies",
        flows=[flow.id for flow in flows[:4]],
        amount=Decimal(9_000),
        rules=PortfolioRules(method=Method.EQUAL, total=0.9, automatic=True),
    )
    owner = Owner(OwnerKind.INVESTOR, investor)
    found_portfolio(tx, Author("demo", "demo/1", now), owner, draft, "demo-portfolio")

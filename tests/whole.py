"""A business with something of everything, for what looks at all of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

from commenda.automation import (
    RULES,
    Mode,
    Seen,
    SettingOrder,
    ability_named,
    decide,
    put_setting,
)
from commenda.books import Trigger, post_funding
from commenda.copying import Flow
from commenda.funding import Direction, FundingOrder, request_funding
from commenda.funding.actions import conclude
from commenda.identity import (
    PERMISSIONS,
    Permission,
    Principal,
    Role,
    UserStatus,
    create_user,
    set_access,
)
from commenda.identity.api_keys import create_key, revoke_key
from commenda.identity.bodies import NewKey
from commenda.kit import ids
from commenda.kit.db import Database
from commenda.ledger import (
    AccountKey,
    Author,
    Hold,
    HoldOutcome,
    Outcome,
    Owner,
    close_period,
    note_balances,
    open_accounts,
    place_holds,
    reverse,
    void_holds,
)
from commenda.managed import cancel
from commenda.portfolios import PortfolioDraft, PortfolioRules, found_portfolio
from commenda.risk import LimitOrder, tighten
from commenda.strategies import Registrar, keep_params, register_catalogue
from databases import empty
from managed_world import TERMS
from pool import Pool
from scripted import ASSET, D, steps
from world import World


def whole_business(database: Database) -> World:
    """Something of everything: settled, cancelled, reserved, active, funded, copied, referred."""
    empty(database)
    world = World(
        database,
        {"AAAUSDT": steps((0, 100), (10, 120)), "BBBUSDT": steps((0, 50))},
        minimum_notional="5",
    )
    anna, bea = world.creator("anna"), world.creator("bea", "BBBUSDT")
    referrer = world.investor("rosa", 100)
    ines = world.investor("ines", 30_000, referrer)
    product, long_one = world.product(), world.product(days=30)
    first = world.subscribe(ines, product, 5_000, key="first")
    terms = replace(TERMS, crystallise_days=1)
    wilma = world.investor("wilma", 10_000)
    open_one = world.subscribe(wilma, world.product(30, terms, early_exit=True), 6_000)
    world.activate()
    carl = world.investor("carl")
    copied = world.follow(carl, anna, D(1000))
    world.follow(world.investor("dora"), bea, D("0.01"))  # too small for a lot: skipped
    emma = world.investor("emma", 100)
    little = world.follow(emma, anna, D(8))  # too little for the venue on its own
    for flow in (anna, bea):
        world.signal(flow, "0.6")
    begin = world.now
    world.advance(7)
    for payment in world.venue.income(begin.isoformat(), world.now)[0]:
        with database.transaction() as tx:
            post_funding(
                tx,
                world.author,
                world.venue.name,
                payment,
                world.broker.instrument(payment.instrument_id),
            )
    world.subscribe(ines, long_one, 4_000, key="open")
    world.activate()
    world.signal(anna, "0.3")
    world.signal(bea, "0")
    cancelled = world.subscribe(ines, product, 3_000, key="cancelled")
    with database.transaction() as tx:
        cancel(tx, world.author, cancelled)
    world.advance(72).mature()
    assert world.crystallise() == 1
    world.take_out(open_one, 500)
    with database.transaction() as tx:
        register_catalogue(tx, world.now)
        for fast in (24, 36):
            mine = Registrar("creator", world.now, ines.id)
            keep_params(tx, mine, "ema_trend", "calm", {"fast": fast})
    world.ask(first, Trigger.INVESTOR)
    world.liquidate()
    world.leave(copied, carl)
    world.close_copies()
    world.leave(little, emma)
    for _ in range(4):
        world.advance().close_copies()
    world.settle(first)
    world.move_cash()
    world.subscribe(ines, product, 2_000, key="reserved")
    withdraw(world, ines, 100, at_once=True)
    withdraw(world, ines, 200, at_once=False)
    for amount, approved in ((300, True), (400, False)):
        request = withdraw(world, ines, amount, at_once=False)
        with database.transaction() as tx:
            conclude(tx, world.author, request, approved=approved)
    hold_pair(world, ines, referrer)
    hire(world)
    close_books(world)
    save(world)
    world.pay_in(ines, D(7), "in error")
    with database.transaction() as tx:
        row = tx.execute("SELECT max(id) FROM journals").fetchone()
        assert row is not None
        assert reverse(tx, world.author, row[0]).outcome is Outcome.POSTED
    with database.transaction() as tx:
        open_accounts(tx, [AccountKey("wallet", Owner.platform(), ASSET)])  # of which nothing is
    divide(world, [anna, bea])
    limit(world)
    world.advance()
    return world


def divide(world: World, flows: Sequence[Flow]) -> None:
    """A portfolio of flows, rebalanced when it is founded."""
    owner = world.investor("paul", 2_000)
    draft = PortfolioDraft(
        name="Halves",
        flows=[one.id for one in flows],
        amount=D(1_000),
        rules=PortfolioRules.model_validate({"method": "equal", "automatic": True}),
    )
    with world.database.transaction() as tx:
        portfolio = found_portfolio(tx, world.author, owner, draft, "halves")
    world.move_cash()
    let_machine(world, portfolio)


def let_machine(world: World, portfolio: UUID) -> None:
    """The machine rebalances a portfolio by itself, once a day at most."""
    ability = ability_named("rebalance")
    order = SettingOrder(ability=ability.name, mode=Mode.ACTING, budget=1, reason="a test")
    parts = [{"flow": None, "title": None, "actual": "0", "target": "0", "weight": "0"}]
    evidence = {"number": 1, "equity": "1000", "turnover": "0.2", "cost": "0", "parts": parts}
    seen = Seen("portfolio", str(portfolio), "Halves", None, evidence, "once")
    machine = Author("operation", RULES, world.now)
    with world.database.transaction() as tx:
        put_setting(tx, machine, ability, order, None)
        decision = decide(tx, machine, ability, seen)
    assert decision is not None
    assert decision.state == "done"


def limit(world: World) -> None:
    """A limit of risk, and a tighter one after it."""
    for amount in ("1000000", "500000"):
        order = LimitOrder.model_validate(
            {"level": "platform", "measure": "gross_notional", "amount": amount, "reason": "a test"}
        )
        with world.database.transaction() as tx:
            tighten(tx, world.author, order)


def save(world: World) -> None:
    """Two pool holdings: both accrued and paid out; then one is redeemed, which accrues a day."""
    pool = Pool(world.database, world.now)
    ivy = pool.investor("ivy")
    terms = {"term_days": 30, "early_exit": True, "early_exit_penalty": D("0.5")}
    product = pool.product("savings", daily_rate=D("0.0001234567"), **terms)
    pool.subscribe(ivy, product, "1000.00000001", "kept")
    left = pool.subscribe(ivy, product, "2000.00000003", "left")
    pool.now = world.advance(48).now
    pool.accrue()
    pool.distribute()
    pool.now = world.advance(24).now
    pool.redeem(left)


def withdraw(world: World, owner: Owner, amount: int, *, at_once: bool) -> UUID:
    who = Principal(owner.id, Role.INVESTOR, PERMISSIONS[Role.INVESTOR], None, True)
    order = FundingOrder(direction=Direction.WITHDRAWAL, amount=D(amount), asset=ASSET)
    with world.database.transaction() as tx:
        large = D(10_000 if at_once else 0)
        funding = request_funding(tx, who, order, str(amount), world.now, paper=True, large=large)
    return funding.id


def hire(world: World) -> None:
    """An operator with a key that stands and one that was revoked, and one who is gone."""
    with world.database.transaction() as tx:
        oona = create_user(tx, "oona", "a hash", Role.OPERATOR, world.now, actor="cli")
        gone = create_user(tx, "gone", "a hash", Role.AUDITOR, world.now, actor="cli")
        set_access(tx, gone, Role.RISK, UserStatus.DISABLED, world.now, actor="cli")
        who = Principal(oona.id, oona.role, PERMISSIONS[oona.role], None, False)
        until = world.now + timedelta(days=30)
        for name in ("reports", "old"):
            made = NewKey(name=name, scopes=[Permission.OVERVIEW], expires_at=until)
            key = create_key(tx, oona, who, made, world.now)
        revoke_key(tx, oona, key.id, world.now)


def hold_pair(world: World, *owners: Owner) -> None:
    """Hold something of both, together, and set it free again."""
    with world.database.transaction() as tx:
        wallets = open_accounts(tx, [AccountKey("wallet", owner, ASSET) for owner in owners])
        holds = [
            Hold(f"pair-{n}", wallet, D(1), "test", ids.derive("pair"), group="pair")
            for n, wallet in enumerate(wallets)
        ]
        assert {one.outcome for one in place_holds(tx, world.author, holds)} == {HoldOutcome.PLACED}
    with world.database.transaction() as tx:
        assert void_holds(tx, world.author, ["pair"]) == ["pair"]


def close_books(world: World) -> None:
    """Close two periods, each with journals before and after it, and note their balances."""
    for until in (world.now - timedelta(hours=70), world.now):
        with world.database.transaction() as tx:
            assert close_period(tx, world.author, until)
        note_everything(world)


def note_everything(world: World) -> None:
    while True:
        with world.database.transaction() as tx:
            if not note_balances(tx):
                return

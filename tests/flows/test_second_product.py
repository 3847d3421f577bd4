"""A product of its own: terms and a payout, and nothing else of a book's life."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from commenda.books import (
    ClosedBook,
    NewLeg,
    Payout,
    Product,
    Scope,
    Trigger,
    close_due,
    open_scopes,
    pay_out_due,
    request_closing,
    request_transfer,
)
from commenda.copying import NewFollower, attach_legs, detach_legs, planned
from commenda.kit import ids
from commenda.kit.db import Database, Tx
from commenda.ledger import AccountKey, Journal, Line, Owner, open_accounts, post
from scripted import ASSET, D, steps
from world import World

# --- the product -------------------------------------------------------------------------------

ENTRY_FEE = D("0.01")
"""Of the principal, whatever came of it."""


def payout(tx: Tx, books: Sequence[ClosedBook]) -> list[Payout[None]]:
    """The entry fee to the platform, as far as it is there, and the rest to the investor."""
    return [
        Payout(
            [
                (AccountKey("fee:entry", Owner.platform(), book.scope.asset), fee),
                (AccountKey("wallet", book.scope.owner, book.scope.asset), book.equity - fee),
            ],
            None,
        )
        for book in books
        for fee in [min(book.equity, sum(leg.capital for leg in book.legs) * ENTRY_FEE)]
    ]


NOTES = Product(
    kinds=("note",), journal="redemption", key="redeem", actor="notes", rules="notes/1",
    payout=payout,
)  # fmt: skip

# --- its life ----------------------------------------------------------------------------------


def test_a_product_of_terms_and_a_payout_lives_through_books(db: Database) -> None:
    """10,000 in, half of it long from 100 to 110 without a fee: 10,500 out, 100 of it the fee."""
    world = World(db, {"AAAUSDT": steps((0, 100), (5, 110))}, fee=D(0))
    flow = world.creator("anna", capital=0)
    ines = world.investor("ines", 10_000)
    scope = Scope(ids.derive("note", "ines"), "note", ines, ASSET, ids.derive("notes", "ines"))
    leg = NewLeg(ids.derive("leg", scope.id), flow.creator_id, D(10_000), flow.venue)
    with db.transaction() as tx:
        (cash,) = open_scopes(tx, [(scope, [leg])], world.now)[0]
        (wallet,) = open_accounts(tx, [AccountKey("wallet", ines, ASSET)])
        lines = [Line(wallet, D(-10_000)), Line(cash, D(10_000))]
        post(tx, world.author, Journal("note:ines", "note", scope.correlation_id, lines))
        follower = NewFollower(flow.id, flow.creator_id, ines.id, leg.id, D(10_000))
        attach_legs(tx, [follower], world.now)
        request_transfer(
            tx, reference=scope.id, venue=flow.venue, asset=ASSET, amount=D(10_000),
            correlation_id=scope.correlation_id, now=world.now,
        )  # fmt: skip
    world.move_cash()
    world.advance().signal(flow, "0.5")
    assert world.quantity(leg.id) == 50

    world.advance(6)
    with db.transaction() as tx:
        detach_legs(tx, [leg.id], world.now)
        request_closing(tx, world.author, NOTES, {scope.id: scope.id}, Trigger.INVESTOR)
    assert close_due(db, world.broker, world.author, [NOTES], planned) == 1
    with db.transaction() as tx:
        assert pay_out_due(tx, NOTES, world.now) == 1
    world.move_cash()

    assert world.wallet(ines) == D(10_400)
    assert world.balance("fee:entry", Owner.platform()) == D(100)
    assert world.rows("SELECT kind, key FROM journals WHERE actor = 'notes'") == [
        ("redemption", f"redeem:{scope.id}")
    ]
    world.assert_sound()
    assert Decimal(0) == sum(world.unexplained().values())

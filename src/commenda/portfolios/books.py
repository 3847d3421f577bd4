"""A portfolio's book: founded out of a wallet, closed into it.

It is one scope. Each flow has a leg in it, and one leg more, which follows nobody, keeps the cash
that the weights leave. What a leg holds, trades and costs is a leg's like any other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from psycopg.types.json import Jsonb

from commenda.audit import record
from commenda.books import (
    ClosedBook,
    NewLeg,
    Paid,
    Payout,
    Product,
    Scope,
    Trigger,
    open_scopes,
    request_closing,
    request_transfer,
)
from commenda.copying import (
    NewFollower,
    asset_of,
    attach_legs,
    detach_legs,
    find_flow,
    require_room,
)
from commenda.kit import ids
from commenda.kit.db import Tx
from commenda.kit.errors import CommendaError, conflict, unknown
from commenda.kit.money import amount as checked_amount
from commenda.kit.money import plain
from commenda.kit.rows import put
from commenda.kit.wire import wire
from commenda.ledger import AccountKey, Author, Journal, Line, Owner, open_accounts, post
from commenda.portfolios.model import RULES, ZERO, PortfolioDraft

KIND: Final = "portfolio"


def open_portfolio(tx: Tx, author: Author, owner: Owner, draft: PortfolioDraft, key: str) -> UUID:
    """Move the amount from the owner's wallet into a new book, all of it into the cash kept.

    `key` is the request's: the same one opens the same book once. Codes `not_positive` and those of
    an amount, `duplicate_flow`, `unknown_flow`, `flow_not_active`, `flow_is_full`,
    `venues_differ`, `assets_differ`, `insufficient_balance`. A flow's least investment is not asked
    of a leg, whose weight changes.
    """
    if len(set(draft.flows)) < len(draft.flows):
        raise CommendaError("duplicate_flow", "A flow is named twice").at(
            "flows", len(draft.flows), "name each flow once"
        )
    flows = [find_flow(tx, one) for one in sorted(draft.flows)]  # locked in one order
    for flow in flows:
        require_room(tx, flow, "flows")
    venues = {flow.venue for flow in flows}
    if len(venues) > 1:  # cash moves between legs, and not between venues
        raise CommendaError("venues_differ", "These flows trade at different venues").at(
            "flows", sorted(venues), "choose flows of one venue"
        )
    assets = {asset_of(tx, flow.instrument_id) for flow in flows}
    if len(assets) > 1:
        raise CommendaError("assets_differ", "These flows trade in different assets").at(
            "flows", sorted(assets), "choose flows of one asset"
        )
    (asset,) = assets
    amount = checked_amount(draft.amount, asset)
    if amount <= 0:
        raise CommendaError("not_positive", "The amount must be above 0").at(
            "amount", amount, "give an amount above 0"
        )
    scope_id = ids.derive("scope", KIND, owner.id, key)
    scope = Scope(scope_id, KIND, owner, asset, ids.derive("portfolio", scope_id))
    legs = [NewLeg(ids.derive("leg", scope_id, "cash"), owner.id, amount, flows[0].venue)]
    legs += [NewLeg(ids.derive("leg", scope_id, f.id), f.creator_id, ZERO, f.venue) for f in flows]
    (wallet,) = open_accounts(tx, [AccountKey("wallet", owner, asset)])
    cash = open_scopes(tx, [(scope, legs)], author.now)[0][0]
    lines = [Line(wallet, -amount), Line(cash, amount)]
    named = f"portfolio:{scope_id}"
    posted = post(tx, author, Journal(named, "portfolio", scope.correlation_id, lines))
    if posted.refused_account is not None:
        raise conflict(
            "insufficient_balance",
            "The wallet has less than this available: what is on hold is not",
        ).at("amount", amount, "deposit first, or put less into it")
    request_transfer(
        tx,
        reference=ids.derive("transfer", scope_id),
        venue=flows[0].venue,
        asset=asset,
        amount=amount,
        correlation_id=scope.correlation_id,
        now=author.now,
    )
    followers = [
        NewFollower(flow.id, flow.creator_id, owner.id, leg.id, ZERO)
        for flow, leg in zip(flows, legs[1:], strict=True)
    ]
    attach_legs(tx, followers, author.now)
    row = {
        "id": scope_id,
        "owner_id": owner.id,
        "name": draft.name,
        "rules": Jsonb(wire(draft.rules)),
        "created_at": author.now,
    }
    put(tx, "INSERT INTO portfolios", row)
    said = {"name": draft.name, "amount": plain(amount), "flows": len(flows)}
    record(tx, [author.event("portfolio.founded", scope_id, scope.correlation_id, "active", said)])
    return scope_id


def request_close(tx: Tx, author: Author, portfolio_id: UUID, owner_id: UUID) -> bool:
    """Ask for a portfolio to be really closed and paid out; False where that was asked before.

    Code `unknown_portfolio`, also for another's.
    """
    row = tx.execute(
        "SELECT s.correlation_id FROM portfolios p JOIN scopes s ON s.id = p.id"
        " WHERE p.id = %s AND p.owner_id = %s",
        (portfolio_id, owner_id),
    ).fetchone()
    if row is None:
        raise unknown("portfolio", portfolio_id, "id")
    (correlation_id,) = row
    subjects = {portfolio_id: portfolio_id}
    if not request_closing(tx, author, PORTFOLIOS, subjects, Trigger.INVESTOR):
        return False
    record(tx, [author.event("portfolio.close_requested", portfolio_id, correlation_id, "closing")])
    return True


def _payout(tx: Tx, books: Sequence[ClosedBook]) -> list[Payout[None]]:
    """All of it to the wallet; what is missing, insurance pays."""

    def account(book: ClosedBook) -> AccountKey:
        kind, owner = (
            ("wallet", book.scope.owner) if book.equity > 0 else ("insurance", Owner.platform())
        )
        return AccountKey(kind, owner, book.scope.asset)

    return [Payout([(account(book), book.equity)], None) for book in books]


def _asked(tx: Tx, author: Author, scopes: Sequence[UUID]) -> None:
    """Whoever asked, margin too: no new exposure from here on."""
    legs = tx.execute("SELECT id FROM legs WHERE scope_id = ANY (%s)", (list(scopes),)).fetchall()
    detach_legs(tx, [leg for (leg,) in legs], author.now)


def _paid(tx: Tx, author: Author, paid: Sequence[Paid[None]]) -> None:
    said = [(one.book.scope, {"equity": plain(one.book.equity)}) for one in paid]
    record(
        tx,
        [
            author.event("portfolio.closed", scope.id, scope.correlation_id, "closed", equity)
            for scope, equity in said
        ],
    )


PORTFOLIOS: Final = Product(
    kinds=(KIND,),
    journal="leave",
    key="leave",
    actor="portfolios",
    rules=RULES,
    payout=_payout,
    asked=_asked,
    paid=_paid,
)
"""Portfolios, as books know them."""

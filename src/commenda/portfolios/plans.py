"""A rebalance: targets against what is there, what moves, what that costs; then it is done.

It moves cash between the legs of one book (a journal that adds up to nothing outside of it), lets
each leg follow with what it has now, and asks the flows to repeat their targets. What is traded
for it goes the way of every signal; nothing here sends an order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_DOWN, Decimal
from typing import NamedTuple
from uuid import UUID

from psycopg.types.json import Jsonb

from commenda.audit import record
from commenda.books import INITIAL, OpenBook, Taking, lock_closings, open_books, take_out
from commenda.copying import flow_nav, follow_with, planned, repeat_targets
from commenda.kit import ids
from commenda.kit.db import Tx
from commenda.kit.errors import conflict, unknown
from commenda.kit.money import plain, quantise, scale_of
from commenda.kit.rows import put, put_all
from commenda.kit.wire import wire
from commenda.ledger import Author
from commenda.market import latest_marks
from commenda.portfolios.model import (
    ZERO,
    Cause,
    PortfolioRules,
    RebalanceMove,
    RebalancePlan,
    rules_from,
)
from commenda.portfolios.records import common
from commenda.portfolios.rules import Easing
from commenda.portfolios.sizing import Method, Sizing, SizingRules, equal, size

SCALE = 8
"""Decimals of a weight."""


class _Followed(NamedTuple):
    """A leg of a portfolio and the flow it follows; none: it keeps the cash."""

    leg_id: UUID
    flow_id: UUID | None
    title: str | None
    exposure: Decimal
    taker_fee: Decimal


@dataclass(frozen=True, slots=True)
class _Stored:
    id: UUID
    rules: PortfolioRules
    version: int
    rebalances: int


def rebalance(
    tx: Tx,
    author: Author,
    portfolio_id: UUID,
    owner_id: UUID,
    *,
    back_to: int | None = None,
    reason: str,
    dry_run: bool = False,
) -> RebalancePlan:
    """Plan a rebalance by the portfolio's rules, or back to the weights of an earlier one, and do
    it, unless it is a `dry_run`.

    Codes `unknown_portfolio`, `unknown_rebalance`, `portfolio_closing`, `portfolio_trading`,
    `portfolio_is_empty`, `no_mark`, `short_record` and those of `size`.
    """
    lock_closings(tx, [portfolio_id])
    stored = _stored(tx, portfolio_id, owner_id)
    _require_still(tx, portfolio_id)
    book = open_books(tx, [portfolio_id], latest_marks(tx))[portfolio_id]
    plan = _plan(tx, author, stored, book, back_to, reason)
    return plan if dry_run else _carry_out(tx, author, book, plan, stored.rebalances + 1)


def _stored(tx: Tx, portfolio_id: UUID, owner_id: UUID) -> _Stored:
    row = tx.execute(
        "SELECT p.rules, p.rules_version, (SELECT count(*) FROM portfolio_rebalances r"
        "  WHERE r.portfolio_id = p.id) FROM portfolios p"
        " WHERE p.id = %s AND p.owner_id = %s FOR NO KEY UPDATE OF p",
        (portfolio_id, owner_id),
    ).fetchone()
    if row is None:
        raise unknown("portfolio", portfolio_id, "portfolioId")
    return _Stored(portfolio_id, rules_from(row[0]), row[1], row[2])


def _require_still(tx: Tx, portfolio_id: UUID) -> None:
    """What is just being traded has no worth to divide yet."""
    if tx.execute("SELECT 1 FROM closings WHERE scope_id = %s", (portfolio_id,)).fetchone():
        raise conflict("portfolio_closing", "This portfolio is being closed, or is").at(
            "portfolioId", portfolio_id, "found another one"
        )
    in_plans = planned(tx, [portfolio_id])
    at_work = tx.execute(
        "SELECT 1 FROM trading_signals s JOIN signal_executions e ON e.signal_id = s.id"
        " JOIN legs l ON l.id = e.leg_id WHERE s.status <> 'processed' AND l.scope_id = %s"
        "  AND e.status IN ('pending', 'executing') LIMIT 1",
        (portfolio_id,),
    ).fetchone()
    if in_plans or at_work:
        raise conflict("portfolio_trading", "A signal is being traded in this portfolio").at(
            "portfolioId", portfolio_id, "ask again when it is done, within a minute as a rule"
        )


def _followed(tx: Tx, book: OpenBook) -> list[_Followed]:
    rows = tx.execute(
        "SELECT l.id, f.id, f.title, coalesce(t.target, 0), coalesce(i.taker_fee, 0)"
        " FROM legs l LEFT JOIN (flow_subscriptions s JOIN shared_flows f ON f.id = s.flow_id"
        "   JOIN instruments i ON i.id = f.instrument_id) ON s.leg_id = l.id"
        " LEFT JOIN trading_signals t ON t.flow_id = f.id AND t.sequence = f.last_sequence"
        " WHERE l.scope_id = %s",
        (book.scope.id,),
    ).fetchall()
    found = {row[0]: _Followed(*row) for row in rows}
    return [found[leg.id] for leg in book.legs]


def _plan(
    tx: Tx,
    author: Author,
    stored: _Stored,
    book: OpenBook,
    back_to: int | None,
    reason: str,
) -> RebalancePlan:
    equity = sum(book.equities, ZERO)
    if equity <= 0:
        raise conflict("portfolio_is_empty", "There is nothing left to divide").at(
            "portfolioId", stored.id, "close it"
        )
    legs = _followed(tx, book)
    flows = [leg for leg in legs if leg.flow_id is not None]
    actual = {
        str(leg.flow_id): float(worth / equity)
        for leg, worth in zip(legs, book.equities, strict=True)
        if leg.flow_id is not None
    }
    begins = stored.rebalances == 0
    fixed = None if back_to is None else _weights_of(tx, stored.id, back_to, flows)
    sized = _size(tx, flows, stored.rules, None if begins else actual, fixed)
    given = {one.name: one for one in sized.strategies}
    wanted = [
        worth
        if leg.flow_id is None or (one := given[str(leg.flow_id)]).weight == one.actual
        else quantise(_exact(one.weight) * equity, scale_of(book.scope.asset), ROUND_DOWN)
        for leg, worth in zip(legs, book.equities, strict=True)
    ]
    moved = _moves(book, [leg.flow_id is None for leg in legs], wanted)
    moves = []
    for leg, worth, cash in zip(legs, book.equities, moved, strict=True):
        target = _exact(given[str(leg.flow_id)].target) if leg.flow_id else ZERO
        there = _near(target, worth + cash, equity)
        moves.append(
            RebalanceMove(
                leg.leg_id,
                leg.flow_id,
                leg.title,
                worth,
                _part(worth, equity),
                target,
                _part(worth + cash, equity),
                cash,
                quantise(leg.exposure * cash, scale_of(book.scope.asset)),
                "kept" if not cash else "target" if there else "eased",
            )
        )
    moves = _with_cash_last(moves)
    fees = {leg.leg_id: leg.taker_fee for leg in legs}
    cost = sum((abs(one.trade) * fees[one.leg_id] for one in moves), ZERO)
    turned = sum((abs(one.weight - one.actual) for one in moves if one.flow_id), ZERO)
    cause = Cause.FOUNDING if begins else Cause.REBALANCE if fixed is None else Cause.ROLLBACK
    return RebalancePlan(
        stored.id,
        None,
        cause.value,
        back_to,
        stored.rules,
        stored.version,
        book.scope.asset,
        equity,
        turned,
        quantise(cost, scale_of(book.scope.asset)),
        reason,
        author.actor,
        author.now,
        moves,
    )


def _size(
    tx: Tx,
    flows: Sequence[_Followed],
    told: PortfolioRules,
    actual: Mapping[str, float] | None,
    fixed: Mapping[str, float] | None,
) -> Sizing:
    names = [str(leg.flow_id) for leg in flows]
    rules = SizingRules(
        method=told.method,
        estimator=told.covariance,
        target_volatility=told.target_volatility,
        budgets={str(flow): part for flow, part in told.budgets.items() if str(flow) in names},
        fraction=told.fraction,
        floor=told.floor,
        cap=told.cap,
        total=told.total,
        easing=Easing(told.band, told.step, told.turnover),
    )
    if fixed is not None:
        return equal(names, rules, None, fixed)
    if told.method is Method.EQUAL and told.target_volatility is None:
        return equal(names, rules, actual)
    navs = {str(leg.flow_id): flow_nav(tx, leg.flow_id).points for leg in flows if leg.flow_id}
    record_ = common({name: [(p.at, float(p.nav)) for p in told_] for name, told_ in navs.items()})
    return size(record_.names, record_.values, rules, actual)


def _weights_of(
    tx: Tx, portfolio_id: UUID, number: int, flows: Sequence[_Followed]
) -> dict[str, float]:
    """The weights that a rebalance gave; code `unknown_rebalance`."""
    rows = tx.execute(
        "SELECT m.leg_id, m.weight FROM portfolio_rebalances r"
        " JOIN portfolio_moves m ON m.rebalance_id = r.id"
        " WHERE r.portfolio_id = %s AND r.number = %s",
        (portfolio_id, number),
    ).fetchall()
    if not rows:
        raise unknown("rebalance", number, "backTo", "give the number of one that was done")
    given: dict[UUID, Decimal] = dict(rows)
    return {str(leg.flow_id): float(given.get(leg.leg_id, ZERO)) for leg in flows}


def _moves(book: OpenBook, keeps: Sequence[bool], wanted: Sequence[Decimal]) -> list[Decimal]:
    """Cash into each leg so that it comes to what is wanted; they add up to nothing.

    A leg keeps the margin of what it holds until that is traded. What is not there to be given yet
    is given less of, to all alike.
    """
    scale = scale_of(book.scope.asset)
    moves = [amount - worth for amount, worth in zip(wanted, book.equities, strict=True)]
    out = [
        max(cash, min(ZERO, quantise(INITIAL * gross, scale) - worth)) if cash < 0 else cash
        for cash, gross, worth in zip(moves, book.gross, book.equities, strict=True)
    ]
    given = sum((cash for cash in out if cash > 0), ZERO)
    there = -sum((cash for cash in out if cash < 0), ZERO)
    there += max(ZERO, sum((w for keep, w in zip(keeps, book.equities, strict=True) if keep), ZERO))
    if given > there:
        out = [
            quantise(cash * there / given, scale, ROUND_DOWN) if cash > 0 else cash for cash in out
        ]
    rest = -sum(out, ZERO)
    return [rest if keep else cash for keep, cash in zip(keeps, out, strict=True)]


def _carry_out(
    tx: Tx, author: Author, book: OpenBook, plan: RebalancePlan, number: int
) -> RebalancePlan:
    rebalance_id = ids.derive("rebalance", plan.portfolio_id, number)
    moved = {one.leg_id: one for one in plan.moves}
    taking = Taking(
        f"rebalance:{plan.portfolio_id}:{number}",
        "rebalance",
        [-moved[leg.id].moved for leg in book.legs],
        [],
        None,
    )
    take_out(tx, author, [(book, taking)])
    amounts = [(one.leg_id, max(ZERO, one.equity + one.moved)) for one in plan.moves if one.flow_id]
    follow_with(tx, amounts, author.now)
    repeat_targets(tx, [one.flow_id for one in plan.moves if one.flow_id and one.moved], author.now)
    put(
        tx,
        "INSERT INTO portfolio_rebalances",
        {
            "id": rebalance_id,
            "portfolio_id": plan.portfolio_id,
            "number": number,
            "cause": plan.cause,
            "of_number": plan.back_to,
            "rules": Jsonb(wire(plan.rules)),
            "rules_version": plan.rules_version,
            "equity": plan.equity,
            "turnover": plan.turnover,
            "cost": plan.cost,
            "reason": plan.reason,
            "author": plan.author,
            "at": plan.at,
        },
    )
    columns = ("leg_id", "equity", "target", "weight", "moved", "trade")
    rows = [{name: getattr(one, name) for name in columns} for one in plan.moves]
    put_all(tx, "portfolio_moves", [{"rebalance_id": rebalance_id} | row for row in rows])
    said = {
        "number": number,
        "cause": plan.cause,
        "reason": plan.reason,
        "turnover": plain(plan.turnover),
        "weights": {str(one.flow_id or "cash"): plain(one.weight) for one in plan.moves},
    }
    record(
        tx,
        [
            author.event(
                "portfolio.rebalanced",
                plan.portfolio_id,
                book.scope.correlation_id,
                str(number),
                said,
            )
        ],
    )
    return replace(plan, number=number)


def _exact(weight: float) -> Decimal:
    return quantise(Decimal(weight), SCALE)


def _part(worth: Decimal, equity: Decimal) -> Decimal:
    return quantise(worth / equity, SCALE)


def _near(target: Decimal, worth: Decimal, equity: Decimal) -> bool:
    return abs(_part(worth, equity) - target) <= Decimal("0.000001")


def _with_cash_last(moves: Sequence[RebalanceMove]) -> list[RebalanceMove]:
    return sorted(moves, key=lambda one: (one.flow_id is None, str(one.title), str(one.flow_id)))

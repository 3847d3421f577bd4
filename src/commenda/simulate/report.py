"""What a replayed business came to: every figure read back from the books.

The report is plain data (numbers that are money or rates are decimal strings). It depends on the
scenario and its seed alone; the run's wall time and memory stand apart, under `timings`.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from decimal import Decimal
from typing import Any, LiteralString

from psycopg.rows import dict_row

from commenda.execution import reconcile
from commenda.kit.db import Tx
from commenda.kit.times import iso
from commenda.ledger import totals_by_asset
from commenda.operations import verify
from commenda.returns import time_weighted_return
from commenda.simulate.business import Business
from commenda.simulate.outcome import outcome
from commenda.simulate.plain import Row, one, plain, rows, text
from commenda.simulate.scenario import ASSET
from commenda.simulate.series import series


def report(business: Business) -> dict[str, Any]:
    """Everything the replay is asked for but its timings."""
    scenario, database = business.scenario, business.database
    with database.transaction() as tx:
        findings = [str(finding) for finding in verify(tx)]
    with database.transaction() as tx:
        return {
            "scenario": {
                "title": scenario.title,
                "seed": scenario.seed,
                "start": iso(scenario.start),
                "end": iso(scenario.end),
                "market": "simulated" if scenario.market.simulated else "recorded candles",
                "symbols": list(scenario.market.symbols),
                "interval": scenario.interval,
                "asset": ASSET,
                "digest": scenario.digest,
            },
            "investors": {
                **one(tx, _INVESTORS),
                "states": rows(tx, _STATES),
                # Holding-period returns on the principal, after all fees; none is annualised.
                "outcomes": one(tx, _OUTCOMES),
            },
            "products": rows(tx, _PRODUCTS),
            "creators": _creators(tx),
            "platform": one(tx, _PLATFORM),
            "referral": one(tx, _REFERRAL),
            "liquidation": {
                **one(tx, _LIQUIDATION),
                "failures": rows(tx, _LIQUIDATION_FAILURES),
                "doors": rows(tx, _DOORS),
            },
            "series": series(tx, scenario),
            "machine": {"outcome": asdict(outcome(tx)), "abilities": rows(tx, _ABILITIES)},
            "deviation": rows(tx, _DEVIATION),
            "allocation": {**one(tx, _ALLOCATION), "digest": _digest(tx, _ALLOCATION_ROWS)},
            "counts": {**one(tx, _COUNTS), "executionStatus": rows(tx, _EXECUTION_STATUS)},
            "ledger": {
                "totals": {asset: text(total) for asset, total in totals_by_asset(tx).items()},
                "balances": rows(tx, _BALANCES),
                "digest": _digest(tx, _ACCOUNT_ROWS),
            },
            "verify": {"clean": not findings, "findings": findings},
            "reconciliation": _reconciliation(business, tx),
        }


_ABILITIES: LiteralString = (
    "SELECT ability, count(*) AS decisions, count(acted_at) AS done,"
    " count(*) FILTER (WHERE state = 'refused') AS refused,"
    " count(*) FILTER (WHERE effect IS NOT NULL) AS measured"
    " FROM decisions GROUP BY ability ORDER BY ability"
)
_INVESTORS: LiteralString = (
    "SELECT (SELECT count(*) FROM users WHERE role = 'investor') AS investors,"
    " (SELECT coalesce(sum(e.amount), 0) FROM entries e JOIN journals j ON j.id = e.journal_id"
    "   JOIN journals of ON of.id = coalesce(j.reverses, j.id) AND of.kind = 'deposit'"
    "   JOIN accounts a ON a.id = e.account_id AND a.kind = 'wallet'"
    "    AND a.owner_kind = 'investor') AS deposited,"
    " (SELECT count(*) FROM managed_subscriptions) AS subscriptions,"
    " (SELECT coalesce(sum(amount), 0) FROM managed_subscriptions) AS subscribed,"
    " (SELECT count(*) FROM idempotency WHERE operation = 'subscribe'"
    "   AND outcome #> '{body,code}' IS NOT NULL) AS refused"
)
_STATES: LiteralString = (
    "SELECT status, count(*) AS subscriptions, sum(amount) AS principal"
    " FROM managed_subscriptions GROUP BY status ORDER BY status"
)
_OUTCOMES: LiteralString = (
    "SELECT count(*) AS settled, sum(principal) AS principal, sum(to_wallet) AS returned,"
    " sum(to_wallet - principal) AS net_profit,"
    " sum(to_wallet - principal) / nullif(sum(principal), 0) AS pooled_return,"
    " avg((to_wallet > principal)::integer::numeric) AS share_with_gain,"
    " min(r) AS worst, percentile_disc(0.10) WITHIN GROUP (ORDER BY r) AS p10,"
    " percentile_disc(0.25) WITHIN GROUP (ORDER BY r) AS p25,"
    " percentile_disc(0.50) WITHIN GROUP (ORDER BY r) AS median,"
    " percentile_disc(0.75) WITHIN GROUP (ORDER BY r) AS p75,"
    " percentile_disc(0.90) WITHIN GROUP (ORDER BY r) AS p90, max(r) AS best"
    " FROM (SELECT *, to_wallet / principal - 1 AS r FROM settlements) s"
)
_PRODUCTS: LiteralString = (
    "SELECT p.profile, p.term_days, p.tier, count(*) AS settled, sum(t.principal) AS principal,"
    " sum(t.to_wallet - t.principal) / sum(t.principal) AS net_return,"
    " sum(t.expected_gain) / sum(t.principal) AS expected_return,"
    " avg((t.to_wallet > t.principal)::integer::numeric) AS share_with_gain"
    " FROM settlements t JOIN managed_subscriptions s ON s.id = t.subscription_id"
    " JOIN products p ON p.id = s.product_id"
    " GROUP BY p.profile, p.term_days, p.tier, p.minimum"
    " ORDER BY p.profile, p.term_days, p.minimum"
)
_CREATORS: LiteralString = (
    "SELECT f.title AS creator, b.profile, f.strategy, i.symbol, b.score,"
    " b.max_drawdown, v.investment_amount AS capital, v.leg_id,"
    " (SELECT coalesce(sum(balance), 0) FROM accounts WHERE kind = 'fee:profit_share'"
    "   AND owner_id = f.creator_id) AS profit_share,"
    " (SELECT count(*) FROM flow_subscriptions s WHERE s.flow_id = f.id AND NOT s.is_leader)"
    "   AS followers,"
    " (SELECT coalesce(sum(s.investment_amount), 0) FROM flow_subscriptions s"
    "   WHERE s.flow_id = f.id AND NOT s.is_leader) AS followed_capital,"
    " (SELECT count(*) FROM trading_signals g WHERE g.flow_id = f.id) AS signals"
    " FROM shared_flows f JOIN leaderboard b ON b.flow_id = f.id"
    " JOIN instruments i ON i.id = f.instrument_id"
    " JOIN flow_subscriptions v ON v.flow_id = f.id AND v.is_leader"
    " ORDER BY f.title"
)
# What followers earned net of trading costs, before fees, leg by leg: the cash each settled leg
# ended with and gave before, against what it began with.
_FOLLOWERS_PROFIT: LiteralString = (
    "SELECT a.flow_id, sum(coalesce((SELECT sum(taken) FROM crystallisation_legs"
    "  WHERE leg_id = l.id), 0) - e.amount - a.amount) AS profit, sum(a.amount) AS capital"
    " FROM managed_allocations a JOIN legs l ON l.id = a.leg_id"
    " JOIN closings c ON c.id = a.subscription_id"
    " JOIN entries e ON e.journal_id = c.journal_id AND e.account_id = l.account_id"
    " GROUP BY a.flow_id"
)
_PLATFORM: LiteralString = (
    "SELECT coalesce(sum(management_fee), 0) AS management_fee,"
    " coalesce(sum(profit_share), 0) AS profit_share,"
    " coalesce(sum(to_creators), 0) AS paid_to_creators,"
    " coalesce(sum(to_platform), 0) AS kept_of_cut,"
    " coalesce(sum(to_referrers), 0) AS referral_cost,"
    " coalesce(sum(shortfall), 0) AS insurance_paid FROM managed_payouts"
)
_REFERRAL: LiteralString = (
    "SELECT (SELECT count(*) FROM referrals) AS referred_investors,"
    " count(*) AS commissions, coalesce(sum(amount), 0) AS amount,"
    " count(DISTINCT payee_id) AS payees, count(released_at) AS released FROM referral_commissions"
)
_LIQUIDATION: LiteralString = (
    "SELECT count(*) AS orders, coalesce(sum(filled.notional), 0) AS notional,"
    " coalesce(sum(filled.fee), 0) AS fees,"
    " sum(filled.slipped) / nullif(sum(filled.notional), 0) * 10000 AS slippage_bps,"
    " (SELECT count(*) FROM closing_attempts) AS attempts,"
    " (SELECT count(*) FROM closing_attempts WHERE outcome = 'failed') AS retried"
    " FROM orders o CROSS JOIN LATERAL (SELECT sum(quantity * price) AS notional, sum(fee) AS fee,"
    "   sum(quantity * (price - o.reference_price)"
    "     * CASE o.side WHEN 'buy' THEN 1 ELSE -1 END) AS slipped"
    "   FROM fills WHERE order_id = o.id) filled"
    " WHERE o.cause = 'liquidation'"
)
_LIQUIDATION_FAILURES: LiteralString = (
    "SELECT reason, count(*) AS attempts FROM closing_attempts"
    " WHERE outcome = 'failed' GROUP BY reason ORDER BY count(*) DESC, reason LIMIT 12"
)
_DOORS: LiteralString = (
    "SELECT trigger AS door, count(*) AS subscriptions FROM closings"
    " WHERE amount IS NULL GROUP BY 1 ORDER BY 1"
)
_DEVIATION: LiteralString = (
    "SELECT p.profile, p.term_days, t.deviation_level AS level, count(*) AS subscriptions,"
    " sum(t.to_wallet - t.principal) AS actual, sum(t.expected_gain) AS expected"
    " FROM settlements t JOIN managed_subscriptions s ON s.id = t.subscription_id"
    " JOIN products p ON p.id = s.product_id"
    " GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
)
_ALLOCATION: LiteralString = (
    "SELECT count(*) AS legs, max(weight) AS largest_weight,"
    " (SELECT max(legs) FROM (SELECT count(*) AS legs FROM managed_allocations"
    "   GROUP BY subscription_id) per) AS most_creators,"
    " (SELECT min(legs) FROM (SELECT count(*) AS legs FROM managed_allocations"
    "   GROUP BY subscription_id) per) AS fewest_creators FROM managed_allocations"
)
_ALLOCATION_ROWS: LiteralString = (
    "SELECT subscription_id, flow_id, weight FROM managed_allocations ORDER BY 1, 2"
)
_COUNTS: LiteralString = (
    "SELECT (SELECT count(*) FROM trading_signals) AS signals,"
    " (SELECT count(*) FROM signal_executions) AS executions,"
    " (SELECT count(*) FROM orders) AS orders, (SELECT count(*) FROM fills) AS fills,"
    " (SELECT count(*) FROM allocations) AS allocations,"
    " (SELECT count(*) FROM journals) AS journals, (SELECT count(*) FROM entries) AS entries,"
    " (SELECT count(*) FROM accounts) AS accounts, (SELECT count(*) FROM scopes) AS scopes,"
    " (SELECT count(*) FROM nav_history) AS nav_points,"
    " (SELECT count(*) FROM funding_payments) AS funding_payments"
)
_EXECUTION_STATUS: LiteralString = (
    "SELECT status, count(*) AS executions FROM signal_executions GROUP BY status ORDER BY status"
)
_BALANCES: LiteralString = (
    "SELECT kind, owner_kind, asset, count(*) AS accounts, sum(balance) AS balance"
    " FROM accounts GROUP BY kind, owner_kind, asset ORDER BY kind, owner_kind, asset"
)
_ACCOUNT_ROWS: LiteralString = (
    "SELECT a.kind, a.owner_id, a.asset, a.scope_id, a.leg_id, i.symbol, a.stripe,"
    " a.version, a.balance"
    " FROM accounts a LEFT JOIN instruments i ON i.id = a.instrument_id"
    ' ORDER BY a.kind COLLATE "C", a.owner_id, a.asset, a.scope_id, a.leg_id, i.symbol,'
    " a.stripe"
)


def _creators(tx: Tx) -> list[Row]:
    """Each creator beside what its followers earned; a creator's own return is time-weighted."""
    earned = {row[0]: row[1:] for row in tx.execute(_FOLLOWERS_PROFIT)}
    navs: dict[Any, list[float]] = {}
    for leg_id, nav in tx.execute(
        "SELECT n.leg_id, n.nav FROM nav_history n JOIN flow_subscriptions s"
        " ON s.leg_id = n.leg_id AND s.is_leader ORDER BY n.at"
    ):
        navs.setdefault(leg_id, []).append(float(nav))
    flows = {
        title: flow for flow, title in tx.execute("SELECT id, title FROM shared_flows").fetchall()
    }
    creators = []
    with tx.cursor(row_factory=dict_row) as cursor:
        for row in cursor.execute(_CREATORS):
            leg = row.pop("leg_id")
            chain = [(nav, 0.0) for nav in navs.get(leg, [])]
            own = time_weighted_return(float(row["capital"]), chain).total if chain else 0.0
            profit, capital = earned.get(flows[row["creator"]], (Decimal(0), Decimal(0)))
            creators.append(
                plain(row)
                | {
                    "ownReturnTwr": f"{own:.6f}",
                    "followersProfit": text(profit),
                    "followersReturn": text(profit / capital) if capital else None,
                }
            )
    return creators


_DIFFERENCE = ("subject", "venue", "ledger", "explained", "unexplained")


def _reconciliation(business: Business, tx: Tx) -> Row:
    broker = business.broker
    row = tx.execute("SELECT now_at FROM business_clock").fetchone()
    assert row is not None, "a replay that has come to its report has a clock"
    now = row[0]
    lines = reconcile(tx, business.venue, broker.feed.instruments, broker.marks(now), now)
    return {
        "asOf": iso(now),
        "unexplained": text(sum((abs(line.unexplained) for line in lines), Decimal(0))),
        "lines": [{name: text(getattr(line, name)) for name in _DIFFERENCE} for line in lines],
    }


def _digest(tx: Tx, query: LiteralString) -> str:
    """SHA-256 over the rows of a query: equal books, equal digest."""
    digest = hashlib.sha256()
    with tx.cursor(name="digest") as cursor:
        for row in cursor.execute(query):
            line = "\x1f".join(str(text(value)) for value in row) + "\n"
            digest.update(line.encode())
    return digest.hexdigest()

"""The operation at a glance: what the overview page shows, in a few queries.

One reading is kept for a second, or ten times as long as it took: watching costs at most a tenth
of one connection, however large the operation and however many watch. What cannot change any more
(days that are closed, entries of the outside account) is read once and added up.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, timedelta
from decimal import Decimal
from typing import Any, LiteralString

from psycopg.rows import dict_row

from commenda.alerts import latest_alerts
from commenda.identity import Permission
from commenda.kit.clock import business_now
from commenda.kit.db import Database, Tx

Row = dict[str, Any]

MOST_DAYS = 400
BASE = Decimal(100)
"""Where the NAV index begins, on the day before its first return."""
_INDEX_UNIT = Decimal("1e-8")
_LISTED = 12


@dataclass
class Overview:
    """What one API process has read of the operation."""

    database: Database
    fresh: float = 1.0
    """Seconds for which a reading is kept, at least."""
    share: float = 10.0
    """It is kept this many times as long as it took."""
    _reading: threading.Lock = field(default_factory=threading.Lock)
    _answer: Row | None = None
    _fresh_until: float = 0.0
    _navs: Navs = field(default_factory=lambda: Navs())
    _outside: Outside = field(default_factory=lambda: Outside())

    def read(self) -> Row:
        """Everything, as of now or of a moment ago."""
        with self._reading:
            if self._answer is None or time.monotonic() > self._fresh_until:
                began = time.monotonic()
                with self.database.transaction() as tx:
                    tx.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
                    self._answer = self._read(tx)
                ended = time.monotonic()
                self._fresh_until = ended + max(self.fresh, self.share * (ended - began))
            return self._answer

    def _read(self, tx: Tx) -> Row:
        now = business_now(tx)
        asset = _asset(tx)
        yesterday = now.astimezone(UTC).date() - timedelta(days=1)
        at = {
            "asset": asset,
            "day": now - timedelta(days=1),
            "today": yesterday + timedelta(days=1),
            "yesterday": yesterday,
            "limit": _LISTED,
        }
        self._navs.read_on(tx, asset)
        self._outside.read_on(tx, asset)
        days = self._navs.days
        return {
            "asset": asset,
            "clock": clock_of(tx),
            "people": _one(tx, _PEOPLE),
            "subscriptions": _states(tx, at),
            "money": {
                **_one(tx, _SUBSCRIBED, at),
                **_one(tx, _SETTLED, at),
                **_one(tx, _REFERRED, at),
                "deposited": self._outside.deposited,
                "withdrawn": self._outside.withdrawn,
                "under_management": days[-1]["nav"] if days else None,
                "valued_at": days[-1]["at"] if days else None,
            },
            "income": {**_one(tx, _INCOME, at), "pools": _rows(tx, _POOLS, at)},
            "days": days[-MOST_DAYS:],
            "traces": _rows(tx, _TRACES, at),
            "retries": _rows(tx, _RETRIES, at),
            "signals": _rows(tx, _SIGNALS, at),
            "alerts": latest_alerts(tx, Permission.OVERVIEW, _LISTED),
            "workers": _rows(tx, _WORKERS),
            "feed": _one(tx, _FEED),
        }


@dataclass
class Navs:
    """Value and index of the managed books at the end of each business day.

    The index is time-weighted: from one day to the next it grows like the books that were open at
    both, so that money which joins or leaves changes the weights and not the return.
    """

    days: list[Row] = field(default_factory=list)

    def read_on(self, tx: Tx, asset: str) -> None:
        last = self.days[-1]["at"] if self.days else None
        newest = tx.execute("SELECT max(at) FROM nav_history WHERE leg_id IS NULL").fetchone()
        if newest is None or newest[0] == last:
            return
        since = last or newest[0] - timedelta(days=MOST_DAYS)
        for day in _rows(tx, _DAYS, {"asset": asset, "since": since, "last": last}):
            self._append(day, day.pop("growth"))

    def _append(self, day: Row, growth: Decimal | None) -> None:
        before = self.days[-1] if self.days else None
        if growth is not None:
            if before is not None and before["index"] is None:
                before["index"] = BASE
            level = BASE if before is None else before["index"]
            day["index"] = (level * growth).quantize(_INDEX_UNIT)
        else:  # no book was open from one day to the next: the index stands still
            day["index"] = before["index"] if before else None
        self.days.append(day)


@dataclass
class Outside:
    """Money that came in and went out: the entries of the accounts of the world outside.

    An account's versions commit in their order, so the entries after the last one that was read
    are exactly those that are new. A reversal counts against what it undoes.
    """

    deposited: Decimal = Decimal(0)
    withdrawn: Decimal = Decimal(0)
    _read: dict[int, int] = field(default_factory=dict)

    def read_on(self, tx: Tx, asset: str) -> None:
        seen = {"accounts": list(self._read), "versions": list(self._read.values())}
        for account, deposited, withdrawn, version in tx.execute(_OUTSIDE, {"asset": asset} | seen):
            self.deposited += deposited
            self.withdrawn += withdrawn
            self._read[account] = version


# --- SQL -------------------------------------------------------------------------------------


def _rows(tx: Tx, query: LiteralString, values: Mapping[str, Any] | None = None) -> list[Row]:
    with tx.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query, values).fetchall()


def _one(tx: Tx, query: LiteralString, values: Mapping[str, Any] | None = None) -> Row:
    (row,) = _rows(tx, query, values)
    return row


def _asset(tx: Tx) -> str:
    """What most products are in; sums of money are of this asset only."""
    row = tx.execute(
        "SELECT asset FROM products GROUP BY asset ORDER BY count(*) DESC, asset LIMIT 1"
    ).fetchone()
    return row[0] if row else "USDT"


def _states(tx: Tx, at: Mapping[str, Any]) -> Row:
    """How many subscriptions are in each state, ever reached it, and did so within a day."""
    flat = _one(tx, _STATES, at)
    states: Row = {}
    for name, count in flat.items():
        state, _, which = name.partition("_")
        states.setdefault(state, {"now": None, "ever": None, "last_day": None})[which] = count
    return states


def clock_of(tx: Tx) -> Row:
    """What time the business has, how fast it goes by, and what time the wall has."""
    return _one(tx, _CLOCK)


_CLOCK: LiteralString = (
    "SELECT business_now() AS now, coalesce(max(mode), 'wall') AS mode, max(pace) AS pace,"
    " max(advanced_at) AS advanced_at, clock_timestamp() AS wall FROM business_clock"
)
_PEOPLE: LiteralString = (
    "SELECT count(*) FILTER (WHERE role = 'investor') AS investors,"
    " count(*) FILTER (WHERE role = 'creator') AS creators,"
    " (SELECT count(*) FROM accounts WHERE kind = 'wallet' AND owner_kind = 'investor'"
    "   AND version > 0) AS funded,"
    " (SELECT count(*) FROM shared_flows WHERE status = 'active') AS flows FROM users"
)
_STATES: LiteralString = (
    "SELECT count(*) AS reserved_ever,"
    " count(*) FILTER (WHERE status = 'RESERVED') AS reserved_now,"
    " count(*) FILTER (WHERE subscribed_at > %(day)s) AS reserved_last_day,"
    " count(activated_at) AS active_ever,"
    " count(*) FILTER (WHERE status = 'ACTIVE') AS active_now,"
    " count(*) FILTER (WHERE activated_at > %(day)s) AS active_last_day,"
    " count(matured_at) AS matured_ever,"
    " count(*) FILTER (WHERE status = 'MATURED') AS matured_now,"
    " count(*) FILTER (WHERE matured_at > %(day)s) AS matured_last_day,"
    " count(c.requested_at) AS liquidating_ever,"
    " count(*) FILTER (WHERE status = 'LIQUIDATING') AS liquidating_now,"
    " count(*) FILTER (WHERE c.requested_at > %(day)s) AS liquidating_last_day,"
    " count(c.closed_at) AS liquidated_ever,"
    " count(*) FILTER (WHERE status = 'LIQUIDATED') AS liquidated_now,"
    " count(*) FILTER (WHERE c.closed_at > %(day)s) AS liquidated_last_day,"
    " count(settled_at) AS settled_ever,"
    " count(*) FILTER (WHERE status = 'SETTLED') AS settled_now,"
    " count(*) FILTER (WHERE settled_at > %(day)s) AS settled_last_day,"
    " count(*) FILTER (WHERE status = 'CANCELLED') AS cancelled_now"
    " FROM managed_subscriptions s LEFT JOIN closings c ON c.id = s.id"
)
_SUBSCRIBED: LiteralString = (
    "SELECT coalesce(sum(s.amount) FILTER (WHERE s.status = 'RESERVED'), 0) AS reserved,"
    " coalesce(sum(r.reserved_amount - r.released_amount)"
    "   FILTER (WHERE s.status <> 'RESERVED'), 0) AS outstanding"
    " FROM managed_subscriptions s JOIN principal_reservations r ON r.subscription_id = s.id"
    " WHERE s.status NOT IN ('SETTLED', 'CANCELLED') AND s.asset = %(asset)s"
)
_SETTLED: LiteralString = (
    "SELECT coalesce(sum(principal), 0) AS settled_principal,"
    " coalesce(sum(to_wallet), 0) AS paid_out,"
    " coalesce(sum(management_fee), 0) AS management_fee,"
    " coalesce(sum(to_creators), 0) AS to_creators,"
    " coalesce(sum(to_platform), 0) AS to_platform,"
    " coalesce(sum(to_referrers), 0) AS to_referrers"
    " FROM managed_payouts JOIN managed_subscriptions s ON s.id = subscription_id"
    " WHERE s.asset = %(asset)s"
)
_REFERRED: LiteralString = (
    "SELECT coalesce(sum(amount) FILTER (WHERE released_at IS NULL), 0) AS referral_pending,"
    " coalesce(sum(amount) FILTER (WHERE released_at IS NOT NULL), 0) AS referral_paid"
    " FROM referral_commissions WHERE asset = %(asset)s"
)
# What holdings accrued for themselves, at their redemption, is not in the day's batch.
_INCOME: LiteralString = (
    "SELECT %(yesterday)s::date AS day, count(*) FILTER (WHERE p.status = 'open') AS products,"
    " coalesce(sum(p.sold_amount), 0) AS sold_amount,"
    " coalesce(sum(p.total_quota) FILTER (WHERE p.status = 'open' OR p.sold_amount > 0), 0)"
    "  AS total_quota,"
    " coalesce(sum(b.rows_done), 0)::bigint AS holdings, sum(b.amount) AS accrued,"
    " min(p.accrued_through) FILTER (WHERE p.sold_amount > 0) AS accrued_through"
    " FROM pool_products p"
    " LEFT JOIN posting_batches b"
    "  ON b.key = format('income:%%s:%%s', p.id, to_char(%(yesterday)s::date, 'YYYY-MM-DD'))"
    " WHERE p.asset = %(asset)s"
)
_POOLS: LiteralString = (
    "SELECT p.id, p.name, p.kind AS type, p.term_days, p.cadence, p.asset, p.sold_amount,"
    " p.total_quota, p.accrued_through, b.amount AS accrued, r.daily_rate,"
    " n.daily_rate AS next_rate, n.from_day AS next_rate_from"
    " FROM pool_products p"
    " CROSS JOIN LATERAL (SELECT daily_rate FROM pool_rates WHERE product_id = p.id"
    "   AND from_day <= %(today)s ORDER BY from_day DESC LIMIT 1) r"
    " LEFT JOIN LATERAL (SELECT daily_rate, from_day FROM pool_rates WHERE product_id = p.id"
    "   AND from_day > %(today)s ORDER BY from_day LIMIT 1) n ON true"
    " LEFT JOIN posting_batches b"
    "  ON b.key = format('income:%%s:%%s', p.id, to_char(%(yesterday)s::date, 'YYYY-MM-DD'))"
    " WHERE p.status = 'open' OR p.sold_amount > 0"
    " ORDER BY p.sold_amount DESC, p.id LIMIT %(limit)s"
)
_OUTSIDE: LiteralString = (
    "SELECT a.id, coalesce(-sum(e.amount) FILTER (WHERE of.kind = 'deposit'), 0),"
    " coalesce(sum(e.amount) FILTER (WHERE of.kind = 'withdrawal'), 0), max(e.version)"
    " FROM accounts a"
    " LEFT JOIN unnest(%(accounts)s::bigint[], %(versions)s::bigint[]) AS seen (id, version)"
    "  ON seen.id = a.id"
    " JOIN entries e ON e.account_id = a.id AND e.version > coalesce(seen.version, 0)"
    " JOIN journals j ON j.id = e.journal_id"
    " JOIN journals of ON of.id = coalesce(j.reverses, j.id)"
    " WHERE a.kind = 'external' AND a.owner_kind = 'platform' AND a.asset = %(asset)s"
    " GROUP BY a.id"
)
# What left a book at a crystallisation is no loss of that day.
_DAYS: LiteralString = (
    "WITH n AS (SELECT scope_id, at, capital, nav, lag(nav) OVER each AS before,"
    "   lag(at) OVER each AS previous FROM nav_history"
    "   WHERE leg_id IS NULL AND at >= %(since)s WINDOW each AS (PARTITION BY scope_id ORDER BY at)"
    "  ), t AS (SELECT n.scope_id, n.at,"
    "   sum(k.collected + k.management_fee + k.profit_share + k.to_wallet) AS taken"
    "   FROM crystallisations k JOIN n ON n.scope_id = k.subscription_id"
    "    AND k.at > n.previous AND k.at <= n.at GROUP BY n.scope_id, n.at)"
    " SELECT n.at, count(c.id) AS books,"
    " coalesce(sum(n.capital) FILTER (WHERE c.id IS NOT NULL), 0) AS capital,"
    " coalesce(sum(n.nav) FILTER (WHERE c.id IS NOT NULL), 0) AS nav,"
    " greatest(0,"
    "   sum(n.nav + coalesce(t.taken, 0)) FILTER (WHERE c.id IS NOT NULL AND n.before > 0))"
    "  / sum(n.before) FILTER (WHERE c.id IS NOT NULL AND n.before > 0) AS growth"
    " FROM n LEFT JOIN t ON t.scope_id = n.scope_id AND t.at = n.at"
    " LEFT JOIN scopes c ON c.id = n.scope_id AND c.kind = 'managed' AND c.asset = %(asset)s"
    " WHERE %(last)s::timestamptz IS NULL OR n.at > %(last)s GROUP BY n.at ORDER BY n.at"
)
_TRACES: LiteralString = (
    "SELECT s.id, left(u.username, 3) || '…' || right(u.username, 2) AS investor, s.asset,"
    " p.profile, p.term_days, p.tier, t.principal AS amount, t.to_wallet,"
    " round(t.to_wallet / t.principal - 1, 8) AS return, t.days, t.deviation_level,"
    " t.deviation_rate, t.settled_at"
    " FROM (SELECT * FROM settlements ORDER BY settled_at DESC, subscription_id LIMIT %(limit)s) t"
    " JOIN managed_subscriptions s ON s.id = t.subscription_id"
    " JOIN users u ON u.id = s.investor_id JOIN products p ON p.id = s.product_id"
    " ORDER BY t.settled_at DESC, s.id"
)
_RETRIES: LiteralString = (
    "SELECT s.id, s.amount, s.asset, c.attempts, c.reason, c.requested_at, c.next_retry_at"
    " FROM managed_subscriptions s JOIN closings c ON c.id = s.id"
    " WHERE c.closed_at IS NULL AND c.reason IS NOT NULL"
    " ORDER BY c.requested_at, s.id LIMIT %(limit)s"
)
# Of each flow that could have one of the last signals, its last ones: by index, whatever there is.
_SIGNALS: LiteralString = (
    "SELECT s.id, s.flow_id, f.title AS flow, i.symbol, s.signal_type, s.previous_target,"
    " s.target, s.reference_price, s.status, s.created_at"
    " FROM (SELECT id, title FROM shared_flows WHERE last_signal_at IS NOT NULL"
    "   ORDER BY last_signal_at DESC LIMIT %(limit)s) f"
    " CROSS JOIN LATERAL (SELECT * FROM trading_signals WHERE flow_id = f.id"
    "   ORDER BY created_at DESC LIMIT %(limit)s) s"
    " JOIN instruments i ON i.id = s.instrument_id"
    " ORDER BY s.created_at DESC, s.id LIMIT %(limit)s"
)
_WORKERS: LiteralString = (
    "SELECT id, started_at, seen_at, leads, tick_at,"
    " extract(epoch FROM clock_timestamp() - seen_at)::float8 AS silent_seconds"
    " FROM workers WHERE stopped_at IS NULL ORDER BY leads DESC, id"
)
_FEED: LiteralString = (
    "SELECT count(*) AS instruments, min(as_of) AS oldest_mark, max(as_of) AS newest_mark"
    " FROM market_marks"
)

"""The operation's numbers for Prometheus, read from the database when they are asked for."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString, NamedTuple

import psycopg

from commenda import alerts, audit, ledger
from commenda.automation import counts_by_state
from commenda.books import nearest_ends
from commenda.kit import clock, outbox
from commenda.kit.db import Database, Tx
from commenda.managed import State
from commenda.market import count_feeds
from commenda.operations.health import Seldom, free_bytes, probing, workers_seen
from commenda.operations.jobs import MARGINED
from commenda.risk import count_findings

Values = dict[tuple[str, ...], float]
Read = Callable[[Tx, datetime], Values]
"""Reads a figure; the moment is the business's now."""

_EXECUTIONS = ("pending", "executing", "completed", "partial", "failed", "skipped")
_MOST_FAILURES = 100


class Figure(NamedTuple):
    """A number as it was read; several by their labels' values, a single one under ()."""

    name: str
    text: str
    values: Values
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Reading:
    """A figure, and how it is read."""

    name: str
    text: str
    read: Read
    labels: tuple[str, ...] = ()

    def __call__(self, tx: Tx, now: datetime) -> list[Figure]:
        return [Figure(self.name, self.text, self.read(tx, now), self.labels)]


class Figures(Seldom[list[Figure]]):
    """The numbers, read at most once in `seconds` however many scrape."""

    def __init__(
        self,
        database: Database,
        seconds: float = 5.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(lambda: _read(database), seconds, monotonic)
        self._database = database

    def read(self) -> list[Figure]:
        """The database's numbers and, always fresh, those of this process's pool and disk."""
        return [*super().read(), *_pool(self._database), *_disk(self._database)]


def _read(database: Database) -> list[Figure]:
    figures: list[Figure] = []
    up = 1.0
    try:
        with probing(database) as tx:
            now = clock.business_now(tx)
            for one in _READINGS:
                try:
                    with tx.transaction():
                        figures += one(tx, now)
                except psycopg.errors.QueryCanceled:
                    continue  # too much to count in time: the other figures are still told
    except psycopg.Error:
        up = 0.0
    return [
        Figure("commenda_database_up", "Whether the database answers (1) or not (0).", {(): up}),
        *figures,
    ]


def _pool(database: Database) -> list[Figure]:
    stats = database.pool_stats()  # its counters are nowhere else
    return [
        Figure(
            "commenda_pool_connections",
            "This process's connections to the database.",
            {
                ("open",): stats.get("pool_size", 0),
                ("idle",): stats.get("pool_available", 0),
                ("most",): stats.get("pool_max", 0),
            },
            ("state",),
        ),
        Figure(
            "commenda_pool_waiting",
            "Requests of this process that wait for a connection.",
            {(): stats.get("requests_waiting", 0)},
        ),
    ]


def _disk(database: Database) -> list[Figure]:
    if database.data is None:
        return []
    with suppress(OSError):
        free: Values = {(): float(free_bytes(database.data))}
        return [Figure("commenda_data_free_bytes", "Free on the data directory's disk.", free)]
    return []


# --- What is read ----------------------------------------------------------------------------


def _counted(query: LiteralString, known: tuple[str, ...] = ()) -> Read:
    """Rows of (label, number), with 0 for what is `known` and absent."""

    def read(tx: Tx, now: datetime) -> Values:
        values: Values = {(label,): 0.0 for label in known}
        for label, number in tx.execute(query, {"now": now}):
            values[str(label),] = float(number)
        return values

    return read


def _single(query: LiteralString) -> Read:
    """One number; 0 where the query has none."""

    def read(tx: Tx, now: datetime) -> Values:
        row = tx.execute(query, {"now": now}).fetchone()
        return {(): float(row[0]) if row and row[0] is not None else 0.0}

    return read


def _alerts(tx: Tx, _: datetime) -> list[Figure]:
    """Two figures that are counted in one go."""
    counted = alerts.count_alerts(tx).items()
    texts = {"total": "were ever raised", "open": "are open"}
    return [
        Figure(
            f"commenda_alerts_{name}",
            f"Alerts that {what}, by kind and severity.",
            {(kind.name, kind.severity): float(numbers[place]) for kind, numbers in counted},
            ("kind", "severity"),
        )
        for place, (name, what) in enumerate(texts.items())
    ]


_executions = _counted(
    "SELECT e.status, count(*) FROM shared_flows AS f"
    " CROSS JOIN LATERAL (SELECT id FROM trading_signals WHERE flow_id = f.id"
    "  AND created_at > %(now)s - interval '1 hour') AS s"
    " JOIN signal_executions AS e ON e.signal_id = s.id GROUP BY e.status",
    _EXECUTIONS,
)


def _failure_rate(tx: Tx, now: datetime) -> Values:
    by_status = _executions(tx, now)
    done = sum(by_status[status,] for status in ("completed", "partial", "failed"))
    return {(): by_status["failed",] / done if done else 0.0}


def _durable_work(tx: Tx, _now: datetime) -> Values:
    if tx.execute("SELECT to_regnamespace('dbos') IS NULL").fetchone() == (True,):
        return {("pending",): 0.0, ("failed",): 0.0}  # no worker has ever been here
    return {
        ("pending",): float(outbox.pending(tx)),
        ("failed",): float(len(outbox.failures(tx, _MOST_FAILURES))),
    }


_READINGS: tuple[Callable[[Tx, datetime], list[Figure]], ...] = (
    _Reading(
        "commenda_subscriptions",
        "Managed subscriptions by status.",
        _counted(
            "SELECT status, count(*) FROM managed_subscriptions GROUP BY status", tuple(State)
        ),
        ("status",),
    ),
    _Reading(
        "commenda_assets_under_management",
        "Followers' money that follows flows at present, as it was put in.",
        _counted(
            "SELECT a.asset, sum(f.investment_amount) FROM flow_subscriptions AS f"
            " JOIN legs AS l ON l.id = f.leg_id JOIN accounts AS a ON a.id = l.account_id"
            " WHERE f.status = 'active' AND NOT f.is_leader GROUP BY a.asset"
        ),
        ("asset",),
    ),
    _Reading(
        "commenda_portfolios",
        "Portfolios by status.",
        _counted(
            "SELECT CASE WHEN s.closed_at IS NOT NULL THEN 'closed' WHEN c.id IS NOT NULL"
            "  THEN 'closing' ELSE 'active' END AS status, count(*) FROM portfolios AS p"
            " JOIN scopes AS s ON s.id = p.id LEFT JOIN closings AS c ON c.id = p.id GROUP BY 1",
            ("active", "closing", "closed"),
        ),
        ("status",),
    ),
    _Reading(
        "commenda_profit_share_owed",
        "Profit shares that were credited and not collected from their books yet.",
        _counted(
            "SELECT asset, -sum(balance) FROM accounts WHERE kind = 'receivable' GROUP BY asset"
        ),
        ("asset",),
    ),
    _Reading(
        "commenda_approvals_open",
        "Requests that wait for a second person.",
        _single("SELECT count(*) FROM approvals WHERE status = 'requested'"),
    ),
    _Reading(
        "commenda_durable_work",
        f"Workflows that wait or run, and that failed (at most {_MOST_FAILURES} are counted).",
        _durable_work,
        ("state",),
    ),
    _Reading(
        "commenda_oldest_signal_seconds",
        "Business time since the oldest signal that is not processed; 0 if all are.",
        _single(
            "SELECT extract(epoch FROM %(now)s - min(created_at)) FROM trading_signals"
            " WHERE status <> 'processed'"
        ),
    ),
    _Reading(
        "commenda_executions_last_hour",
        "Executions of the signals of the last hour of business time, by status.",
        _executions,
        ("status",),
    ),
    _Reading(
        "commenda_execution_failure_rate",
        "Failed among the finished executions of the last hour of business time, 0 to 1.",
        _failure_rate,
    ),
    _Reading(
        "commenda_schedules_failing",
        "Active schedules whose last run by the clock failed.",
        _single("SELECT count(*) FROM schedules WHERE status = 'active' AND failures > 0"),
    ),
    _alerts,
    _Reading(
        "commenda_alerts_unacknowledged",
        "Alerts that are open and that nobody has acknowledged.",
        _single("SELECT count(*) FROM alerts WHERE closed_at IS NULL AND acknowledged_at IS NULL"),
    ),
    _Reading(
        "commenda_venue_silent_seconds",
        "Business time since an account at an exchange fell silent; 0 while it answers.",
        _counted(
            "SELECT venue, coalesce(extract(epoch FROM %(now)s - silent_since), 0)"
            " FROM venue_contacts"
        ),
        ("venue",),
    ),
    _Reading(
        "commenda_venue_deaf_seconds",
        "Business time since an account's own stream is not heard; 0 while it is.",
        _counted(
            "SELECT venue, coalesce(extract(epoch FROM %(now)s - deaf_since), 0)"
            " FROM venue_contacts"
        ),
        ("venue",),
    ),
    _Reading(
        "commenda_venue_limited_seconds",
        "Seconds until an exchange may be asked again that wants to be left alone; else 0.",
        _counted(
            "SELECT account, greatest(0, coalesce(extract(epoch FROM"
            "  limited_until - clock_timestamp()), 0)) FROM venue_keys WHERE state = 'active'"
        ),
        ("venue",),
    ),
    _Reading(
        "commenda_venue_used_ratio",
        "Of what an exchange counts, how much is used of what it allows, as it said last.",
        _counted("SELECT venue, used::float8 / allowed FROM venue_contacts WHERE allowed > 0"),
        ("venue",),
    ),
    _Reading(
        "commenda_risk_breakers",
        "Breakers that are not closed, by what opened them and how they stand.",
        lambda tx, _now: {
            (measure, state): float(number)
            for measure, state, number in tx.execute(
                "SELECT measure, state, count(*) FROM risk_breakers WHERE state <> 'closed'"
                " GROUP BY measure, state"
            )
        },
        ("measure", "state"),
    ),
    _Reading(
        "commenda_decisions",
        "Decisions of the machine, by ability and how far they went.",
        lambda tx, _now: {
            (ability, state): float(number)
            for ability, states in counts_by_state(tx).items()
            for state, number in states.items()
        },
        ("ability", "state"),
    ),
    _Reading(
        "commenda_oldest_waiting_decision_seconds",
        "Business time since the oldest decision was made that waits for a person, by state.",
        lambda tx, now: {
            (state,): float(age)
            for state, age in tx.execute(
                "SELECT w.state, coalesce(extract(epoch FROM %s - min(d.decided_at)), 0)"
                " FROM (VALUES ('recommended'), ('waiting')) AS w (state)"
                " LEFT JOIN decisions d ON d.state = w.state GROUP BY w.state",
                (now,),
            )
        },
        ("state",),
    ),
    _Reading(
        "commenda_risk_breaker_openings_total",
        "How often breakers have opened, by what opened them.",
        _counted("SELECT measure, sum(openings) FROM risk_breakers GROUP BY measure"),
        ("measure",),
    ),
    _Reading(
        "commenda_risk_checks_total",
        "Requests of which limits of risk left a part (cut) or nothing (refused), by measure.",
        lambda tx, _now: count_findings(tx),
        ("outcome", "measure"),
    ),
    _Reading(
        "commenda_liquidation_distance",
        "How far all prices may move against the margined book that is nearest to its end.",
        lambda tx, _now: nearest_ends(tx, MARGINED),
        ("asset",),
    ),
    _Reading(
        "commenda_workers",
        "Workers that were seen within 15 seconds.",
        lambda tx, _now: {(): float(workers_seen(tx))},
    ),
    _Reading(
        "commenda_feed_instruments",
        "Instruments that feeds follow, by feed and how they stand.",
        lambda tx, _now: {key: float(number) for key, number in count_feeds(tx).items()},
        ("feed", "state"),
    ),
    _Reading(
        "commenda_feed_messages",
        "Messages that each feed has heard since it began.",
        _counted("SELECT name, sum(messages) FROM market_feeds GROUP BY name"),
        ("feed",),
    ),
    _Reading(
        "commenda_feed_lag_seconds",
        "Each feed's clock less its exchange's, at the least of ten seconds, of the worst"
        " instrument.",
        _counted(
            "SELECT name, max(lag_ms) / 1000.0 FROM market_feeds WHERE lag_ms IS NOT NULL"
            " GROUP BY name"
        ),
        ("feed",),
    ),
    _Reading(
        "commenda_business_clock_lag_seconds",
        "Wall time since the business clock last moved; 0 where a replay drives it.",
        _single(
            "SELECT extract(epoch FROM clock_timestamp() - advanced_at) FROM business_clock"
            " WHERE mode <> 'driven'"
        ),
    ),
    _Reading(
        "commenda_audit_unsealed_events",
        "Audit events that wait for their seal in the hash chain.",
        lambda tx, _now: {(): float(audit.unsealed(tx))},
    ),
    _Reading(
        "commenda_ledger_unsealed_journals",
        "Journals that wait for their seal in the hash chain.",
        lambda tx, _now: {(): float(audit.unsealed(tx, ledger.JOURNALS))},
    ),
)

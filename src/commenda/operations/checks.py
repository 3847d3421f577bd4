"""What must hold across domains: what a client's key was answered with is there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, LiteralString

from commenda.audit import Check

_RUNS: LiteralString = (
    "(SELECT id, created_by FROM backtests UNION ALL SELECT id, asked_by FROM work)"
)
"""A short backtest is answered with the run, a longer one with the work that it is."""
_STEPS: LiteralString = (
    "(SELECT decision_id, split_part(actor, ':', 2) AS user_id FROM decision_steps)"
)
"""Who took a decision of the machine a step on."""
# Each operation that is answered once: where its outcome names something, the table that has it,
# by which column, and whose it is.
NAMED: Final[tuple[tuple[LiteralString, ...], ...]] = (
    ("funding", "{body,id}", "funding_requests", "id", "t.user_id"),
    ("cancel-funding", "{body,id}", "funding_requests", "id", "t.user_id"),
    ("custody-auth", "{body,asset}", "custody_authorisations", "asset", "t.user_id"),
    ("subscribe", "{body,subscriptionId}", "managed_subscriptions", "id", "t.investor_id"),
    ("withdraw", "{body,subscriptionId}", "managed_subscriptions", "id", "t.investor_id"),
    ("pool-subscribe", "{body,id}", "pool_holdings", "id", "t.user_id"),
    ("pool-redeem", "{body,holding,id}", "pool_holdings", "id", "t.user_id"),
    ("return-matrix", "{body,approvalId}", "approvals", "id", "t.requested_by"),
    ("settlement-run", "{body,approvalId}", "approvals", "id", "t.requested_by"),
    ("pool-product", "{body,approvalId}", "approvals", "id", "t.requested_by"),
    ("pool-rate", "{body,approvalId}", "approvals", "id", "t.requested_by"),
    ("pool-close", "{body,approvalId}", "approvals", "id", "t.requested_by"),
    ("reversal", "{body,approvalId}", "approvals", "id", "t.requested_by"),
    ("close-period", "{body,approvalId}", "approvals", "id", "t.requested_by"),
    ("approve", "{body,id}", "approval_votes", "approval_id", "t.user_id"),
    ("reject", "{body,id}", "approvals", "id", "t.decided_by"),
    ("co-trading.flow", "{body,flowId}", "shared_flows", "id", "t.creator_id"),
    ("co-trading.subscribe", "{body,subscriptionId}", "flow_subscriptions", "id", "t.follower_id"),
    ("portfolio.found", "{body,id}", "portfolios", "id", "t.owner_id"),
    ("portfolio.rebalance", "{body,portfolioId}", "portfolios", "id", "t.owner_id"),
    ("hold", "{body,group}", "holds", "group_key", "split_part(t.actor, ':', 2)"),
    ("acknowledge", "{body,id}", "alerts", "id", "split_part(t.acknowledged_by, ':', 2)"),
    ("strategy-params", "{body,id}", "strategy_params", "id", "t.owner_id"),
    ("backtest", "{body,id}", _RUNS, "id", "t.created_by"),
    ("venue-key", "{body,id}", "venue_keys", "id", "split_part(t.added_by, ':', 2)"),
    ("proof", "{body,id}", "proof_runs", "id", "split_part(t.asked_by, ':', 2)"),
    ("study", "{body,id}", "studies", "id", "t.asked_by"),
    ("automation-accept", "{body,id}", _STEPS, "decision_id", "t.user_id"),
    ("automation-reject", "{body,id}", _STEPS, "decision_id", "t.user_id"),
    ("automation-promote", "{body,id}", _STEPS, "decision_id", "t.user_id"),
    ("automation-undo", "{body,id}", _STEPS, "decision_id", "t.user_id"),
    (
        "void-hold",
        "{body,group}",
        "holds",
        "group_key",
        # Before it took two, whoever asked did it.
        "coalesce((SELECT a.requested_by::text FROM approvals a WHERE a.subject = t.group_key"
        " AND a.kind = 'funding.unfreeze' ORDER BY a.status = 'approved' DESC LIMIT 1),"
        " split_part(t.resolved_by, ':', 2))",
    ),
)
UNNAMED: Final[Mapping[str, str]] = {
    "automation-setting": "it names a setting, or a request for one, that stands beside its place",
    "bank-statement": "it counts what was new, and names no row",
    "cancel-study": "operators cancel studies of others",
    "cancel-work": "it names work of several kinds, each of which lies where its kind does",
    "work-again": "work that is done is forgotten an hour later",
    "market-import": "what was only judged has no row, and what was kept may be replaced by now",
    "risk-kill": "a breaker is one however often it opens; who opened it when is in its history",
    "risk-resume": "it names the breaker; the request is in the approvals, by who asked",
    "orders.cancel": "an order is the books' that asked for it; who steered it is in the trail",
    "orders.move": "an order is the books' that asked for it; who steered it is in the trail",
    "risk-limit": "it names a limit, or a request for one, that stands beside its place",
    "schedules.create": "the schedule may have been deleted since",
    "schedules.edit": "the schedule may have been deleted since",
    "schedules.run": "the run may have been forgotten since, or deleted with its schedule",
}
"""Operations whose answers are not checked, and why."""


def _recorded(operation: str, place: str, table: str, column: str, owner: str) -> LiteralString:
    called = table if table.isidentifier() else operation
    return (
        f"SELECT '{operation} ' || i.principal || ' ' || i.client_key,"  # noqa: S608 - constants
        f" coalesce('{called} ' || (i.outcome #>> '{place}'), 'a name of {called}'), 'none'"
        f" FROM idempotency i LEFT JOIN {table} t"
        f"  ON t.{column}::text = i.outcome #>> '{place}' AND {owner}::text = i.principal"
        f" WHERE i.operation = '{operation}' AND t.{column} IS NULL"
        "  AND i.outcome #> '{body,code}' IS NULL"
    )


CHECKS = (
    Check(
        "what a client's key was answered with is there",
        " UNION ALL ".join(_recorded(*named) for named in NAMED),
    ),
)

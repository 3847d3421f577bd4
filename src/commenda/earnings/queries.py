"""Reading what somebody earned: their own entries, and their books at marks or daily values."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, LiteralString
from uuid import UUID

from commenda.earnings.model import KINDS, Earned, Fees, Gained, Worth
from commenda.earnings.rules import ZERO, Flow, by_day, money_weighted, rounded, time_weighted
from commenda.kit.db import Tx
from commenda.kit.errors import CommendaError, unknown
from commenda.kit.money import quantise, scale_of
from commenda.kit.times import iso

SHOWN_AS = {
    "wallet": "wallet",
    "withdrawing": "wallet",
    "reserved": "reserved",
    "managed": "managed",
    "copy": "copies",
    "vault": "own_books",
    "portfolio": "portfolios",
    "holding": "pools",
    "referral_pending": "commissions",
    "fee:profit_share": "commissions",
    "receivable": "owed",
}
"""Which kind of worth an account counts to; of a book, by the kind of the book."""


def earned(
    tx: Tx,
    user_id: UUID,
    asset: str,
    since: datetime | None,
    until: datetime | None,
    now: datetime,
) -> Earned:
    """What a user earned over [since, until), or from the beginning, or up to and with now.

    To be read in one snapshot. Codes `unknown_user`, `unknown_asset`, `bad_period`.
    """
    scale = scale_of(asset)
    if not tx.execute("SELECT 1 FROM users WHERE id = %s", (user_id,)).fetchone():
        raise unknown("user", user_id, "userId")
    until = None if until is not None and until > now else until
    if since is not None and since >= (until or now):
        raise CommendaError("bad_period", "A period begins before it ends, and before now").at(
            "from", since, f"begin before {iso(until or now)}"
        )
    values: dict[str, Any] = {"owner": user_id, "asset": asset, "since": since, "until": until}
    values["own"] = [account for (account,) in tx.execute(_OWN, values)]
    moved = tx.execute(_MOVED, values).fetchall()
    flows = _flows(moved)
    daily = by_day(flows)
    moments = [flow.at for flow in daily]
    if since is not None:
        moments.append(since)
    if until is not None:
        moments.append(until)
    past = dict(zip(moments, _worth(tx, values, moments, now, scale), strict=True))
    opening = _nothing(now) if since is None else past[since]
    closing = _worth(tx, values, [None], now, scale)[0] if until is None else past[until]
    paid_in = sum((flow.amount for flow in flows if flow.amount > 0), ZERO)
    paid_out = paid_in - sum((flow.amount for flow in flows), ZERO)
    of_journal: defaultdict[str, Decimal] = defaultdict(Decimal)
    of_account: defaultdict[str, Decimal] = defaultdict(Decimal)
    for journal, account, _, _, amount in moved:
        of_journal[journal] += amount
        if journal != "referral_release":
            of_account[account] += amount
    row = tx.execute(_CHARGED, values).fetchone()
    assert row is not None
    trading, management, shares, shortfall = row
    fees = Fees(trading, management, shares, -of_journal["pool_out"])
    income = Gained(
        of_journal["income"] + of_journal["income_accrual"],
        of_account["referral_pending"],
        of_account["fee:profit_share"],
    )
    covered = shortfall + of_journal["leave"]
    gain = closing.total - opening.total - paid_in + paid_out
    begun = since or (flows[0].at if flows else now)
    chain = [
        flow._replace(before=opening.total if flow.at == since else past[flow.at].total)
        for flow in daily
    ]
    linked = time_weighted(opening.total, chain, closing.total)
    rate, reason = money_weighted(begun, opening.total, flows, until or now, closing.total)
    return Earned(
        user_id,
        asset,
        since,
        until,
        now,
        opening,
        paid_in,
        paid_out,
        closing,
        gain + fees.total - income.total - covered,
        of_journal["funding"],
        fees,
        income,
        covered,
        gain,
        None if linked is None else rounded(linked.total),
        0 if linked is None else len(linked.breaks),
        linked is not None and linked.wiped_out is not None,
        rate,
        reason,
    )


def _flows(moved: Sequence[tuple[Any, ...]]) -> list[Flow]:
    """What came from outside and went there, in and out of a moment apart."""
    found: defaultdict[tuple[datetime, str], Decimal] = defaultdict(Decimal)
    for _, _, kind, at, amount in moved:
        if kind in ("recharge", "withdraw"):
            found[at, kind] += amount
    return [Flow(at, amount) for (at, _), amount in found.items() if amount]


def _nothing(at: datetime) -> Worth:
    return Worth(at, *(ZERO for _ in KINDS))


def _worth(
    tx: Tx, values: Mapping[str, Any], moments: Sequence[datetime | None], now: datetime, scale: int
) -> list[Worth]:
    """What somebody had just before each of the moments; None is now, at the latest marks."""
    found = [dict.fromkeys(KINDS, ZERO) for _ in moments]
    oldest: dict[int, datetime] = {}
    if not moments:
        return []
    query = _NOW if moments == [None] else _PAST
    asked = {**values, "at": list(moments), "known": list(SHOWN_AS)}
    for place, kind, amount, as_of in tx.execute(query, asked):
        found[place - 1][SHOWN_AS[kind]] += amount
        if as_of is not None:
            oldest[place] = min(as_of, oldest.get(place, as_of))
    return [
        Worth(
            oldest.get(place, moments[place - 1] or now),
            **{kind: quantise(amount, scale) for kind, amount in kinds.items()},
        )
        for place, kinds in enumerate(found, 1)
    ]


# A book's debts to the platform are on an account of the book that the platform owns.
_OWN: LiteralString = (
    "SELECT id FROM accounts WHERE owner_id = %(owner)s AND asset = %(asset)s"
    " UNION ALL SELECT a.id FROM scopes s JOIN accounts a ON a.scope_id = s.id"
    "  AND a.kind = 'receivable' AND a.asset = s.asset"
    " WHERE s.owner_id = %(owner)s AND s.asset = %(asset)s"
)
_MOVED: LiteralString = (
    "SELECT m.journal, m.account, m.flow, CASE WHEN m.flow IS NOT NULL THEN m.posted_at END,"
    "  sum(m.amount)"
    " FROM (SELECT j.kind AS journal, a.kind AS account, j.posted_at, e.amount,"
    "    CASE WHEN a.kind IN ('wallet', 'withdrawing')"
    "     THEN nullif(asset_log_type(j.kind, j.key), 'contract') END AS flow"
    "   FROM accounts a JOIN entries e ON e.account_id = a.id"
    "    AND e.version > version_posted(a.id,"
    "      coalesce(%(since)s, '-infinity'::timestamptz) - interval '1 microsecond')"
    "    AND e.version <= version_posted(a.id,"
    "      coalesce(%(until)s, 'infinity'::timestamptz) - interval '1 microsecond')"
    "   JOIN journals j ON j.id = e.journal_id"
    "   WHERE a.id = ANY (%(own)s) AND a.kind NOT IN ('position', 'receivable')) m"
    " GROUP BY 1, 2, 3, 4 ORDER BY 4, 3"
)
_CHARGED: LiteralString = (
    "SELECT coalesce((SELECT sum(l.fee) FROM scopes s JOIN legs g ON g.scope_id = s.id"
    "   JOIN allocations l ON l.leg_id = g.id AND l.fee <> 0 JOIN orders o ON o.id = l.order_id"
    "   WHERE s.owner_id = %(owner)s AND s.asset = %(asset)s"
    "    AND o.allocated_at >= coalesce(%(since)s, '-infinity'::timestamptz)"
    "    AND o.allocated_at < coalesce(%(until)s, 'infinity'::timestamptz)), 0),"
    " coalesce(sum(p.management_fee), 0), coalesce(sum(p.profit_share), 0),"
    " coalesce(sum(p.shortfall), 0)"
    " FROM managed_subscriptions s JOIN managed_payouts p ON p.subscription_id = s.id"
    " WHERE s.investor_id = %(owner)s AND s.asset = %(asset)s"
    "  AND p.at >= coalesce(%(since)s, '-infinity'::timestamptz)"
    "  AND p.at < coalesce(%(until)s, 'infinity'::timestamptz)"
)
_NOW: LiteralString = (
    "SELECT 1, coalesce(s.kind, a.kind), coalesce(p.quantity * m.price, a.balance), m.as_of"
    " FROM accounts a LEFT JOIN scopes s ON s.id = a.scope_id AND a.kind IN ('scope', 'position')"
    " LEFT JOIN positions p ON p.account_id = a.id AND p.quantity <> 0"
    " LEFT JOIN market_marks m ON m.instrument_id = p.instrument_id"
    " WHERE a.id = ANY (%(own)s) AND (s.id IS NOT NULL OR a.kind = ANY (%(known)s))"
)
# A book counts at its last daily value, moved on by what came in and went out since; before its
# first one at cost, and once it is really closed by its cash.
_PAST: LiteralString = (
    "WITH had AS (SELECT m.place, m.at, a.id, a.kind, a.scope_id, e.balance_after AS balance"
    "  FROM unnest(%(at)s::timestamptz[]) WITH ORDINALITY AS m (at, place)"
    "  CROSS JOIN accounts a JOIN entries e ON e.account_id = a.id"
    "   AND e.version = version_posted(a.id, m.at - interval '1 microsecond')"
    "  WHERE a.id = ANY (%(own)s)),"
    " book AS (SELECT place, at, scope_id, sum(balance) AS cost,"
    "   coalesce(sum(balance) FILTER (WHERE kind = 'scope'), 0) AS cash,"
    "   array_agg(id) FILTER (WHERE kind = 'scope') AS accounts"
    "  FROM had WHERE kind IN ('scope', 'position') GROUP BY place, at, scope_id)"
    " SELECT place, kind, balance, NULL::timestamptz FROM had WHERE kind = ANY (%(known)s)"
    " UNION ALL SELECT b.place, s.kind, CASE WHEN c.id IS NOT NULL THEN b.cash"
    "   WHEN n.at IS NULL THEN b.cost ELSE n.nav + coalesce(f.moved, 0) END,"
    "  CASE WHEN c.id IS NULL THEN n.at END"
    "  FROM book b JOIN scopes s ON s.id = b.scope_id"
    "  LEFT JOIN closings c ON c.id = b.scope_id AND c.closed_at < b.at"
    "  LEFT JOIN LATERAL (SELECT at, nav FROM nav_history WHERE scope_id = b.scope_id"
    "    AND leg_id IS NULL AND at < b.at ORDER BY at DESC LIMIT 1) n ON true"
    "  LEFT JOIN LATERAL (SELECT sum(e.amount) AS moved FROM entries e"
    "    JOIN journals j ON j.id = e.journal_id WHERE e.account_id = ANY (b.accounts)"
    "     AND j.posted_at > n.at AND j.posted_at < b.at"
    "     AND j.kind NOT IN ('allocation', 'funding', 'clearing', 'dust')) f ON true"
)

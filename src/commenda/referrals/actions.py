"""Record who brought whom, record commissions, release them when their hold is over."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from commenda.kit import ids
from commenda.kit.db import Tx
from commenda.kit.errors import conflict
from commenda.ledger import (
    AccountKey,
    Author,
    Journal,
    Line,
    Owner,
    OwnerKind,
    open_accounts,
    post_batch,
)
from commenda.referrals.rules import MOST_LEVELS, ReferralShare, release_at, require_acyclic


def refer(tx: Tx, user: UUID, referrer: UUID, now: datetime) -> None:
    """Record once that `referrer` brought `user`; refuses a ring, and a second referrer."""
    # Two links recorded at once could close a ring that neither of them sees.
    tx.execute("SELECT pg_advisory_xact_lock(8)")
    require_acyclic(user, referrer, ancestors(tx, [referrer])[referrer])
    tx.execute(
        "INSERT INTO referrals (user_id, referrer_id, created_at) VALUES (%s, %s, %s)"
        " ON CONFLICT DO NOTHING",
        (user, referrer, now),
    )
    row = tx.execute("SELECT referrer_id FROM referrals WHERE user_id = %s", (user,)).fetchone()
    if row is None or row[0] != referrer:
        raise conflict("already_referred", "This user has another referrer").at(
            "referrer", user, "the first referrer stays; leave it out"
        )


def ancestors(
    tx: Tx, users: Sequence[UUID], levels: int | None = None
) -> dict[UUID, tuple[UUID, ...]]:
    """Everybody who stands above each user, nearest first; the first `levels` of them if given."""
    rows = tx.execute(
        "WITH RECURSIVE up AS ("
        " SELECT user_id AS origin, referrer_id, 1 AS level FROM referrals"
        "  WHERE user_id = ANY (%(users)s)"
        " UNION ALL SELECT up.origin, r.referrer_id, up.level + 1"
        "  FROM up JOIN referrals r ON r.user_id = up.referrer_id"
        "  WHERE %(levels)s::integer IS NULL OR up.level < %(levels)s)"
        " SELECT origin, array_agg(referrer_id ORDER BY level) FROM up GROUP BY origin",
        {"users": list(users), "levels": levels},
    ).fetchall()
    found = {origin: tuple(above) for origin, above in rows}
    return {user: found.get(user, ()) for user in users}


def chains(tx: Tx, users: Sequence[UUID]) -> dict[UUID, tuple[UUID, ...]]:
    """Whom a settlement of each user may pay, nearest first."""
    return ancestors(tx, users, MOST_LEVELS)


def record_commissions(
    tx: Tx,
    shares: Sequence[tuple[UUID, UUID, ReferralShare]],
    asset: str,
    settled_at: datetime,
) -> None:
    """Record what (settlement, subscription) owe to referrers; zero amounts are left out.

    A share that is crystallised in the middle of a term is a settlement of its own here.
    """
    rows = [one for one in shares if one[2].amount]
    tx.execute(
        "INSERT INTO referral_commissions"
        " (settlement_id, subscription_id, level, payee_id, asset, amount, release_at)"
        " SELECT settlement, subscription, level, payee, %s, amount, %s"
        " FROM unnest(%s::uuid[], %s::uuid[], %s::integer[], %s::uuid[], %s::numeric[])"
        "   AS n (settlement, subscription, level, payee, amount) ON CONFLICT DO NOTHING",
        (
            asset,
            release_at(settled_at),
            [settlement for settlement, _, _ in rows],
            [subscription for _, subscription, _ in rows],
            [share.level for _, _, share in rows],
            [share.payee for _, _, share in rows],
            [share.amount for _, _, share in rows],
        ),
    )


def release_due(tx: Tx, author: Author, limit: int = 1000) -> int:
    """Move commissions whose hold is over from pending to the payees' wallets; how many."""
    rows = tx.execute(
        "SELECT settlement_id, level, payee_id, asset, amount, subscription_id"
        " FROM referral_commissions"
        " WHERE released_at IS NULL AND release_at <= %s"
        " ORDER BY settlement_id, level LIMIT %s FOR UPDATE SKIP LOCKED",
        (author.now, limit),
    ).fetchall()
    accounts = open_accounts(
        tx,
        [
            AccountKey(kind, Owner(OwnerKind.INVESTOR, row[2]), row[3])
            for kind in ("referral_pending", "wallet")
            for row in rows
        ],
    )
    pending, wallets = accounts[: len(rows)], accounts[len(rows) :]
    journals = [
        Journal(
            f"referral-release:{settlement}:{level}:{payee}",
            "referral_release",
            ids.derive("managed", subscription),
            [Line(held, -amount), Line(wallet, amount)],
        )
        for (settlement, level, payee, _, amount, subscription), held, wallet in zip(
            rows, pending, wallets, strict=True
        )
    ]
    post_batch(tx, author, journals)
    tx.execute(
        "UPDATE referral_commissions c SET released_at = %s"
        " FROM unnest(%s::uuid[], %s::integer[]) AS n (settlement, level)"
        " WHERE c.settlement_id = n.settlement AND c.level = n.level",
        (author.now, [row[0] for row in rows], [row[1] for row in rows]),
    )
    return len(rows)

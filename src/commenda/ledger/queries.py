"""Reading accounts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Final, LiteralString, NamedTuple
from uuid import UUID

from psycopg.rows import class_row
from pydantic import Field

from commenda.kit.db import Tx
from commenda.kit.times import sql_iso
from commenda.kit.wire import Amount, on_wire
from commenda.ledger.model import AccountKey


def find_accounts(tx: Tx, keys: Sequence[AccountKey]) -> dict[AccountKey, int]:
    """The ids of those of `keys` that have an account."""
    rows = tx.execute(
        "SELECT k.ordinal, a.id"
        " FROM unnest(%s::text[], %s::uuid[], %s::text[], %s::uuid[], %s::uuid[], %s::smallint[],"
        "             %s::smallint[])"
        "   WITH ORDINALITY AS k (kind, owner, asset, scope, leg, instrument, stripe, ordinal)"
        " JOIN accounts a ON a.kind = k.kind AND a.owner_id = k.owner AND a.asset = k.asset"
        "  AND a.scope_id IS NOT DISTINCT FROM k.scope AND a.leg_id IS NOT DISTINCT FROM k.leg"
        "  AND a.instrument_id IS NOT DISTINCT FROM k.instrument AND a.stripe = k.stripe",
        _columns(keys),
    ).fetchall()
    return {keys[ordinal - 1]: account for ordinal, account in rows}


def insert_accounts(tx: Tx, keys: Sequence[AccountKey]) -> dict[AccountKey, int]:
    """Open an account for each key that has none; the ids of those that are new.

    In the keys' own order: two callers that open the same accounts do not wait in a circle.
    """
    rows = tx.execute(
        "INSERT INTO accounts (kind, owner_kind, owner_id, asset, scope_id, leg_id, instrument_id,"
        "  stripe)"
        " SELECT k.kind, k.owner_kind, k.owner, k.asset, k.scope, k.leg, k.instrument, k.stripe"
        " FROM unnest(%s::text[], %s::uuid[], %s::text[], %s::uuid[], %s::uuid[], %s::smallint[],"
        "             %s::smallint[], %s::text[])"
        "   AS k (kind, owner, asset, scope, leg, instrument, stripe, owner_kind)"
        " ORDER BY k.kind, k.owner, k.asset, k.scope, k.leg, k.instrument, k.stripe"
        " ON CONFLICT DO NOTHING"
        " RETURNING id, kind, owner_id, asset, scope_id, leg_id, instrument_id, stripe",
        (*_columns(keys), [key.owner.kind for key in keys]),
    ).fetchall()
    new = {tuple(key): account for account, *key in rows}
    return {key: new[named] for key in keys if (named := (key.kind, key.owner.id, *key[2:])) in new}


def _columns(keys: Sequence[AccountKey]) -> list[list[object]]:
    rows = [(key.kind, key.owner.id, *key[2:]) for key in keys]
    return [[row[place] for row in rows] for place in range(len(AccountKey._fields))]


def lock_accounts(tx: Tx, account_ids: Sequence[int]) -> Mapping[int, Decimal]:
    """Lock accounts in id order until the transaction ends, and read their balances."""
    rows = tx.execute("SELECT id, balance FROM lock_accounts(%s)", (list(account_ids),))
    return dict(rows.fetchall())


def balances(tx: Tx, account_ids: Sequence[int]) -> Mapping[int, Decimal]:
    """Balances as they are, without a lock."""
    rows = tx.execute("SELECT id, balance FROM accounts WHERE id = ANY (%s)", (list(account_ids),))
    return dict(rows.fetchall())


_OF_KEY: LiteralString = (
    " FROM accounts WHERE kind = %s AND owner_id = %s AND asset = %s"
    " AND scope_id IS NOT DISTINCT FROM %s AND leg_id IS NOT DISTINCT FROM %s"
    " AND instrument_id IS NOT DISTINCT FROM %s"
)


def balance_of(tx: Tx, key: AccountKey) -> Decimal:
    """The balance of one account, all its stripes together; zero where it was never opened."""
    return _summed(tx, "SELECT sum(balance)", key)


def available_in(tx: Tx, key: AccountKey) -> Decimal:
    """What can be spent from an account: its balance less what is held on it."""
    return _summed(tx, "SELECT sum(balance - held)", key)


def _summed(tx: Tx, what: LiteralString, key: AccountKey) -> Decimal:
    row = tx.execute(what + _OF_KEY, (key.kind, key.owner.id, *key[2:6])).fetchone()
    return (row and row[0]) or Decimal(0)


def totals_by_asset(tx: Tx) -> dict[str, Decimal]:
    """The sum of all balances of each asset: exactly zero in a sound ledger."""
    return dict(
        tx.execute(
            "SELECT asset, sum(balance) FROM accounts GROUP BY asset ORDER BY asset"
        ).fetchall()
    )


# --- What an owner reads of their money ------------------------------------------------------


@on_wire
@dataclass(frozen=True, slots=True)
class WalletBalance:
    """Where an owner's money of one asset is."""

    asset: Annotated[str, Field(examples=["USDT"])]
    available: Annotated[Amount, Field(description="In the wallet, free to subscribe or withdraw.")]
    reserved: Annotated[
        Amount, Field(description="Principal of subscriptions that wait to be activated.")
    ]
    in_books: Annotated[
        Amount,
        Field(description="In running subscriptions and copies, at marks; without one, at cost."),
    ]
    in_pools: Annotated[
        Amount, Field(description="In pool products: principal and income not paid out.")
    ]
    pending_referral: Annotated[Amount, Field(description="Commission in its 30 days' hold.")]
    withdrawing: Annotated[
        Amount, Field(description="Held for withdrawals that wait for approval.")
    ]
    frozen: Annotated[Amount, Field(description="Held by an operator.")]
    as_of: Annotated[datetime, Field(description="Time of the oldest mark that was used.")]


def balances_of_owner(tx: Tx, owner: UUID, now: datetime) -> list[WalletBalance]:
    """What an owner has of each asset. `as_of` is the oldest mark that was used, else `now`."""
    with tx.cursor(row_factory=class_row(WalletBalance)) as cursor:
        return cursor.execute(
            "SELECT a.asset,"
            " coalesce(sum(a.balance - a.held) FILTER (WHERE a.kind = 'wallet'), 0) AS available,"
            " coalesce(sum(a.balance) FILTER (WHERE a.kind = 'reserved'), 0) AS reserved,"
            " coalesce(sum(a.balance) FILTER (WHERE a.kind = 'scope'), 0)"
            "  + coalesce(sum(coalesce(p.quantity * m.price, a.balance))"
            "     FILTER (WHERE a.kind = 'position'), 0) AS in_books,"
            " coalesce(sum(a.balance) FILTER (WHERE a.kind = 'holding'), 0) AS in_pools,"
            " coalesce(sum(a.balance) FILTER (WHERE a.kind = 'referral_pending'), 0)"
            "  AS pending_referral,"
            " coalesce(sum(h.withdrawing), 0) AS withdrawing,"
            " coalesce(sum(a.held) FILTER (WHERE a.kind = 'wallet'), 0)"
            "  - coalesce(sum(h.withdrawing), 0) AS frozen,"
            " coalesce(min(m.as_of), %(now)s) AS as_of"
            " FROM accounts a"
            " LEFT JOIN positions p ON a.kind = 'position' AND p.account_id = a.id"
            "  AND p.quantity <> 0"
            " LEFT JOIN market_marks m ON m.instrument_id = p.instrument_id"
            " LEFT JOIN LATERAL (SELECT sum(amount) AS withdrawing FROM holds"
            "   WHERE account_id = a.id AND status = 'held' AND purpose = 'withdrawal') h"
            "  ON a.held > 0"
            " WHERE a.owner_id = %(owner)s GROUP BY a.asset ORDER BY a.asset",
            {"owner": owner, "now": now},
        ).fetchall()


_WALLET: LiteralString = (
    " FROM accounts WHERE kind = 'wallet' AND owner_id = %(owner)s AND asset = %(asset)s"
    " AND scope_id IS NULL AND leg_id IS NULL AND instrument_id IS NULL)"
)
_FROM_LOG: LiteralString = " FROM asset_log WHERE account_id = (SELECT id" + _WALLET
# Versions have no gaps, so that an unfiltered page is a range: neither sorted nor searched for.
_NEWEST: LiteralString = " AND version > (SELECT version" + _WALLET + " - %(limit)s"
_AGREES: Final[Mapping[str, LiteralString]] = {
    "before": " AND version < %(before)s",
    "kind": " AND type = %(kind)s",
    "since": " AND created_at >= %(since)s",
    "until": " AND created_at < %(until)s",
}


class WrittenEntry(NamedTuple):
    """One entry of a wallet as it goes over the wire."""

    version: int
    json: str


# PostgreSQL writes the page: fifty entries cost Python ten times as much.
_WRITTEN: LiteralString = (
    "SELECT version, json_build_object('userId', user_id, 'coin', coin, 'type', type,"
    " 'amount', trim_scale(amount)::text, 'balanceBefore', trim_scale(balance_before)::text,"
    " 'balanceAfter', trim_scale(balance_after)::text, 'refNo', ref_no, 'remark', remark,"
    " 'createdAt', " + sql_iso("created_at") + ")::text" + _FROM_LOG
)


def asset_log(
    tx: Tx,
    owner: UUID,
    asset: str,
    limit: int,
    *,
    before: int | None = None,
    kind: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> list[WrittenEntry]:
    """A wallet's entries, newest first: at most `limit`, older than version `before`."""
    given: dict[str, Any] = {"before": before, "kind": kind, "since": since, "until": until}
    given = {name: value for name, value in given.items() if value is not None}
    query: LiteralString = _WRITTEN + "".join(_AGREES[name] for name in given)
    if not given:
        query += _NEWEST
    elif list(given) == ["before"]:
        query += " AND version >= %(before)s - %(limit)s"
    values = given | {"owner": owner, "asset": asset, "limit": limit}
    rows = tx.execute(query + " ORDER BY version DESC LIMIT %(limit)s", values).fetchall()
    return [WrittenEntry._make(row) for row in rows]

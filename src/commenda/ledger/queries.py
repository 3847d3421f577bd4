"""Reading accounts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from commenda.kit.db import Tx
from commenda.ledger.model import AccountKey


def find_accounts(tx: Tx, keys: Sequence[AccountKey]) -> dict[AccountKey, int]:
    """The ids of those of `keys` that have an account."""
    rows = tx.execute(
        "SELECT k.ordinal, a.id"
        " FROM unnest(%s::text[], %s::uuid[], %s::text[], %s::uuid[], %s::uuid[], %s::smallint[])"
        "   WITH ORDINALITY AS k (kind, owner, asset, scope, leg, instrument, ordinal)"
        " JOIN accounts a ON a.kind = k.kind AND a.owner_id = k.owner AND a.asset = k.asset"
        "  AND a.scope_id IS NOT DISTINCT FROM k.scope AND a.leg_id IS NOT DISTINCT FROM k.leg"
        "  AND a.instrument_id IS NOT DISTINCT FROM k.instrument",
        _columns(keys),
    ).fetchall()
    return {keys[ordinal - 1]: account for ordinal, account in rows}


def insert_accounts(tx: Tx, keys: Sequence[AccountKey]) -> None:
    """Open an account for each key that has none."""
    tx.execute(
        "INSERT INTO accounts (kind, owner_kind, owner_id, asset, scope_id, leg_id, instrument_id)"
        " SELECT k.kind, k.owner_kind, k.owner, k.asset, k.scope, k.leg, k.instrument"
        " FROM unnest(%s::text[], %s::uuid[], %s::text[], %s::uuid[], %s::uuid[], %s::smallint[],"
        "             %s::text[])"
        "   WITH ORDINALITY AS k (kind, owner, asset, scope, leg, instrument, owner_kind, ordinal)"
        " ORDER BY k.ordinal ON CONFLICT DO NOTHING",
        (*_columns(keys), [key.owner.kind for key in keys]),
    )


def _columns(keys: Sequence[AccountKey]) -> tuple[list[object], ...]:
    return (
        [key.kind for key in keys],
        [key.owner.id for key in keys],
        [key.asset for key in keys],
        [key.scope_id for key in keys],
        [key.leg_id for key in keys],
        [key.instrument_id for key in keys],
    )


def lock_accounts(tx: Tx, account_ids: Sequence[int]) -> Mapping[int, Decimal]:
    """Lock accounts in id order until the transaction ends, and read their balances."""
    rows = tx.execute("SELECT id, balance FROM lock_accounts(%s)", (list(account_ids),))
    return dict(rows.fetchall())


def balances(tx: Tx, account_ids: Sequence[int]) -> Mapping[int, Decimal]:
    """Balances as they are, without a lock."""
    rows = tx.execute("SELECT id, balance FROM accounts WHERE id = ANY (%s)", (list(account_ids),))
    return dict(rows.fetchall())


def balance_of(tx: Tx, key: AccountKey) -> Decimal:
    """The balance of one account; zero where it was never opened."""
    row = tx.execute(
        "SELECT balance FROM accounts WHERE kind = %s AND owner_id = %s AND asset = %s"
        " AND scope_id IS NOT DISTINCT FROM %s AND leg_id IS NOT DISTINCT FROM %s"
        " AND instrument_id IS NOT DISTINCT FROM %s",
        (key.kind, key.owner.id, key.asset, key.scope_id, key.leg_id, key.instrument_id),
    ).fetchone()
    return row[0] if row else Decimal(0)


def totals_by_asset(tx: Tx) -> dict[str, Decimal]:
    """The sum of all balances of each asset: exactly zero in a sound ledger."""
    return dict(
        tx.execute(
            "SELECT asset, sum(balance) FROM accounts GROUP BY asset ORDER BY asset"
        ).fetchall()
    )

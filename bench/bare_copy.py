"""The floor under a copied signal: its rows written by hand, their values known.

The tables are copies with the same columns, indexes and room on their pages, and with neither
foreign keys nor triggers. Statements are as few as there can be: one for each table and chunk. So
nothing is decided, locked in order, checked or derived; what is left is PostgreSQL's writing.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, LiteralString
from uuid import UUID

import psycopg
from psycopg import sql

from commenda.execution import CHUNK
from commenda.kit.db import Database
from commenda.kit.rows import columns

_TABLES = ("accounts", "entries", "positions", "allocations", "signal_executions")

_INSERT_EXECUTIONS: LiteralString = (
    "INSERT INTO bare.signal_executions"
    " (signal_id, subscription_id, leg_id, requested, status, created_at)"
    " SELECT *, 'pending', now() FROM unnest(%s::uuid[], %s::uuid[], %s::uuid[], %s::numeric[])"
)
_INSERT_ALLOCATIONS: LiteralString = (
    "INSERT INTO bare.allocations (order_id, leg_id, requested)"
    " SELECT * FROM unnest(%s::uuid[], %s::uuid[], %s::numeric[])"
)
_INSERT_ENTRIES: LiteralString = (
    "INSERT INTO bare.entries"
    " (journal_id, account_id, version, asset, amount, balance_before, balance_after)"
    " SELECT * FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[], %s::text[], %s::numeric[],"
    "  %s::numeric[], %s::numeric[])"
)
_UPDATE_ACCOUNTS: LiteralString = (
    "UPDATE bare.accounts a SET version = n.version, balance = n.balance"
    " FROM unnest(%s::bigint[], %s::bigint[], %s::numeric[]) AS n (id, version, balance)"
    " WHERE a.id = n.id"
)
_UPDATE_POSITIONS: LiteralString = (
    "UPDATE bare.positions p SET quantity = n.quantity"
    " FROM unnest(%s::uuid[], %s::smallint[], %s::numeric[]) AS n (leg, instrument, quantity)"
    " WHERE p.leg_id = n.leg AND p.instrument_id = n.instrument"
)
_UPDATE_ALLOCATIONS: LiteralString = (
    "UPDATE bare.allocations a SET quantity = n.quantity, notional = n.notional, fee = n.fee"
    " FROM unnest(%s::uuid[], %s::uuid[], %s::numeric[], %s::numeric[], %s::numeric[])"
    "  AS n (parent, leg, quantity, notional, fee) WHERE a.order_id = n.parent AND a.leg_id = n.leg"
)
_UPDATE_EXECUTIONS: LiteralString = (
    "UPDATE bare.signal_executions e SET status = 'completed', order_id = n.parent,"
    "  executed_amount = n.amount, executed_price = n.price, gas_cost = n.fee,"
    "  slippage = n.slippage, executed_at = now(), completed_at = now()"
    " FROM unnest(%s::uuid[], %s::uuid[], %s::uuid[], %s::numeric[], %s::numeric[], %s::numeric[],"
    "  %s::numeric[]) AS n (signal, subscription, parent, amount, price, fee, slippage)"
    " WHERE e.signal_id = n.signal AND e.subscription_id = n.subscription"
)


def copy_tables(database: Database) -> None:
    """Make the bare tables, with the accounts and positions that are there."""
    with psycopg.connect(database.owner_url) as owner:
        owner.execute("CREATE SCHEMA bare")
        for table in _TABLES:
            names = {"new": sql.Identifier("bare", table), "old": sql.Identifier(table)}
            owner.execute(sql.SQL("CREATE TABLE {new} (LIKE {old} INCLUDING ALL)").format(**names))
            options = owner.execute(
                "SELECT reloptions FROM pg_class WHERE oid = %s::regclass", (table,)
            ).fetchone()
            for option in (options and options[0]) or ():
                room = sql.SQL(option)
                owner.execute(sql.SQL("ALTER TABLE {new} SET ({})").format(room, **names))
        for table in ("accounts", "positions"):
            rows = owner.execute(
                "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0"
                " AND NOT attisdropped AND attgenerated = '' ORDER BY attnum",
                (table,),
            )
            held = sql.SQL(", ").join(sql.Identifier(name) for (name,) in rows)
            owner.execute(
                sql.SQL(
                    "INSERT INTO {} ({held}) OVERRIDING SYSTEM VALUE SELECT {held} FROM {}"
                ).format(sql.Identifier("bare", table), sql.Identifier(table), held=held)
            )


def write_again(database: Database, signal_id: UUID) -> float:
    """Write what a copied signal wrote into the bare tables; seconds, its rows not counted in."""
    with psycopg.connect(database.owner_url, autocommit=True) as owner:
        owner.execute("SET jit = off")
        owner.execute("SET synchronous_commit = off")
        executions = owner.execute(
            "SELECT signal_id, subscription_id, leg_id, requested, order_id, executed_amount,"
            " executed_price, gas_cost, slippage FROM signal_executions WHERE signal_id = %s"
            " ORDER BY leg_id",
            (signal_id,),
        ).fetchall()
        allocations = owner.execute(
            "SELECT a.order_id, a.leg_id, a.requested, a.quantity, a.notional, a.fee, p.quantity,"
            " o.instrument_id FROM orders o JOIN allocations a ON a.order_id = o.id"
            " JOIN positions p ON p.leg_id = a.leg_id AND p.instrument_id = o.instrument_id"
            " WHERE o.cause_id = %s ORDER BY a.leg_id",
            (signal_id,),
        ).fetchall()
        entries: dict[int, list[tuple[Any, ...]]] = {}
        for row in owner.execute(
            "SELECT e.journal_id, e.account_id, e.version, e.asset, e.amount, e.balance_before,"
            " e.balance_after FROM journals j JOIN entries e ON e.journal_id = j.id"
            " WHERE j.correlation_id = %s AND j.kind = 'allocation' ORDER BY j.id, e.account_id",
            (signal_id,),
        ):
            entries.setdefault(row[0], []).append(row)
        begun = time.perf_counter()
        for part in _chunks(executions):
            signals, subscriptions, legs, asked, *_ = columns(part, 9)
            owner.execute(_INSERT_EXECUTIONS, (signals, subscriptions, legs, asked))
        owner.execute(_INSERT_ALLOCATIONS, columns(allocations, 3))
        for part, lines in zip(_chunks(allocations), entries.values(), strict=True):
            orders, legs, _, got, notionals, fees, held, instruments = columns(part, 8)
            journals, accounts, versions, *amounts, after = columns(lines, 7)
            with owner.transaction():
                owner.execute(_INSERT_ENTRIES, (journals, accounts, versions, *amounts, after))
                owner.execute(_UPDATE_ACCOUNTS, (accounts, versions, after))
                owner.execute(_UPDATE_POSITIONS, (legs, instruments, held))
                owner.execute(_UPDATE_ALLOCATIONS, (orders, legs, got, notionals, fees))
        signals, subscriptions, _, _, orders, *outcome = columns(executions, 9)
        owner.execute(_UPDATE_EXECUTIONS, (signals, subscriptions, orders, *outcome))
        return time.perf_counter() - begun


def _chunks(rows: Sequence[tuple[Any, ...]]) -> list[Sequence[tuple[Any, ...]]]:
    return [rows[begin : begin + CHUNK] for begin in range(0, len(rows), CHUNK)]

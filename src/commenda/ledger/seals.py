"""The chain over journals: a keyed digest of each with its entries and whose accounts they moved.

Entries are gathered in order and reduced to one SHA-256 by PostgreSQL, so that a journal of
thousands crosses the wire as one line.
"""

from __future__ import annotations

from psycopg import sql

from commenda.audit import Chain

JOURNALS = Chain(
    "journals",
    "journal",
    "ledger-chain",
    sql.Identifier("journals"),
    sql.Identifier("journal_seals"),
    sql.SQL(
        "r.id, r.era, r.transaction_id::text::bigint AS transaction_id, r.key, r.kind, r.actor,"
        " r.rule_version, r.correlation_id, r.posted_at, r.effective_at, r.entry_count, r.reverses,"
        " (SELECT encode(sha256(convert_to(coalesce(string_agg(ROW(e.account_id, e.version,"
        "   e.asset, e.amount, e.balance_before, e.balance_after, a.kind, a.owner_kind, a.owner_id,"
        "   a.asset, a.scope_id, a.leg_id, a.instrument_id, a.stripe)::text, ''"
        "   ORDER BY e.account_id, e.version), ''), 'UTF8')), 'hex')"
        "  FROM entries e LEFT JOIN accounts a ON a.id = e.account_id"
        "  WHERE e.journal_id = r.id) AS entries"
    ),
    lock=0x636F6D6A,  # "comj"
    batch=10_000,
    weight="r.entry_count",
)

"""Journals as evidence: each with its entries, whose accounts they moved, and its seal."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import LiteralString

from commenda.kit.db import Tx
from commenda.kit.times import sql_iso

_BATCH = 50
"""Journals on their way at once: one may have thousands of entries."""


def export_journals(
    tx: Tx, begin: datetime | None = None, end: datetime | None = None
) -> Iterator[str]:
    """One JSON object for each journal posted in `begin` <= time < `end`, in the order of ids.

    All on one snapshot; `sequence` and `digest` are null where a journal waits for its seal.
    """
    tx.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
    with tx.cursor("export_journals") as cursor:  # on the server: memory stays flat
        cursor.itersize = _BATCH
        cursor.execute(_EXPORT, {"begin": begin, "end": end})
        for (line,) in cursor:
            yield line


_EXPORT: LiteralString = (
    "SELECT json_build_object('id', j.id, 'key', j.key, 'kind', j.kind, 'actor', j.actor,"  # noqa: S608 - constants
    " 'ruleVersion', j.rule_version, 'correlationId', j.correlation_id,"
    " 'postedAt', "
    + sql_iso("j.posted_at")
    + ", 'effectiveAt', "
    + sql_iso("j.effective_at")
    + ", 'reverses', j.reverses,"
    " 'entries', (SELECT json_agg(json_build_object('accountId', e.account_id,"
    "   'version', e.version, 'asset', e.asset, 'amount', trim_scale(e.amount)::text,"
    "   'balanceBefore', trim_scale(e.balance_before)::text,"
    "   'balanceAfter', trim_scale(e.balance_after)::text, 'accountKind', a.kind,"
    "   'ownerKind', a.owner_kind, 'ownerId', a.owner_id, 'scopeId', a.scope_id,"
    "   'legId', a.leg_id, 'instrumentId', a.instrument_id) ORDER BY e.account_id, e.version)"
    "  FROM entries e LEFT JOIN accounts a ON a.id = e.account_id WHERE e.journal_id = j.id),"
    " 'sequence', s.sequence, 'digest', encode(s.digest, 'hex'))::text"
    " FROM journals j LEFT JOIN journal_seals s ON s.row_id = j.id"
    " WHERE (%(begin)s::timestamptz IS NULL OR j.posted_at >= %(begin)s)"
    "  AND (%(end)s::timestamptz IS NULL OR j.posted_at < %(end)s) ORDER BY j.id"
)

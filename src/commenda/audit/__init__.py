"""Who did what, when and with which result; and what must always hold.

Events are append-only and carry the correlation id that runs from a subscription to its last
commission. A sealer chains the events with keyed digests (`chain`), so that nobody who can write to
the database rewrites the record unnoticed. A `Check` is one query that returns the rows that break
a rule. Which events somebody should look at is said in `commenda.alerts`.
"""

from commenda.audit.chain import (
    EVENTS,
    Anchor,
    Chain,
    Sealed,
    anchor,
    begin_era,
    check_chain,
    seal,
    unsealed,
)
from commenda.audit.checks import Check, Finding, run_checks
from commenda.audit.events import Event, record, record_new
from commenda.audit.export import csv_header, csv_rows, ndjson
from commenda.audit.queries import Wanted, export_events

__all__ = [
    "EVENTS",
    "Anchor",
    "Chain",
    "Check",
    "Event",
    "Finding",
    "Sealed",
    "Wanted",
    "anchor",
    "begin_era",
    "check_chain",
    "csv_header",
    "csv_rows",
    "export_events",
    "ndjson",
    "record",
    "record_new",
    "run_checks",
    "seal",
    "unsealed",
]

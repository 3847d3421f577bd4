"""Events as evidence: lines of JSON for programs, a table for people."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from commenda.audit.queries import LogEntry

_COLUMNS = (
    "id",
    "at",
    "kind",
    "actor",
    "subject",
    "correlationId",
    "result",
    "ruleVersion",
    "requestId",
    "details",
    "sequence",
    "digest",
)


def ndjson(events: Iterable[LogEntry]) -> str:
    """One JSON object for each event and line."""
    return "".join(
        json.dumps(_named(event), ensure_ascii=False, separators=(",", ":")) + "\n"
        for event in events
    )


def csv_header() -> str:
    return _lines([_COLUMNS])


def csv_rows(events: Iterable[LogEntry]) -> str:
    """Rows of a table; `details` is JSON."""
    return _lines(
        [
            [_cell(json.dumps(v) if k == "details" else v) for k, v in _named(event).items()]
            for event in events
        ]
    )


def stamp(moment: datetime) -> str:
    """ISO 8601, in UTC."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _named(event: LogEntry) -> dict[str, Any]:
    values = (
        event.id,
        stamp(event.at),
        event.kind,
        event.actor,
        event.subject,
        str(event.correlation_id),
        event.result,
        event.rule_version,
        event.request_id,
        event.details,
        event.sequence,
        event.digest,
    )
    return dict(zip(_COLUMNS, values, strict=True))


def _cell(value: object) -> object:
    # A spreadsheet would carry out a text that begins like a formula, and strangers choose some.
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")):
        return f"'{value}"
    return value


def _lines(rows: Iterable[Iterable[object]]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue()

"""Events as evidence: lines of JSON for programs, a table for people."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from dataclasses import fields
from typing import Any

from pydantic.alias_generators import to_camel

from commenda.audit.queries import LogEntry
from commenda.kit.times import iso

_FIELDS = [one.name for one in fields(LogEntry) if one.name not in ("sealed", "actor_name")]
_COLUMNS = [to_camel(name) for name in _FIELDS]


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


def _named(event: LogEntry) -> dict[str, Any]:
    values = {name: getattr(event, name) for name in _FIELDS}
    values |= {"at": iso(event.at), "correlation_id": str(event.correlation_id)}
    return dict(zip(_COLUMNS, values.values(), strict=True))


def _cell(value: object) -> object:
    # A spreadsheet would carry out a text that begins like a formula, and strangers choose some.
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")):
        return f"'{value}"
    return value


def _lines(rows: Iterable[Iterable[object]]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue()

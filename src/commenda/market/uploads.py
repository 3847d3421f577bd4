"""A file of market data that somebody sends: judged first, then kept, as `commenda market import`
does it.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated

from pydantic import Base64Bytes, Field

from commenda.audit import Event, record
from commenda.kit import ids
from commenda.kit.db import Tx
from commenda.kit.errors import CommendaError
from commenda.kit.wire import Body, on_wire, one_of
from commenda.market.actions import Outcome, import_files
from commenda.market.grid import interval_name
from commenda.market.model import Finding, FindingKind, Series
from commenda.market.names import Labels
from commenda.market.sources import name_of, read_source

RULES = "market/1"
SHOWN = 200
"""Findings that a report tells one by one."""


class MarketFile(Body):
    """One file of candles, funding rates or mark prices, as `commenda market import` reads it."""

    name: str = Field(
        min_length=1,
        max_length=200,
        pattern=r"^[^/\\\x00]+$",
        description="<venue>_<SYMBOL>_<interval>.csv, .csv.gz or .parquet, or as Binance names it.",
        examples=["binance_usdm_BTCUSDT_1h.csv.gz"],
    )
    content: Base64Bytes = Field(description="The file in base64.")
    zone: str | None = Field(
        None, max_length=60, description="Of times that name none; UTC.", examples=["Asia/Shanghai"]
    )
    append: bool = Field(False, description="Join what was imported before, or take its place.")
    keep: bool = Field(False, description="False: only say what would be found.")


@on_wire
@dataclass(frozen=True, slots=True)
class FoundIn:
    kind: Annotated[str, one_of(FindingKind)]
    at: datetime
    details: str


@on_wire
@dataclass(frozen=True, slots=True)
class QualityReport:
    """What a file holds, and what is wrong with it. What is fatal is refused instead."""

    dataset_id: Annotated[int | None, Field(description="Null where it was not kept.")]
    outcome: Annotated[str | None, one_of(Outcome)]
    venue: str
    symbol: str
    series: Annotated[str, one_of(Series)]
    interval: str | None
    first_ts: datetime
    last_ts: datetime
    rows: int
    counts: Annotated[dict[str, int], Field(description="How many findings of each kind.")]
    findings: Annotated[list[FoundIn], Field(description=f"The first {SHOWN} by time.")]
    notes: list[str]


def take_in(tx: Tx, data: Path, actor: str, sent: MarketFile, now: datetime) -> QualityReport:
    """Judge a file, and keep its series if that is wanted; codes of `import_files`."""
    with tempfile.TemporaryDirectory(prefix="commenda-") as folder:
        file = Path(folder) / sent.name
        file.write_bytes(sent.content)
        try:
            return _taken(tx, data, actor, sent, file, now)
        except CommendaError as refusal:
            # The reader knows its own name of the file, not where it lay for a moment.
            raise CommendaError(
                refusal.code, refusal.message.replace(f"{folder}/", ""), status=refusal.status
            ).at(
                refusal.field or "name",
                sent.name if refusal.field == "file" else refusal.value,
                refusal.hint,
            ) from refusal


def _taken(
    tx: Tx, data: Path, actor: str, sent: MarketFile, file: Path, now: datetime
) -> QualityReport:
    labels = Labels(zone=sent.zone)
    name = name_of([file], labels)
    named = (
        name.venue,
        name.symbol,
        name.series,
        (interval_name(name.interval) if name.interval else None),
    )
    if not sent.keep:
        source = read_source([file], name, sent.zone)
        stamps, found = source.loaded.frame["ts"], source.loaded.findings
        span = stamps[0], stamps[-1], len(stamps)
        return QualityReport(None, None, *named, *span, *_told(found), list(source.notes))
    kept = import_files(tx, data, [file], now, labels=labels, append=sent.append)
    of, counts = kept.dataset, _told(kept.findings)
    subject = " ".join(filter(None, map(str, named)))
    said = {"rows": of.rows, "sha256": of.sha256, "file": sent.name, "findings": counts[0]}
    correlation = ids.derive("market", subject, of.sha256)
    event = Event("market.imported", subject, correlation, kept.outcome, actor, RULES, now, said)
    record(tx, [event])
    span = of.first_ts, of.last_ts, of.rows
    return QualityReport(of.id, kept.outcome, *named, *span, *counts, list(kept.notes))


def _told(findings: Sequence[Finding]) -> tuple[dict[str, int], list[FoundIn]]:
    counts = Counter(str(one.kind) for one in findings)
    return dict(counts), [FoundIn(one.kind, one.at, one.details) for one in findings[:SHOWN]]

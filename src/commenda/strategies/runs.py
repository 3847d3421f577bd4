"""Backtests that are kept: stored with their exact inputs, found again, and run again.

The id is derived from the inputs and from who keeps them: the same run kept twice is one row. What
is stored of the result is what is shown of it (`report`), the digest of every bit of the equity,
and every fill; the rest comes out of a rerun, which proves that it is the same.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString, TypeVar
from uuid import UUID

from psycopg.types.json import Jsonb

from commenda.kernel import Array
from commenda.kit import ids
from commenda.kit.db import Tx
from commenda.kit.errors import CommendaError, not_found
from commenda.kit.pages import Page, key_after, page_of
from commenda.kit.rows import first, put, records
from commenda.kit.wire import derived, on_wire
from commenda.strategies.backtest import Backtest
from commenda.strategies.bodies import BacktestRequest, request_of
from commenda.strategies.depth import DepthPlan, DepthRun
from commenda.strategies.depth_report import depth_report
from commenda.strategies.legs import LegsBacktest, LegsPlan
from commenda.strategies.model import (
    EquityCurve,
    FillMarker,
    LegOutcome,
    ProfitClass,
    RunBenchmark,
    RunBreakdown,
    RunExecution,
    RunInputs,
    RunMetrics,
    RunMonth,
    RunSeries,
    partly,
)
from commenda.strategies.plan import Plan, Row, digest_of_inputs
from commenda.strategies.report import report_of

AnyPlan = Plan | LegsPlan | DepthPlan
AnyRun = Backtest | LegsBacktest | DepthRun

R = TypeVar("R")
V = TypeVar("V", bound="BacktestView")


def _stored(record: type[R]) -> type[R]:
    """On the wire, with rows of `model.py` that may leave something out: whether they may pydantic
    asks the record that holds them.
    """
    on_wire(record)
    record.__pydantic_config__ |= partly  # type: ignore[attr-defined]
    return record


@_stored
@dataclass(frozen=True, slots=True)
class BacktestSummary:
    """A kept run: what it was run from and what it came to. Ratios are fractions."""

    id: UUID
    inputs: RunInputs
    metrics: RunMetrics
    created_by: str
    created_at: datetime
    seconds: float


@_stored
@dataclass(frozen=True, slots=True)
class BacktestView(BacktestSummary):
    """A kept run with its costs, months, trades and how its fills came about."""

    costs: RunBreakdown
    benchmark: RunBenchmark
    execution: RunExecution
    months: list[RunMonth]
    trade_profits: list[ProfitClass]
    legs: list[LegOutcome] | None
    equity_sha256: str


@_stored
@dataclass(frozen=True, slots=True)
class ComparedBacktest(BacktestView):
    """A kept run as it is laid over others."""

    equity: EquityCurve


@_stored
@dataclass(frozen=True, slots=True)
class BacktestReport(BacktestView):
    """Everything that is shown of a kept run."""

    series: RunSeries
    markers: list[FillMarker]

    @derived
    def again(self) -> BacktestRequest | None:
        """What asks for the same run; null where only the command line can."""
        return request_of(self.inputs)


@on_wire
@dataclass(frozen=True, slots=True)
class Comparison:
    items: list[ComparedBacktest]


@dataclass(frozen=True, slots=True)
class Kept:
    """A kept run. `fills` are packed; see `unpack_fills`."""

    id: UUID
    inputs: Row
    report: Row
    equity_sha256: str
    fills: bytes
    created_by: str
    created_at: datetime
    seconds: float


@dataclass(frozen=True, slots=True)
class Difference:
    """Something that a rerun has otherwise than the run that was kept."""

    what: str
    kept: Any
    now: Any


def shown_of(plan: AnyPlan, run: AnyRun) -> Row:
    """The report of a run over bars or in an order book."""
    if isinstance(run, DepthRun):
        assert isinstance(plan, DepthPlan)
        return depth_report(plan, run)
    assert not isinstance(plan, DepthPlan)
    return report_of(plan, run)


def keep(
    tx: Tx, plan: AnyPlan, run: AnyRun, *, actor: str, now: datetime, seconds: float
) -> tuple[UUID, bool]:
    """Store a run; its id, and whether it is new: the same inputs were kept before otherwise."""
    shown = shown_of(plan, run)
    inputs = shown["inputs"]
    ident = ids.derive("backtest", digest_of_inputs(inputs), actor)
    funding = inputs["funding"]
    new = put(
        tx,
        "INSERT INTO backtests",
        {
            "id": ident,
            "strategy": inputs["strategy"]["name"],
            "version": inputs["strategy"]["version"],
            "code_hash": inputs["strategy"]["codeHash"],
            "data_sha256": inputs["data"]["sha256"],
            "funding_sha256": None if funding is None else funding["sha256"],
            "engine_hash": inputs["engineHash"],
            "seed": inputs["seed"],
            "inputs": Jsonb(inputs),
            "report": Jsonb({key: part for key, part in shown.items() if key != "inputs"}),
            "equity_sha256": digest_of_equity(run.equity),
            "fills": pack_fills(fill_rows(run)),
            "created_by": actor,
            "created_at": now,
            "seconds": seconds,
        },
    )
    return ident, new


_LISTED: LiteralString = (
    "SELECT id, inputs, report->'metrics' AS metrics, created_by, created_at, seconds"
    " FROM backtests"
)
_FIGURES: LiteralString = (
    "SELECT id, inputs, report->'metrics' AS metrics, created_by, created_at, seconds,"
    " report->'costs' AS costs, report->'benchmark' AS benchmark,"
    " report->'execution' AS execution, report->'months' AS months,"
    " report->'tradeProfits' AS trade_profits, report->'legs' AS legs, equity_sha256"
)
_SHOWN: dict[type[BacktestView], LiteralString] = {
    BacktestView: _FIGURES + " FROM backtests",
    ComparedBacktest: _FIGURES + ", report->'series'->'equity' AS equity FROM backtests",
    BacktestReport: _FIGURES
    + ", report->'series' AS series, report->'markers' AS markers FROM backtests",
}
_KEPT: LiteralString = (
    "SELECT id, inputs, report || jsonb_build_object('inputs', inputs) AS report, equity_sha256,"
    " fills, created_by, created_at, seconds FROM backtests"
)


def kept_runs(
    tx: Tx, *, actor: str | None = None, limit: int = 50, cursor: str | None = None
) -> Page[BacktestSummary]:
    """Kept runs, the latest first; those of one person where an `actor` is named."""
    after = key_after(cursor, datetime, UUID)
    at, last = after or (None, None)
    found = records(
        tx,
        BacktestSummary,
        _LISTED + " WHERE (%(actor)s::text IS NULL OR created_by = %(actor)s)"
        " AND (%(at)s::timestamptz IS NULL OR (created_at, id) < (%(at)s, %(id)s))"
        " ORDER BY created_at DESC, id DESC LIMIT %(rows)s",
        {"actor": actor, "at": at, "id": last, "rows": limit + 1},
    )
    return page_of(found, limit, lambda one: (one.created_at, one.id))


def kept_run(tx: Tx, ident: UUID, *, actor: str | None = None) -> Kept:
    """One kept run; code `unknown_backtest`, also for another's where an `actor` is named."""
    return _one(tx, Kept, _KEPT, ident, actor)


def shown_run(tx: Tx, ident: UUID, kind: type[V], *, actor: str | None = None) -> V:
    """A kept run as one of the `kind`s that are answered; the code of `kept_run`."""
    return _one(tx, kind, _SHOWN[kind], ident, actor)


def compared(tx: Tx, idents: Iterable[UUID], *, actor: str | None = None) -> Comparison:
    """Several kept runs side by side; the code of `kept_run`."""
    return Comparison([shown_run(tx, one, ComparedBacktest, actor=actor) for one in idents])


def _one(tx: Tx, kind: type[R], query: LiteralString, ident: UUID, actor: str | None) -> R:
    found = first(
        tx,
        kind,
        query + " WHERE id = %s AND (%s::text IS NULL OR created_by = %s)",
        (ident, actor, actor),
    )
    if found is None:
        raise unknown_backtest(ident)
    return found


def find_run(tx: Tx, text: str) -> Kept:
    """A kept run by its id or by how its id begins; codes `unknown_backtest`, `ambiguous_id`."""
    begin = text.lower().replace("-", "")
    if not begin or set(begin) - set("0123456789abcdef"):
        raise unknown_backtest(text)
    rows = tx.execute(
        "SELECT id FROM backtests WHERE starts_with(replace(id::text, '-', ''), %s) LIMIT 2",
        (begin,),
    ).fetchall()
    if len(rows) > 1:
        raise CommendaError("ambiguous_id", "More than one backtest's id begins so").at(
            "id", text, "write more of it"
        )
    if not rows:
        raise unknown_backtest(text)
    return kept_run(tx, rows[0][0])


def name_of(run: Kept) -> str:
    """What a run is called beside others: its strategy, and how its id begins."""
    return f"{run.inputs['strategy']['name']} {str(run.id)[:8]}"


def differences(kept: Kept, plan: AnyPlan, run: AnyRun) -> list[Difference]:
    """Where a rerun differs from the run that was kept: its inputs first, then its result.

    Of the fills only the first that differs is named. Empty where both are the same to the last
    bit.
    """
    now = plan.inputs()
    told = zip(_told_apart(kept.inputs).items(), _told_apart(now).values(), strict=True)
    found = [Difference(what, was, is_) for (what, was), is_ in told if was != is_]
    found += _first_fill(unpack_fills(kept.fills), fill_rows(run))
    digest = digest_of_equity(run.equity)
    if digest != kept.equity_sha256:
        found.append(Difference("equity", kept.equity_sha256, digest))
        final = kept.report["metrics"]["finalEquity"]
        if final != float(run.equity[-1]):
            found.append(Difference("final equity", final, float(run.equity[-1])))
    return found


def _told_apart(inputs: Row) -> Row:
    """What tells the inputs of two runs apart."""
    return {
        "strategy": inputs["strategy"]["version"],
        "code hash": inputs["strategy"]["codeHash"],
        "data hash": inputs["data"]["sha256"],
        "funding hash": (inputs["funding"] or {}).get("sha256"),
        "finer bars' hash": (inputs["finer"] or {}).get("sha256"),
        "book's hash": (inputs.get("book") or {}).get("sha256"),
        "engine hash": inputs["engineHash"],
    }


def _first_fill(kept: Sequence[Row], now: Sequence[Row]) -> list[Difference]:
    for number, (before, fill) in enumerate(zip(kept, now, strict=False), start=1):
        after = {name: fill.get(name) for name in before}
        if before != after:
            return [Difference(f"fill {number}", before, after)]
    if len(kept) != len(now):
        return [Difference("number of fills", len(kept), len(now))]
    return []


def digest_of_equity(equity: Array) -> str:
    """SHA-256 of every bit of the equity at each close."""
    return hashlib.sha256(equity.astype("<f8").tobytes()).hexdigest()


def fill_rows(run: AnyRun) -> list[Row]:
    """Every fill by its names; of several legs those of one after those of another."""
    if isinstance(run, LegsBacktest):
        legs = enumerate(run.legs)
        return [{"leg": k, **fill._asdict()} for k, leg in legs for fill in leg.result.fills]
    return [fill._asdict() for fill in run.fills]


def pack_fills(rows: Sequence[Row]) -> bytes:
    """Fills as compressed JSON: a column for each of their names, numbers to the last bit."""
    columns = {name: [row[name] for row in rows] for name in rows[0]} if rows else {}
    return zlib.compress(json.dumps(columns).encode())


def unpack_fills(packed: bytes) -> list[Row]:
    """The rows that `pack_fills` packed, by name, as the version that packed them named them."""
    columns: dict[str, list[Any]] = json.loads(zlib.decompress(packed))
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def unknown_backtest(ident: object) -> CommendaError:
    return not_found("unknown_backtest", "No such backtest was kept").at(
        "id", ident, "commenda backtest list names those that were"
    )

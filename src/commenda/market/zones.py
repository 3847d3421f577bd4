"""Times that name no zone: as they are in the zone that is given, else as UTC."""

from __future__ import annotations

from datetime import datetime

import polars as pl

from commenda.kit.errors import CommendaError

UTC_ASSUMED = "times without a zone were taken as UTC"


def localised(
    stamps: pl.Series, zoneless: pl.Series, zone: str | None, origin: str
) -> tuple[pl.Series, str]:
    """Times in UTC, and what to say of it. Those that are `zoneless` stand in `stamps` as if they
    were UTC.

    An hour that the end of summer time repeats is told by the order of the rows: a time counts as
    the first of the two unless the row before has reached it. Codes `unknown_zone`, and
    `market_file_value` for a time that the zone's clocks leave out.
    """
    if zone is None:
        return stamps, UTC_ASSUMED
    try:
        pl.Series([datetime(2025, 1, 1)]).dt.replace_time_zone(zone)  # noqa: DTZ001 - made aware here
    except pl.exceptions.PolarsError as error:
        raise CommendaError("unknown_zone", "No such zone").at(
            "--zone", zone, "name it as Europe/Berlin, America/New_York or UTC"
        ) from error
    early, late = (
        stamps.dt.replace_time_zone(None)
        .dt.replace_time_zone(zone, ambiguous=choice, non_existent="null")
        .dt.convert_time_zone("UTC")
        for choice in ("earliest", "latest")
    )
    skipped = early.is_null() & zoneless
    if skipped.any():
        at = int(skipped.arg_max() or 0)
        raise CommendaError(
            "market_file_value",
            f"Row {at + 1}: the clocks of {zone} leave out {stamps[at]:%Y-%m-%d %H:%M}",
        ).at("file", origin, "give the zone that the times are written in")
    early = early.fill_null(stamps)
    found = _in_order(early, late, early.ne_missing(late) & zoneless)
    placed = pl.DataFrame([stamps.alias("as"), found.alias("in"), zoneless.alias("bare")]).select(
        pl.when("bare").then("in").otherwise("as").alias(stamps.name)
    )
    return placed.to_series(), f"times without a zone were taken as {zone}"


def _in_order(early: pl.Series, late: pl.Series, twice: pl.Series) -> pl.Series:
    """`early`, and `late` where a time that comes twice comes for the second time."""
    places = twice.arg_true().to_list()
    if not places:
        return early
    back = len(early) > 1 and early[-1] < early[0]  # the newest row first
    step = -1 if back else 1
    second: dict[int, datetime] = {}
    for at in reversed(places) if back else places:
        before = at - step
        if 0 <= before < len(early) and second.get(before, early[before]) >= early[at]:
            second[at] = late[at]
    where = pl.Series(list(second), dtype=pl.Int64)
    return early.scatter(where, pl.Series(list(second.values()), dtype=early.dtype))

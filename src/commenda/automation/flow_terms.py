"""What abilities do with a flow's terms: give it others, go back, and say what became of it."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from commenda.automation.model import Decision, Done
from commenda.copying import change_terms, flow_nav, restore_terms, versions_of
from commenda.kit.db import Tx
from commenda.kit.errors import conflict
from commenda.ledger import Author
from commenda.risk import stops_of


def require_version(tx: Tx, flow_id: UUID, version: int) -> None:
    """Code `terms_changed` where a flow's terms are others than those that were looked at."""
    stands = versions_of(tx, flow_id)[0].version
    if stands != version:
        raise conflict("terms_changed", "The flow's terms were changed meanwhile").at(
            "version", version, f"they are version {stands} now: have it decided anew"
        )


def set_stops(
    tx: Tx, author: Author, decision: Decision, *, template: str | None = None, loosen: bool = False
) -> Done:
    """Give a flow the stops that were decided on, as another version of the terms looked at; code
    `terms_changed`."""
    flow_id, told = UUID(decision.target), decision.change
    require_version(tx, flow_id, told["version"])
    version = change_terms(
        tx,
        author,
        flow_id,
        stops=stops_of(told["stops"]),
        reason=decision.ability,
        cause=decision.id,
        loosen=loosen,
        template=template,
    )
    return _version_made(flow_id, version)


def take_back(
    tx: Tx, author: Author, decision: Decision, flow_id: UUID, before: int, *, loosen: bool = False
) -> Done:
    """Back to the version that a decision's own came after; code `terms_changed` where another has
    followed."""
    require_version(tx, flow_id, before + 1)
    version = restore_terms(
        tx, author, flow_id, before, reason="taken back", cause=decision.id, loosen=loosen
    )
    return _version_made(flow_id, version)


def _version_made(flow_id: UUID, version: int) -> Done:
    return Done([("flow_terms", f"{flow_id}:{version}")], {"version": version})


def return_since(tx: Tx, flow_id: UUID, since: datetime | None) -> float | None:
    """What became of a unit of the leading book since a decision was carried out; None of fewer
    than two days."""
    points = flow_nav(tx, flow_id).points
    units = [one.nav for one in points if since and one.at >= since]
    return float(units[-1] / units[0] - 1) if len(units) > 1 and units[0] else None

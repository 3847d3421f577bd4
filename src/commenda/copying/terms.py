"""A flow's parameters and stops: dated versions, each of which its runner takes up at its next bar.

What a version says is never changed; the way back to an earlier one is another version. Other
parameters begin the strategy anew, warmed by the bars before; other stops alone go on with the
position that is there, whose stop never moves away from the price unless whoever changes it says
so (`loosen`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Literal, LiteralString, NamedTuple
from uuid import UUID

from psycopg.types.json import Jsonb

from commenda.copying.model import Flow
from commenda.copying.queries import find_flow
from commenda.copying.telling import note, tell_followers
from commenda.kernel import Program, Stops
from commenda.kit.db import Tx
from commenda.kit.errors import CommendaError, conflict, unknown
from commenda.kit.rows import put
from commenda.ledger import Author
from commenda.market import Kind
from commenda.risk import said_stops, stops_of
from commenda.strategies import Strategy, catalogue

OWN: Final = "own"
"""The stops that the strategy declares itself."""


@dataclass(frozen=True, slots=True)
class TermsVersion:
    """What a flow traded by, since when, and who said so. `stops` of None are the strategy's."""

    version: int
    params: Mapping[str, float]
    stops: Mapping[str, float] | None
    template: str | None
    loosen: bool
    since: datetime
    began_at: datetime | None
    """When the first bar closed that was taken under them; None: none was."""
    set_by: str
    reason: str
    cause: UUID | None


class Change(NamedTuple):
    """Terms that a runner takes up at its next bar: `anew` where the parameters are others."""

    version: int
    program: Program
    anew: bool
    loosen: bool


def first_terms(
    tx: Tx, flow: Flow, author: str, now: datetime, stops: Stops | None, template: str | None
) -> None:
    """Store what a flow is shared with; `flow.params` are whole."""
    row = {
        "flow_id": flow.id,
        "version": 1,
        "params": Jsonb(dict(flow.params)),
        "stops": None if stops is None else Jsonb(said_stops(stops)),
        "template": template,
        "since": now,
        "set_by": author,
        "reason": "Shared",
    }
    put(tx, "INSERT INTO flow_terms", row)


def change_terms(
    tx: Tx,
    author: Author,
    flow_id: UUID,
    *,
    params: Mapping[str, float] | None = None,
    stops: Stops | Literal["own"] | None = None,
    reason: str,
    cause: UUID | None = None,
    loosen: bool = False,
    template: str | None = None,
) -> int:
    """Give a flow other parameters, other stops or both from its next bar on; the version.

    What is left out stays; `params` are whole, with the strategy's defaults. The same terms again
    are the version that stands. Codes `unknown_flow`, `flow_closed`, `unknown_strategy`, those of
    the strategy's parameters, `no_leverage_at_spot`.
    """
    tx.execute("SELECT FROM shared_flows WHERE id = %s FOR NO KEY UPDATE", (flow_id,))
    flow = find_flow(tx, flow_id)
    if flow.status == "closed":
        raise conflict("flow_closed", "This flow was closed for good").at(
            "flowId", flow_id, "share a new one"
        )
    before = versions_of(tx, flow_id)[0]
    strategy = strategy_of(flow.strategy)
    wanted = strategy.resolve(dict(before.params if params is None else params))
    kind = tx.execute(
        "SELECT kind FROM instruments WHERE id = %s", (flow.instrument_id,)
    ).fetchone()
    assert kind is not None, "a flow trades an instrument that is stored"
    require_payable(params, Kind(kind[0]))
    said, named = before.stops, before.template
    if stops is not None:
        said = said_stops(stops) if isinstance(stops, Stops) else None
        named = template
    if (wanted, said) == (dict(before.params), before.stops):
        return before.version
    version = before.version + 1
    row = {
        "flow_id": flow_id,
        "version": version,
        "params": Jsonb(wanted),
        "stops": None if said is None else Jsonb(said),
        "template": named,
        "loosen": loosen,
        "since": author.now,
        "set_by": author.actor,
        "reason": reason,
        "cause": cause,
    }
    put(tx, "INSERT INTO flow_terms", row)
    tx.execute(
        "UPDATE shared_flows SET params = %s, terms_version = %s, updated_at = %s WHERE id = %s",
        (Jsonb(wanted), version, author.now, flow_id),
    )
    changed = [
        name
        for name, is_other in (
            ("params", wanted != dict(before.params)),
            ("stops", said != before.stops),
        )
        if is_other
    ]
    details = {
        "version": version,
        "changed": changed,
        "before": {"params": dict(before.params), "stops": before.stops},
        "after": {"params": wanted, "stops": said},
        "template": named,
        "loosen": loosen,
        "reason": reason,
        "cause": cause and str(cause),
    }
    result = f"version {version}"
    note(tx, author, "flow.terms_changed", flow_id, result, details)
    # What a strategy's parameters are is its creator's own affair.
    told = {"version": version, "changed": changed}
    tell_followers(tx, author, "copy.flow_changed", flow_id, result, told)
    return version


def must_be_automatic(flow: Flow) -> None:
    """Code `not_automatic` where the creator does not let the machine change a flow's terms."""
    if not flow.automatic:
        raise conflict("not_automatic", "Its creator changes the terms of this flow").at(
            "automatic", False, "have its creator let the machine do it"
        )


def restore_terms(
    tx: Tx,
    author: Author,
    flow_id: UUID,
    version: int,
    *,
    reason: str,
    cause: UUID | None = None,
    loosen: bool = False,
) -> int:
    """Go back to an earlier version's terms, as another version; code `unknown_version` besides
    those of `change_terms`."""
    find_flow(tx, flow_id)
    earlier = next((one for one in versions_of(tx, flow_id) if one.version == version), None)
    if earlier is None:
        raise unknown("version", version, "version", "give one of the flow's own")
    return change_terms(
        tx,
        author,
        flow_id,
        params=earlier.params,
        stops=OWN if earlier.stops is None else stops_of(earlier.stops),
        reason=reason,
        cause=cause,
        loosen=loosen,
        template=earlier.template,
    )


_VERSIONS: LiteralString = (
    "SELECT version, params, stops, template, loosen, since, began_at, set_by, reason, cause"
    " FROM flow_terms WHERE flow_id = %s AND version >= %s ORDER BY version DESC"
)


def versions_of(tx: Tx, flow_id: UUID, since: int = 1) -> list[TermsVersion]:
    """A flow's terms since a version, the present ones first."""
    rows = tx.execute(_VERSIONS, (flow_id, since)).fetchall()
    return [TermsVersion(*row) for row in rows]


def changes_after(strategy: str, versions: Sequence[TermsVersion]) -> list[Change]:
    """What a runner of the last of `versions` (the present one is the first) has yet to take up."""
    made = []
    for before, after in zip(reversed(versions), reversed(versions[:-1]), strict=False):
        anew = dict(before.params) != dict(after.params)
        made.append(Change(after.version, program_of(strategy, after), anew, after.loosen))
    return made


def program_of(strategy: str, terms: TermsVersion) -> Program:
    """What a version runs. Only the first without stops of its own is what a plain backtest runs in
    its loop: what a change of stops carries lies at a desk."""
    program = strategy_of(strategy).bind(**terms.params)
    if terms.stops is None and terms.version == 1:
        return program
    stops = program.stops if terms.stops is None else stops_of(terms.stops)
    return replace(program, stops=replace(stops, at_desk=True))


def note_begun(tx: Tx, begun: Sequence[tuple[UUID, int, datetime]]) -> None:
    """Keep when the first bar of each version closed, once."""
    for flow_id, version, closed_at in begun:
        tx.execute(
            "UPDATE flow_terms SET began_at = %s"
            " WHERE flow_id = %s AND version = %s AND began_at IS NULL",
            (closed_at, flow_id, version),
        )


def strategy_of(name: str) -> Strategy:
    """A strategy of the catalogue; code `unknown_strategy`."""
    strategy = catalogue().get(name)
    if strategy is None:
        raise unknown("strategy", name, "strategy", f"use one of {', '.join(catalogue())}")
    return strategy


def require_payable(params: Mapping[str, float] | None, kind: Kind) -> None:
    """At spot a strategy sells what it holds and buys what it can pay: what it decides beyond that
    is kept within (`kernel.Terms`), and who asks for it is told. Code `no_leverage_at_spot`."""
    asked = (params or {}).get("exposure")
    if kind is Kind.SPOT and asked is not None and asked > 1:
        raise CommendaError("no_leverage_at_spot", "Nothing is lent at spot").at(
            "exposure", asked, "give 1 at most, or trade a perpetual"
        )


def _kind_of(tx: Tx, instrument_id: int) -> Kind:
    row = tx.execute("SELECT kind FROM instruments WHERE id = %s", (instrument_id,)).fetchone()
    assert row is not None, "a flow trades an instrument that is stored"
    return Kind(row[0])

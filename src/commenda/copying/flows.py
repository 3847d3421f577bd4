"""Creators share flows: one strategy on one instrument, led by a book of their own."""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from psycopg.types.json import Jsonb

from commenda.copying.following import follow
from commenda.copying.model import CopyMode, CopyOrder, Entry, Flow, FlowDraft
from commenda.copying.queries import asset_of, find_flow, unknown_flow
from commenda.copying.telling import note, tell_followers
from commenda.copying.terms import first_terms, require_payable, strategy_of
from commenda.kernel import Stops
from commenda.kit import ids
from commenda.kit.db import Tx
from commenda.kit.errors import CommendaError, conflict, not_found
from commenda.kit.rows import put
from commenda.ledger import Author, Owner
from commenda.market import Kind, interval_name, length_stored, parse_interval
from commenda.risk import find_template, stops_of
from commenda.venues import DEFAULT_VENUE, known_venue, require_account

T = TypeVar("T")


def share_flow(
    tx: Tx, flow: Flow, now: datetime, stops: Stops | None = None, template: str | None = None
) -> bool:
    """Publish a creator's strategy as a flow, with `stops` in place of the strategy's where they
    are given; sharing it again changes nothing. Whether it is new.

    Codes `unknown_strategy` and those of its parameters, `unknown_venue`.
    """
    strategy = strategy_of(flow.strategy)
    known_venue(flow.venue)
    params = strategy.resolve(dict(flow.params))
    row = asdict(flow) | {
        "tags": list(flow.tags),
        "params": Jsonb(params),
        "strategy_version": strategy.version,
        "source_hash": strategy.source_hash,
        "created_at": now,
        "updated_at": now,
    }
    new = put(tx, "INSERT INTO shared_flows", row)
    first_terms(tx, replace(flow, params=params), str(flow.creator_id), now, stops, template)
    put(tx, "INSERT INTO flow_stats", {"flow_id": flow.id, "updated_at": now})
    return new


def save_flow(tx: Tx, author: Author, creator: Owner, flow_id: UUID, draft: FlowDraft) -> bool:
    """Share a new flow with the creator's stake in it, or change how one's own presents itself.

    Returns whether it is new. Codes `incomplete_flow`, `unknown_strategy`, `unknown_symbol`,
    `ambiguous_symbol`, `other_market`, `no_leverage_at_spot`, `interval_not_whole`, those of
    `require_account`, `unknown_template`, those of `follow` for the stake; of a flow that exists
    `unknown_flow` where it is another's, `flow_closed`, `flow_terms_fixed`.
    """
    known = tx.execute("SELECT FROM shared_flows WHERE id = %s", (flow_id,)).fetchone()
    if known is None and _create(tx, author, creator, flow_id, draft):
        return True
    _change(tx, author, creator, flow_id, draft)
    return False


def _create(tx: Tx, author: Author, creator: Owner, flow_id: UUID, draft: FlowDraft) -> bool:
    """False where another request was first."""
    strategy = _needed(draft.strategy, "strategy")
    symbol = _needed(draft.symbol, "symbol")
    stake = _needed(draft.investment_amount, "investmentAmount")
    venue = DEFAULT_VENUE if draft.venue is None else draft.venue
    market = require_account(tx, venue)
    if draft.market is not None and market not in (None, draft.market):
        raise CommendaError(
            "other_market", "This account trades at another venue than the instrument's"
        ).at("market", draft.market, f"leave it out, or give {market}")
    instrument_id, asset, kind = _instrument(tx, symbol, draft.market or market)
    require_payable(draft.params, kind)
    flow = Flow(
        id=flow_id,
        creator_id=creator.id,
        title=draft.title,
        strategy=strategy,
        params=draft.params or {},
        instrument_id=instrument_id,
        max_followers=draft.max_followers,
        min_investment=draft.min_investment,
        description=draft.description,
        tags=draft.unique_tags,
        venue=venue,
        interval_seconds=_interval(tx, draft.interval, instrument_id),
        entry=draft.entry or Entry.MARKET,
        automatic=draft.automatic,
    )
    named = None if draft.stop_template is None else find_template(tx, draft.stop_template)
    stops = None if named is None else stops_of(named.stops)
    template = None if named is None else f"{named.name}/{named.version}"
    if not share_flow(tx, flow, author.now, stops, template):
        return False
    note(tx, author, "flow.shared", flow.id, "active", {"strategy": strategy, "symbol": symbol})
    follow(
        tx,
        author,
        flow=flow,
        follower=creator,
        amount=stake,
        asset=asset,
        key="vault",
        is_leader=True,
    )
    return True


def follow_by_order(tx: Tx, author: Author, follower: Owner, order: CopyOrder, key: str) -> UUID:
    """Follow a flow in the platform's custody; the subscription.

    Codes `own_vault_not_served`, `unknown_flow`, those of `follow`.
    """
    if order.vault_address is not None or order.chain_type is not None:
        raise CommendaError(
            "own_vault_not_served",
            "Copies trade in the platform's custody; own vaults are not served yet",
        ).at(
            "chainType" if order.vault_address is None else "vaultAddress",
            hint="leave out vaultAddress and chainType",
        )
    flow = find_flow(tx, order.flow_id)
    return follow(
        tx,
        author,
        flow=flow,
        follower=follower,
        amount=order.investment_amount,
        asset=asset_of(tx, flow.instrument_id),
        key=key,
        mode=CopyMode(order.copy_mode),
        settings=order.settings,
    )


def _needed(value: T | None, field: str) -> T:
    if value is None:
        raise CommendaError(
            "incomplete_flow",
            "A new flow needs its strategy, its symbol and the creator's own stake",
        ).at(field, hint="give strategy, symbol and investmentAmount")
    return value


def _instrument(tx: Tx, symbol: str, market: str | None) -> tuple[int, str, Kind]:
    """(id, quote asset, kind) of a symbol in a market, or in any; one that is traded now goes
    before one that is only known."""
    rows = tx.execute(
        "SELECT i.id, i.quote, i.kind, m.instrument_id IS NOT NULL, i.venue FROM instruments i"
        " LEFT JOIN market_marks m ON m.instrument_id = i.id WHERE i.symbol = %s"
        " AND (%s::text IS NULL OR i.venue = %s) ORDER BY i.id",
        (symbol, market, market),
    ).fetchall()
    if not rows:
        where = "" if market is None else f" at {market}"
        raise not_found("unknown_symbol", "No such instrument").at(
            "symbol", symbol, f"choose one of the instruments that are listed{where}"
        )
    rows = [row for row in rows if row[3]] or rows
    if len(rows) > 1:
        raise CommendaError(
            "ambiguous_symbol",
            "Several venues have this symbol and none or more than one is traded here",
        ).at("symbol", symbol, "say at which with market, such as " + rows[0][4])
    return rows[0][0], rows[0][1], Kind(rows[0][2])


def _interval(tx: Tx, name: str | None, instrument_id: int) -> int | None:
    """Seconds of the bars that a new flow steps on; code `interval_not_whole` where the market's
    own are not parts of them."""
    if name is None:
        return None
    seconds = parse_interval(name)
    base = length_stored(tx, instrument_id)
    if base is not None and seconds % base:
        raise CommendaError("interval_not_whole", "This market's bars do not make it up").at(
            "interval", name, f"give {interval_name(base)} or a whole number of them"
        )
    return seconds


def _change(tx: Tx, author: Author, creator: Owner, flow_id: UUID, draft: FlowDraft) -> None:
    tx.execute("SELECT FROM shared_flows WHERE id = %s FOR NO KEY UPDATE", (flow_id,))
    flow = _own_flow(tx, creator.id, flow_id)
    _require_same_terms(tx, flow, draft)
    said = {
        "title": draft.title,
        "description": draft.description,
        "tags": draft.unique_tags,
        "maxFollowers": draft.max_followers,
        "minInvestment": f"{draft.min_investment:f}",
        "automatic": draft.automatic,
    }
    tx.execute(
        "UPDATE shared_flows SET title = %(title)s, description = %(description)s,"
        " tags = %(tags)s, max_followers = %(maxFollowers)s,"
        " min_investment = %(minInvestment)s::numeric, automatic = %(automatic)s,"
        " updated_at = %(now)s WHERE id = %(id)s",
        said | {"id": flow_id, "now": author.now},
    )
    # Named by what was said: two changes at one moment are two events.
    result = f"changed {ids.derive('flow-change', *said.values()).hex[:12]}"
    note(tx, author, "flow.changed", flow_id, result, said)
    tell_followers(tx, author, "copy.flow_changed", flow_id, result, said)


def _own_flow(tx: Tx, creator_id: UUID, flow_id: UUID) -> Flow:
    flow = find_flow(tx, flow_id)
    if flow.creator_id != creator_id:
        raise unknown_flow(flow_id)
    if flow.status == "closed":
        raise conflict("flow_closed", "This flow was closed for good").at(
            "flowId", flow_id, "share a new one"
        )
    return flow


def _require_same_terms(tx: Tx, flow: Flow, draft: FlowDraft) -> None:
    row = tx.execute(
        "SELECT i.symbol, i.venue, s.investment_amount, (SELECT template FROM flow_terms"
        "  WHERE flow_id = %(flow)s ORDER BY version DESC LIMIT 1) FROM instruments i"
        " LEFT JOIN flow_subscriptions s ON s.flow_id = %(flow)s AND s.is_leader"
        " WHERE i.id = %(instrument)s",
        {"flow": flow.id, "instrument": flow.instrument_id},
    ).fetchone()
    assert row is not None, "a flow trades an instrument"
    symbol, market, stake, template = row
    given = {
        "strategy": (draft.strategy, flow.strategy),
        "symbol": (draft.symbol, symbol),
        "market": (draft.market, market),
        "venue": (draft.venue, flow.venue),
        "entry": (draft.entry, flow.entry),
        "interval": (draft.interval and parse_interval(draft.interval), flow.interval_seconds),
        "params": (
            draft.params and strategy_of(flow.strategy).resolve(dict(draft.params)),
            draft.params and dict(flow.params),
        ),
        "stopTemplate": (draft.stop_template, template and template.partition("/")[0]),
        "investmentAmount": (draft.investment_amount, stake),
    }
    for field, (said, stands) in given.items():
        if said is not None and said != stands:
            raise conflict(
                "flow_terms_fixed", "Strategy, symbol, parameters and stake of a shared flow stand"
            ).at(field, said, "leave them out, or share another flow")


def toggle_flow(tx: Tx, author: Author, creator_id: UUID, flow_id: UUID, *, active: bool) -> None:
    """Pause or resume one's own flow. Codes `unknown_flow`, `flow_closed`.

    A paused flow takes no followers and publishes nothing; what its followers hold stays theirs.
    """
    tx.execute("SELECT FROM shared_flows WHERE id = %s FOR NO KEY UPDATE", (flow_id,))
    status = "active" if active else "paused"
    if _own_flow(tx, creator_id, flow_id).status == status:
        return
    # Whoever resumes it takes its latest decision for the present one.
    tx.execute(
        "UPDATE shared_flows SET status = %(status)s, is_active = %(active)s,"
        " updated_at = %(now)s, pending_at = CASE WHEN %(active)s AND pending_target IS NOT NULL"
        "  THEN %(now)s ELSE pending_at END WHERE id = %(id)s",
        {"status": status, "active": active, "now": author.now, "id": flow_id},
    )
    kind = "resumed" if active else "paused"
    note(tx, author, f"flow.{kind}", flow_id, status, {})
    tell_followers(tx, author, f"copy.flow_{kind}", flow_id, status, {})


def close_flow(tx: Tx, author: Author, flow_id: UUID) -> None:
    """End a flow for good; nobody follows it any more."""
    tx.execute(
        "UPDATE shared_flows SET status = 'closed', is_active = false, updated_at = %s"
        " WHERE id = %s",
        (author.now, flow_id),
    )
    note(tx, author, "flow.closed", flow_id, "closed", {})

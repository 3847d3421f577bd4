"""What an id is: a row for each kind of thing that somebody may be handed the name of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Final, LiteralString, NamedTuple
from uuid import UUID

from pydantic import Field

from commenda.identity import Permission, Principal
from commenda.kit.db import Tx
from commenda.kit.rows import first
from commenda.kit.wire import on_wire, one_of


class Finder(NamedTuple):
    """One kind of thing. `query` gives (id, title, state, correlation_id, at) of one `%(id)s`.

    Whoever has the permission sees anybody's; of `mine`, a condition beside the query, one sees
    one's own.
    """

    kind: str
    query: LiteralString
    seen_by: Permission
    mine: LiteralString | None = None


_JOURNAL: LiteralString = (
    "SELECT id::text, key AS title, kind AS state, correlation_id, posted_at AS at FROM journals"
    " WHERE "
)
_USER: LiteralString = (
    "SELECT id::text, username AS title, role AS state, id AS correlation_id, created_at AS at"
    " FROM users WHERE "
)
BY_UUID: Final = (
    Finder(
        "subscription",
        "SELECT s.id::text, concat_ws(' ', p.profile, p.term_days || 'd', p.tier,"
        "  trim_scale(s.amount), s.asset) AS title, s.status AS state, c.correlation_id,"
        " s.subscribed_at AS at"
        " FROM managed_subscriptions s JOIN products p ON p.id = s.product_id"
        " LEFT JOIN scopes c ON c.id = s.id WHERE s.id = %(id)s",
        Permission.OVERVIEW,
        "s.investor_id = %(me)s",
    ),
    Finder(
        "copy",
        "SELECT s.id::text, f.title, s.status AS state, c.correlation_id, s.subscribed_at AS at"
        " FROM flow_subscriptions s JOIN shared_flows f ON f.id = s.flow_id"
        " JOIN legs l ON l.id = s.leg_id JOIN scopes c ON c.id = l.scope_id"
        "  AND c.kind IN ('copy', 'vault') WHERE %(id)s IN (s.id, c.id)",
        Permission.OVERVIEW,
        "s.follower_id = %(me)s",
    ),
    Finder(
        "flow",
        "SELECT id::text, title, status AS state, NULL::uuid AS correlation_id, created_at AS at"
        " FROM shared_flows WHERE id = %(id)s",
        Permission.FLOWS,
    ),
    Finder(
        "signal",
        "SELECT f.id::text, concat_ws(' ', f.title, '#' || s.sequence, s.signal_type) AS title,"
        " s.status AS state, s.id AS correlation_id, s.created_at AS at"
        " FROM trading_signals s JOIN shared_flows f ON f.id = s.flow_id WHERE s.id = %(id)s",
        Permission.OVERVIEW,
        "f.creator_id = %(me)s",
    ),
    Finder(
        "order",
        "SELECT o.id::text, concat_ws(' ', o.venue, o.side, trim_scale(o.quantity), i.symbol)"
        "  AS title, o.status AS state, o.correlation_id, o.created_at AS at"
        " FROM orders o JOIN instruments i ON i.id = o.instrument_id WHERE o.id = %(id)s",
        Permission.AUDIT,
    ),
    Finder(
        "approval",
        "SELECT id::text, concat_ws(' ', kind, subject) AS title, status AS state, correlation_id,"
        " requested_at AS at FROM approvals WHERE id = %(id)s",
        Permission.APPROVALS,
    ),
    Finder("user", _USER + "id = %(id)s", Permission.LEDGER, "id = %(me)s"),
    Finder(
        "holding",
        "SELECT h.id::text, concat_ws(' ', p.name, trim_scale(h.amount), p.asset) AS title,"
        " h.status AS state, NULL::uuid AS correlation_id, h.created_at AS at"
        " FROM pool_holdings h JOIN pool_products p ON p.id = h.product_id WHERE h.id = %(id)s",
        Permission.OVERVIEW,
        "h.user_id = %(me)s",
    ),
    Finder(
        "product",
        "SELECT id::text, concat_ws(' ', profile, term_days || 'd', tier) AS title, NULL AS state,"
        " NULL::uuid AS correlation_id, NULL::timestamptz AS at FROM products WHERE id = %(id)s",
        Permission.PRODUCTS,
    ),
    Finder(
        "pool",
        "SELECT id::text, name AS title, status AS state, NULL::uuid AS correlation_id,"
        " created_at AS at FROM pool_products WHERE id = %(id)s",
        Permission.PRODUCTS,
    ),
    Finder(
        "funding",
        "SELECT id::text, concat_ws(' ', direction, trim_scale(amount), asset) AS title,"
        " status AS state, coalesce(approval_id, id) AS correlation_id, created_at AS at"
        " FROM funding_requests WHERE id = %(id)s",
        Permission.LEDGER,
        "user_id = %(me)s",
    ),
    Finder(
        "backtest",
        "SELECT id::text, strategy AS title, version AS state, NULL::uuid AS correlation_id,"
        " created_at AS at FROM backtests WHERE id = %(id)s",
        Permission.OVERVIEW,
        "created_by = %(actor)s",
    ),
    Finder(
        "study",
        "SELECT id::text, strategy AS title, state, NULL::uuid AS correlation_id, created_at AS at"
        " FROM studies WHERE id = %(id)s",
        Permission.OVERVIEW,
        "asked_by = %(actor)s",
    ),
    Finder(
        "proof",
        "SELECT id::text, asked_by AS title, state, id AS correlation_id, asked_at AS at"
        " FROM proof_runs WHERE id = %(id)s",
        Permission.AUDIT,
    ),
    Finder(
        "schedule",
        "SELECT id::text, name AS title, target AS state, id AS correlation_id, created_at AS at"
        " FROM schedules WHERE id = %(id)s",
        Permission.OVERVIEW,
    ),
)
"""What has a UUID."""

BY_NUMBER: Final = (
    Finder("journal", _JOURNAL + "id = %(id)s", Permission.LEDGER),
    Finder(
        "account",
        "SELECT id::text, concat_ws(' ', kind, asset) AS title, owner_kind AS state,"
        " NULL::uuid AS correlation_id, last_posted_at AS at FROM accounts WHERE id = %(id)s",
        Permission.LEDGER,
    ),
)
BY_NAME: Final = (
    Finder("journal", _JOURNAL + "key = %(id)s", Permission.LEDGER),
    Finder("user", _USER + "username = %(id)s", Permission.LEDGER, "id = %(me)s"),
    Finder(
        "strategy",
        "SELECT name AS id, name AS title, status AS state, NULL::uuid AS correlation_id,"
        " created_at AS at FROM strategies WHERE name = %(id)s",
        Permission.OVERVIEW,
        "(owner_id = %(me)s OR owner_id IS NULL AND status <> 'draft')",
    ),
)
KINDS: Final = tuple(dict.fromkeys(one.kind for one in (*BY_UUID, *BY_NUMBER, *BY_NAME)))


@on_wire
@dataclass(frozen=True, slots=True)
class Named:
    """One thing of that name."""

    id: Annotated[str, Field(description="Where it is looked up: of a signal, its flow.")]
    title: str
    state: str | None
    correlation_id: UUID | None
    at: datetime | None


@on_wire
@dataclass(frozen=True, slots=True)
class Found(Named):
    kind: Annotated[str, one_of(KINDS)]


def find_all(tx: Tx, name: str, who: Principal) -> Iterator[Found]:
    """Everything that is called this and that they may see: a UUID, a number, a journal's key, a
    username or a strategy's name. Auditors may see all."""
    asked: UUID | int | str = name
    finders: Sequence[Finder] = BY_NAME
    if name.isascii() and name.isdigit() and len(name) < 19:
        asked, finders = int(name), BY_NUMBER
    else:
        with suppress(ValueError):
            asked, finders = UUID(name), BY_UUID
    values = {"id": asked, "me": who.user_id, "actor": who.actor}
    for one in finders:
        query = one.query
        if not (who.may(one.seen_by) or who.may(Permission.AUDIT)):
            if one.mine is None:
                continue
            query += " AND " + one.mine
        found = first(tx, Named, query, values)
        if found is not None:
            yield Found(
                found.id, found.title, found.state, found.correlation_id, found.at, one.kind
            )

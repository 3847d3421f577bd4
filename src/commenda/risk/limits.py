"""Set limits: tighter by one person and at once, looser by two.

What is asked for is found good first: its level, subject and asset are there. A new limit, a
smaller amount or a stronger effect acts at once; whatever lets more through waits for a second
person and changes nothing until then. When it is approved, it is carried out only if the limit is
still the one that was to be loosened.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated, Any, LiteralString
from uuid import UUID

from pydantic import Field

from commenda.audit import record
from commenda.identity import Approval, Changed, Principal, request_approval, waiting_for
from commenda.kit import ids
from commenda.kit.db import Tx
from commenda.kit.errors import CommendaError, conflict, unknown
from commenda.kit.rows import put
from commenda.kit.wire import on_wire, one_of, wire
from commenda.ledger import Author
from commenda.risk.model import EACH, RULES, Level, Limit, LimitOrder, Terms
from commenda.risk.queries import limit_at, limit_by_id, lock
from commenda.risk.rules import MONEY, looser, said, same, terms_of

LOOSER = "risk.limit"
"""The kind of the request for a limit that lets more through, or for the end of one."""


@on_wire
@dataclass(frozen=True, slots=True)
class LimitAnswer:
    """What came of a limit that was asked for."""

    status: Annotated[
        str,
        one_of(["in_force", "requested"]),
        Field(description="requested: it waits for a second person, and nothing has changed."),
    ]
    limit: Annotated[Limit | None, Field(description="What is in force now.")]
    approval_id: UUID | None = None


def order_limit(tx: Tx, principal: Principal, order: LimitOrder, now: datetime) -> LimitAnswer:
    """Set a limit, or ask a second person where that lets more through than is let now.

    Codes: those of `terms_of` and `find_place`, and `limit_asked_for` where another change of the
    same limit waits already.
    """
    terms = find_place(tx, terms_of(order))
    lock(tx)
    before = limit_at(tx, terms.place)
    if before is None or not looser(before, terms):
        author = Author(principal.actor, RULES, now)
        return LimitAnswer("in_force", put_limit(tx, author, terms, before, order.reason))
    named = ":".join(part for part in terms.place if part)
    if (waits := waiting_for(tx, LOOSER, named, now)) is not None:
        raise conflict("limit_asked_for", "Another change of this limit waits already").at(
            "approvalId", waits.id, "have it decided first"
        )
    payload = {
        **wire(order),
        "subject": terms.subject,
        "asset": terms.asset,
        "limitId": str(before.id),
    }
    correlation = ids.derive("risk-limit", named)
    about = [before.id, *filter(None, [terms.subject])]
    asked = request_approval(tx, principal, LOOSER, named, payload, correlation, now, about=about)
    return LimitAnswer("requested", before, asked.id)


def tighten(tx: Tx, author: Author, order: LimitOrder) -> Limit:
    """Set a limit at the machine, where there is no second person to ask: code `takes_two` for one
    that lets more through."""
    terms = find_place(tx, terms_of(order))
    lock(tx)
    before = limit_at(tx, terms.place)
    if before is not None and looser(before, terms):
        raise conflict("takes_two", "This lets more through, which takes two people").at(
            "amount", order.amount, "ask for it in the console, and have somebody else approve it"
        )
    limit = put_limit(tx, author, terms, before, order.reason)
    assert limit is not None, "the end of a limit takes two"
    return limit


def put_limit(
    tx: Tx,
    author: Author,
    terms: Terms,
    before: Limit | None,
    reason: str,
    approval_id: UUID | None = None,
) -> Limit | None:
    """End the limit that is in force there, and set the one that follows it; None for its end.

    The caller holds the lock. Code `unknown_limit` where there is none to end.
    """
    if before is None and terms.amount is None:
        raise unknown("limit", None, "amount", "give an amount: there is no limit to end here")
    if before is not None:
        if same(before, terms):
            return before
        ended_for = approval_id if terms.amount is None else None
        tx.execute(
            "UPDATE risk_limits SET ended_at = %s, ended_by = %s, end_approval_id = %s"
            " WHERE id = %s",
            (author.now, author.actor, ended_for, before.id),
        )
    row = tx.execute(
        "SELECT coalesce(max(version), 0) + 1 FROM risk_limits"
        " WHERE (level, subject, measure) = (%s, %s, %s) AND asset IS NOT DISTINCT FROM %s",
        terms.place,
    ).fetchone()
    assert row is not None
    about = before.id if before is not None else ids.derive("risk-limit", *terms.place, row[0])
    if terms.amount is not None:
        about = ids.derive("risk-limit", *terms.place, row[0])
        put(
            tx,
            "INSERT INTO risk_limits",
            {"id": about, "level": terms.level, "subject": terms.subject}
            | {"measure": terms.measure, "asset": terms.asset, "amount": terms.amount}
            | {"effect": terms.effect, "resets_at": terms.resets_at}
            | {"cooldown_seconds": terms.cooldown_seconds, "version": row[0]}
            | {"valid_from": author.now, "set_by": author.actor}
            | {"approval_id": approval_id, "reason": reason},
        )
    what = "ended" if terms.amount is None else "set"
    details: dict[str, Any] = {
        "level": terms.level,
        "subject": terms.subject,
        "measure": terms.measure,
        "asset": terms.asset,
        "before": said(before),
        "after": said(terms),
        "reason": reason,
        "approval": approval_id and str(approval_id),
    }
    correlation = ids.derive("risk-limit", ":".join(part for part in terms.place if part))
    record(tx, [author.event(f"risk.limit_{what}", about, correlation, what, details)])
    return None if terms.amount is None else limit_by_id(tx, about)


# --- What two people decide ------------------------------------------------------------------


def limit_changes(tx: Tx, asked: Approval) -> list[Changed]:
    """A limit as it is, and as it would be; nothing of one that ends."""
    terms = _asked_for(asked)
    called = {
        "level": terms.level,
        "subject": subject_name(tx, terms),
        "measure": terms.measure,
        "asset": terms.asset,
    }
    before = said(limit_at(tx, terms.place))
    after = dict.fromkeys(before) | dict(said(terms))
    return [Changed("limit", asked.payload["limitId"], called, before, after)]


def carry_out_limit(tx: Tx, author: Author, asked: Approval) -> dict[str, Any]:
    """Loosen or end a limit, as somebody asked and somebody else approved; code `limit_changed`
    where another one has followed it meanwhile."""
    terms = _asked_for(asked)
    lock(tx)
    before = limit_at(tx, terms.place)
    if before is None or str(before.id) != asked.payload["limitId"]:
        raise conflict("limit_changed", "This limit was changed since it was asked for").at(
            "limitId", asked.payload["limitId"], "reject this, and ask anew"
        )
    author = replace(author, rule_version=RULES)
    limit = put_limit(tx, author, terms, before, asked.payload["reason"], asked.id)
    return {"limitId": str(before.id if limit is None else limit.id)}


def _asked_for(asked: Approval) -> Terms:
    given = {name: value for name, value in asked.payload.items() if name != "limitId"}
    return terms_of(LimitOrder.model_validate(given))


# --- What a limit is of ----------------------------------------------------------------------


def find_place(tx: Tx, terms: Terms) -> Terms:
    """The terms with their subject as it is stored, and the asset that they count in.

    Codes `unknown_<level>` for a subject that is not there, `unknown_asset`, and `asset_needed`
    where it has to do with several.
    """
    if terms.level is not Level.PLATFORM and terms.subject != EACH:
        row = tx.execute(_FOUND[terms.level], {"subject": terms.subject}).fetchone()
        if row is None:
            mend = f"give the {terms.level}'s {_NAMED[terms.level]}, or * for each of them"
            raise unknown(terms.level, terms.subject, "subject", mend)
        terms = replace(terms, subject=str(row[0]))
    if terms.measure not in MONEY:
        return terms
    values = {"level": terms.level, "subject": terms.subject, "asset": terms.asset}
    if terms.asset is not None:
        if tx.execute(_TRADED, values).fetchone() is None:
            raise unknown("asset", terms.asset, "asset", "give one that instruments are quoted in")
        return terms
    assets = [row[0] for row in tx.execute(_ASSETS, values)]
    if len(assets) != 1:
        raise CommendaError("asset_needed", "Money of which asset is not clear here").at(
            "asset", None, "give one: " + ", ".join(assets) if assets else "give one"
        )
    return replace(terms, asset=assets[0])


def subject_name(tx: Tx, of: Terms | Limit) -> str:
    """What people know the subject of a limit by."""
    if of.level not in _CALLED or of.subject == EACH:
        return of.subject
    row = tx.execute(_CALLED[Level(of.level)], {"subject": of.subject}).fetchone()
    return of.subject if row is None or row[0] is None else str(row[0])


# A subject is text: what is no number or id of its kind is found nowhere.
_FOUND: dict[Level, LiteralString] = {
    Level.VENUE: (
        "SELECT %(subject)s WHERE %(subject)s = 'paper'"
        " OR EXISTS (SELECT FROM shared_flows WHERE venue = %(subject)s)"
        " OR EXISTS (SELECT FROM legs WHERE venue = %(subject)s)"
        " OR EXISTS (SELECT FROM venue_keys WHERE account = %(subject)s AND state = 'active')"
    ),
    Level.INSTRUMENT: "SELECT id FROM instruments WHERE id::text = %(subject)s",
    Level.STRATEGY: (
        "SELECT %(subject)s WHERE EXISTS (SELECT FROM strategies WHERE name = %(subject)s)"
        " OR EXISTS (SELECT FROM shared_flows WHERE strategy = %(subject)s)"
    ),
    Level.FLOW: "SELECT id FROM shared_flows WHERE id::text = lower(%(subject)s)",
    Level.CREATOR: (
        "SELECT id FROM users WHERE id::text = lower(%(subject)s) AND role = 'creator'"
    ),
    Level.SCOPE: "SELECT id FROM scopes WHERE id::text = lower(%(subject)s) AND closed_at IS NULL",
}
_NAMED = {
    Level.VENUE: "account",
    Level.INSTRUMENT: "number",
    Level.STRATEGY: "name",
    Level.FLOW: "id",
    Level.CREATOR: "id",
    Level.SCOPE: "id",
}
_CALLED: dict[Level, LiteralString] = {
    Level.INSTRUMENT: "SELECT symbol FROM instruments WHERE id = %(subject)s::smallint",
    Level.FLOW: "SELECT title FROM shared_flows WHERE id = %(subject)s::uuid",
    Level.CREATOR: "SELECT name_of(%(subject)s::uuid)",
    Level.SCOPE: "SELECT name_of(owner_id) FROM scopes WHERE id = %(subject)s::uuid",
}
_TRADED: LiteralString = "SELECT FROM instruments WHERE quote = %(asset)s LIMIT 1"
_ASSETS: LiteralString = (
    "SELECT DISTINCT i.quote FROM instruments i LEFT JOIN shared_flows f ON f.instrument_id = i.id"
    " WHERE CASE WHEN %(level)s = 'instrument' AND %(subject)s <> '*' THEN i.id::text = %(subject)s"
    "  WHEN %(level)s = 'scope' AND %(subject)s <> '*'"
    "   THEN i.quote = (SELECT asset FROM scopes WHERE id::text = %(subject)s)"
    "  WHEN f.id IS NULL THEN false WHEN %(subject)s IN ('', '*') THEN true"
    "  ELSE CASE %(level)s WHEN 'venue' THEN f.venue WHEN 'strategy' THEN f.strategy"
    "   WHEN 'flow' THEN f.id::text ELSE f.creator_id::text END = %(subject)s END ORDER BY 1"
)

"""Sessions: one for each sign-in, kept alive by refresh tokens that are used once.

A refresh token is random, stored as its digest, and exchanged for the next one at each refresh. A
used one that comes again means that two parties hold it: the session ends. Within GRACE of its
first use it is only refused (`refresh_superseded`), because two tabs of one browser may refresh at
once; the second one gets nothing either, so a thief gains nothing by being quick. A session ends 30
days after its last refresh, 90 days after it was opened at the latest.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Annotated
from uuid import UUID

from psycopg.rows import class_row
from pydantic import Field

from commenda.identity.model import User, UserStatus
from commenda.identity.queries import user_by_id
from commenda.identity.trail import note
from commenda.kit import ids
from commenda.kit.db import Tx
from commenda.kit.errors import CommendaError, conflict
from commenda.kit.rate import neighbourhood
from commenda.kit.times import iso
from commenda.kit.wire import on_wire

LIFETIME = timedelta(days=30)
LONGEST_LIFETIME = timedelta(days=90)
GRACE = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class Client:
    """From where and with what somebody signs in, as far as the request says."""

    address: str = ""
    user_agent: str = ""


@on_wire
@dataclass(frozen=True, slots=True)
class Session:
    """A sign-in that has not ended."""

    id: UUID
    second_factor: bool
    user_agent: str
    address: str
    created_at: datetime
    refreshed_at: datetime
    expires_at: datetime
    current: Annotated[bool, Field(description="Whether it is the one that asks.")]


@dataclass(frozen=True, slots=True)
class Opened:
    """A session and the token that keeps it alive: the only moment it is known."""

    user: User
    session_id: UUID
    second_factor: bool
    refresh_token: str = field(repr=False)


def open_session(
    tx: Tx, user: User, client: Client, now: datetime, *, second_factor: bool
) -> Opened:
    """Open a session for a user who proved to be themselves; from an address or with a program that
    they have not signed in with before, its owner is told."""
    before = _seen(tx, user.id, now)
    place = neighbourhood(client.address), client.user_agent
    token = secrets.token_urlsafe(32)
    digest, address, ends = _digest(token), client.address, now + LIFETIME
    session = ids.derive("session", digest.hex())
    tx.execute(
        "INSERT INTO sessions (id, user_id, refresh_hash, second_factor, user_agent, address,"
        "  created_at, refreshed_at, expires_at) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
        (session, user.id, digest, second_factor, client.user_agent, address, now, now, ends),
    )
    proved = "second factor" if second_factor else "password"
    note(tx, "session.opened", session, proved, user.actor, user.id, now, address=address)
    if before and place not in before:
        said = {"address": address, "userAgent": client.user_agent}
        note(tx, "session.new_device", session, proved, user.actor, user.id, now, **said)
    return Opened(user, session, second_factor, token)


def known_at(tx: Tx, user: UUID, address: str, now: datetime) -> bool:
    """Whether a user has signed in from this address, or this network, lately."""
    place = neighbourhood(address)
    return bool(address) and any(seen == place for seen, _ in _seen(tx, user, now))


def _seen(tx: Tx, user: UUID, now: datetime) -> set[tuple[str, str]]:
    """From where and with what a user has signed in lately."""
    rows = tx.execute(
        "SELECT DISTINCT address, user_agent FROM sessions WHERE user_id = %s AND created_at > %s",
        (user, now - LONGEST_LIFETIME),
    )
    return {(neighbourhood(address), agent) for address, agent in rows}


def refresh(tx: Tx, token: str, now: datetime) -> Opened | CommendaError:
    """Exchange a refresh token for the next one. A refusal is returned: it may end the session.

    Codes: `bad_refresh_token`, and `refresh_superseded` within the grace after its use.
    """
    digest = _digest(token)
    row = tx.execute(
        "SELECT id, user_id, second_factor, created_at, expires_at, ended_at FROM sessions"
        " WHERE refresh_hash = %s FOR UPDATE",
        (digest,),
    ).fetchone()
    if row is None:
        return _not_current(tx, digest, now)
    session, user_id, second_factor, created_at, expires_at, ended_at = row
    user = user_by_id(tx, user_id)
    if ended_at is not None or expires_at <= now or user.status is not UserStatus.ACTIVE:
        return _bad_token("This session has ended")
    following = secrets.token_urlsafe(32)
    tx.execute("INSERT INTO used_refresh_tokens VALUES (%s, %s, %s)", (digest, session, now))
    tx.execute(
        "UPDATE sessions SET refresh_hash = %s, refreshed_at = %s, expires_at = %s WHERE id = %s",
        (_digest(following), now, min(now + LIFETIME, created_at + LONGEST_LIFETIME), session),
    )
    return Opened(user, session, second_factor, following)


def _not_current(tx: Tx, digest: bytes, now: datetime) -> CommendaError:
    """A token that is no session's current one: never issued, or used before."""
    row = tx.execute(
        "SELECT s.id, s.user_id, t.used_at FROM used_refresh_tokens t"
        " JOIN sessions s ON s.id = t.session_id WHERE t.refresh_hash = %s",
        (digest,),
    ).fetchone()
    if row is None:
        return _bad_token("This refresh token is not valid")
    session, user_id, used_at = row
    if now - used_at <= GRACE:
        return conflict("refresh_superseded", "This refresh token was exchanged a moment ago").at(
            "refreshToken", hint="use the token of that exchange"
        )
    if end_session(tx, session, "refresh token used again", now):
        actor, at = user_by_id(tx, user_id).actor, iso(used_at)
        note(tx, "session.token_reused", session, "ended", actor, user_id, now, firstUsedAt=at)
    return _bad_token("This refresh token was used before; its session has ended")


def end_session(
    tx: Tx, session: UUID, reason: str, now: datetime, *, user: UUID | None = None
) -> bool:
    """End one session (of this user, where given); whether it had not ended before."""
    which = "id = %(session)s AND (%(user)s::uuid IS NULL OR user_id = %(user)s)"
    return bool(_end(tx, which, {"session": session, "user": user}, reason, now))


def end_sessions(tx: Tx, user: UUID, reason: str, now: datetime, *, but: UUID | None = None) -> int:
    """End all sessions of a user, except perhaps the present one; how many."""
    which = "user_id = %(user)s AND id IS DISTINCT FROM %(but)s"
    return _end(tx, which, {"user": user, "but": but}, reason, now)


def _end(tx: Tx, which: str, values: dict[str, object], reason: str, now: datetime) -> int:
    ended = tx.execute(
        "UPDATE sessions SET ended_at = %(now)s, end_reason = %(reason)s"  # noqa: S608 - ours
        f" WHERE ended_at IS NULL AND {which} RETURNING id",
        values | {"now": now, "reason": reason},
    ).fetchall()
    if ended:
        # Nothing can be stolen of an ended session any more.
        tx.execute(
            "DELETE FROM used_refresh_tokens WHERE session_id = ANY (%s)",
            ([row[0] for row in ended],),
        )
    return len(ended)


def sessions_of(tx: Tx, user: UUID, present: UUID | None, now: datetime) -> list[Session]:
    """A user's sessions that have not ended, the latest first; `present` is the one that asks."""
    with tx.cursor(row_factory=class_row(Session)) as cursor:
        return cursor.execute(
            "SELECT id, second_factor, user_agent, address, created_at, refreshed_at, expires_at,"
            " id IS NOT DISTINCT FROM %s AS current"
            " FROM sessions WHERE user_id = %s AND ended_at IS NULL AND expires_at > %s"
            " ORDER BY refreshed_at DESC, id LIMIT 200",
            (present, user, now),
        ).fetchall()


def forget_expired(tx: Tx, now: datetime) -> int:
    """Remove the used tokens of sessions that expired; how many."""
    return tx.execute(
        "DELETE FROM used_refresh_tokens t USING sessions s"
        " WHERE s.id = t.session_id AND s.expires_at <= %s",
        (now,),
    ).rowcount


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def _bad_token(message: str) -> CommendaError:
    return CommendaError("bad_refresh_token", message, status=401).at(
        "refreshToken", hint="sign in again"
    )

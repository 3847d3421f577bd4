"""API keys: long-lived credentials of a user for programs, with fewer permissions.

A key is shown once and stored as its digest. It never has ACCOUNT, so it can neither make keys nor
change a password; nor APPROVE, BANK or USERS, for a key can be handed on, and is no second person.
It can do at most what its owner's role allows at the time it is used.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated
from uuid import UUID

from psycopg.rows import class_row
from pydantic import Field

from commenda.identity.bodies import NewKey
from commenda.identity.model import PERMISSIONS, Permission, Principal, Role, User
from commenda.identity.trail import note
from commenda.kit import ids
from commenda.kit.db import Tx
from commenda.kit.errors import CommendaError, conflict, not_found
from commenda.kit.times import iso
from commenda.kit.wire import on_wire, one_of

PREFIX = "ck_"
MOST_KEYS = 50
_OF_A_PERSON = frozenset(
    {Permission.ACCOUNT, Permission.APPROVE, Permission.BANK, Permission.USERS}
)


@on_wire
@dataclass(frozen=True, slots=True)
class ApiKey:
    """What is known of a key: everything but the key."""

    id: UUID
    name: str
    scopes: list[Annotated[str, one_of(Permission)]]
    created_at: datetime
    expires_at: datetime | None


@on_wire
@dataclass(frozen=True, slots=True)
class MadeKey(ApiKey):
    """A key and its secret, which nobody sees again."""

    secret: Annotated[
        str,
        Field(
            description="Shown once; sent as X-API-Key, or as a bearer token.", examples=["ck_…"]
        ),
    ] = field(repr=False)


def principal_of_key(tx: Tx, secret: str) -> Principal | None:
    """Whom a key speaks for, if it stands and its owner may still come in."""
    row = tx.execute(
        "SELECT u.id, u.role, k.scopes, k.second_factor AND u.totp_confirmed"
        " FROM api_keys k JOIN users u ON u.id = k.user_id"
        " WHERE k.secret_hash = %s AND k.revoked_at IS NULL AND u.status = 'active'"
        "  AND (k.expires_at IS NULL OR k.expires_at > clock_timestamp())",
        (_digest(secret),),
    ).fetchone()
    if row is None:
        return None
    user_id, role, scopes, second_factor = row
    permitted = grantable(PERMISSIONS[role]) & frozenset(scopes)
    return Principal(user_id, Role(role), permitted, None, second_factor)


def grantable(permissions: Collection[Permission]) -> frozenset[Permission]:
    """What a key may be given of these: neither one's account nor what takes a person, there."""
    return frozenset(permissions) - _OF_A_PERSON


def create_key(tx: Tx, owner: User, maker: Principal, wanted: NewKey, now: datetime) -> MadeKey:
    """Make a key with some of its maker's permissions.

    Codes: `scope_not_held`, `bad_expiry`, `too_many_keys`, `key_name_taken`. The owner is locked.
    """
    name, scopes, expires_at = wanted.name, sorted(set(wanted.scopes)), wanted.expires_at
    beyond = sorted(set(scopes) - grantable(maker.permissions))
    if beyond:
        raise CommendaError(
            "scope_not_held",
            "A key has some of its maker's permissions, never " + ", ".join(sorted(_OF_A_PERSON)),
        ).at("scopes", ", ".join(beyond), "leave these out")
    if expires_at is not None and expires_at <= now:
        raise CommendaError("bad_expiry", "A key expires in the future").at(
            "expiresAt", iso(expires_at), "choose a later moment, or none"
        )
    held = keys_of(tx, owner.id)
    if len(held) >= MOST_KEYS:
        raise CommendaError(
            "too_many_keys",
            f"A user has at most {MOST_KEYS} keys",
            hint="revoke one that is not used any more",
        )
    if name in [one.name for one in held]:
        raise conflict("key_name_taken", "A key of this name stands already").at(
            "name", name, "give it a name of its own, or revoke the other"
        )
    secret = PREFIX + secrets.token_urlsafe(32)
    key_id = ids.derive("api-key", _digest(secret).hex())
    tx.execute(
        "INSERT INTO api_keys (id, user_id, name, secret_hash, scopes, second_factor, created_at,"
        "  expires_at) VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
        (key_id, owner.id, name, _digest(secret), scopes, maker.second_factor, now, expires_at),
    )
    until = iso(expires_at) if expires_at else None
    made = {"name": name, "scopes": scopes, "secondFactor": maker.second_factor, "expiresAt": until}
    note(tx, "api_key", key_id, "created", owner.actor, owner.id, now, **made)
    return MadeKey(key_id, name, [*scopes], now, expires_at, secret)


def keys_of(tx: Tx, user: UUID) -> list[ApiKey]:
    """A user's keys that were not revoked, by name."""
    with tx.cursor(row_factory=class_row(ApiKey)) as cursor:
        return cursor.execute(
            "SELECT id, name, scopes, created_at, expires_at FROM api_keys"
            " WHERE user_id = %s AND revoked_at IS NULL ORDER BY name",
            (user,),
        ).fetchall()


def revoke_key(tx: Tx, owner: User, key: UUID, now: datetime) -> None:
    """Revoke a key of one's own; code `unknown_api_key`."""
    revoked = tx.execute(
        "UPDATE api_keys SET revoked_at = %s WHERE id = %s AND user_id = %s AND revoked_at IS NULL",
        (now, key, owner.id),
    ).rowcount
    if not revoked:
        raise not_found("unknown_api_key", "There is no such key").at(
            "id", key, "choose one of your listed keys"
        )
    note(tx, "api_key", key, "revoked", owner.actor, owner.id, now)


def revoke_keys(tx: Tx, owner: User, now: datetime, *, actor: str) -> None:
    """Revoke all of a user's keys, for good."""
    revoked = tx.execute(
        "UPDATE api_keys SET revoked_at = %s WHERE user_id = %s AND revoked_at IS NULL"
        " RETURNING id",
        (now, owner.id),
    ).fetchall()
    for (key,) in revoked:
        note(tx, "api_key", key, "revoked", actor, owner.id, now)


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()

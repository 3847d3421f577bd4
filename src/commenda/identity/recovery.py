"""Recovery codes: what stands in for the second factor when it is lost, each of them once.

Ten of 80 random bits, shown when they are made and stored as digests; new ones replace all before.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from datetime import datetime
from uuid import UUID

from commenda.identity.model import User
from commenda.identity.trail import note
from commenda.kit.db import Tx

HOW_MANY = 10


def make_codes(tx: Tx, user: User, now: datetime) -> list[str]:
    """New codes in place of all that were before, as people write them: abcd-efgh-ijkl-mnop."""
    codes = [base64.b32encode(secrets.token_bytes(10)).decode().lower() for _ in range(HOW_MANY)]
    forget(tx, user.id)
    tx.execute(
        "INSERT INTO recovery_codes (code_hash, user_id, made_at)"
        " SELECT code, %s, %s FROM unnest(%s::bytea[]) AS n (code)",
        (user.id, now, [_digest(user.id, code) for code in codes]),
    )
    note(tx, "recovery_codes", user.id, "made", user.actor, user.id, now)
    return ["-".join(code[at : at + 4] for at in range(0, 16, 4)) for code in codes]


def take_recovery_code(tx: Tx, user: User, code: str, now: datetime) -> bool:
    """Whether this is one of a user's codes and was not taken before; taken now, if so."""
    taken = tx.execute(
        "UPDATE recovery_codes SET used_at = %s"
        " WHERE code_hash = %s AND user_id = %s AND used_at IS NULL",
        (now, _digest(user.id, code), user.id),
    ).rowcount
    if taken:
        note(tx, "recovery_codes", user.id, "used", user.actor, user.id, now)
    return bool(taken)


def forget(tx: Tx, user: UUID) -> None:
    """No code of theirs counts any more."""
    tx.execute("DELETE FROM recovery_codes WHERE user_id = %s", (user,))


def _digest(user: UUID, code: str) -> bytes:
    plain = code.replace("-", "").replace(" ", "").lower()
    return hashlib.sha256(user.bytes + plain.encode("utf-8", "surrogatepass")).digest()

"""Sign in, and prove again who one is: what guards against guessing.

Each of these is charged to the throttle in a transaction of its own, then looked at outside of any
(a password takes 40 ms), then concluded in another. Every refusal of a sign-in looks the same.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from uuid import UUID

from commenda.identity import passwords, second_factor, throttle
from commenda.identity.actions import USERNAME, set_password
from commenda.identity.bodies import Credentials
from commenda.identity.model import Principal, User, UserStatus
from commenda.identity.queries import find_user, locked_user, password_hash, user_by_id
from commenda.identity.sessions import Client, Opened, open_session
from commenda.identity.trail import note
from commenda.kit import ids
from commenda.kit.db import Database, Tx
from commenda.kit.errors import CommendaError
from commenda.kit.keys import Keys


def sign_in(
    database: Database, keys: Keys, given: Credentials, client: Client, now: datetime
) -> Opened:
    """Open a session. Codes: `bad_credentials`, `second_factor_needed`, `too_many_requests`."""
    name = given.username.strip().lower()
    tried = throttle.by_name(name)
    charged = [tried, *([throttle.by_address(client.address)] if client.address else [])]
    with database.transaction() as tx:
        throttle.charge(tx, charged, now)
        user = find_user(tx, name) if USERNAME.fullmatch(name) else None
        stored = password_hash(tx, user.id) if user else None
    verdict = passwords.verify(given.password.get_secret_value(), stored)
    with database.transaction() as tx:
        if user is not None:
            user = locked_user(tx, user.id)
        refusal = _refusal(tx, keys, user, stored, verdict, given.totp_code, now)
        if refusal is None and user is not None:
            throttle.take_back(tx, [one for one in charged if one != tried])
            throttle.clear(tx, tried)
            if verdict.new_hash is not None:
                tx.execute(
                    "UPDATE users SET password_hash = %s WHERE id = %s", (verdict.new_hash, user.id)
                )
            return open_session(tx, user, client, now, second_factor=user.second_factor)
        if refusal == "code missing":
            # The next step of a sign-in, not a failure; nor a success, which would clear guesses.
            throttle.take_back(tx, charged)
        else:
            _note_failure(tx, user, refusal or "", client, now)
    if refusal == "code missing":
        raise CommendaError(
            "second_factor_needed", "This user signs in with a second factor", status=401
        ).at("totpCode", hint="send the present code of the authenticator as totpCode")
    raise CommendaError(
        "bad_credentials",
        "The username, the password or the code is not right",
        hint="check all of them; a code is taken once",
        status=401,
    )


def _refusal(
    tx: Tx,
    keys: Keys,
    user: User | None,
    stored: str | None,
    verdict: passwords.Verdict,
    code: str | None,
    now: datetime,
) -> str | None:
    """Why not, for the audit log only."""
    if user is None:
        return "unknown user"
    if not verdict.right or password_hash(tx, user.id) != stored:
        return "wrong password"
    if user.status is not UserStatus.ACTIVE:
        return "disabled"
    if not user.second_factor:
        return None
    if code is None:
        return "code missing"
    return None if second_factor.take_code(tx, keys, user.id, code, now) else "wrong code"


def _note_failure(tx: Tx, user: User | None, why: str, client: Client, now: datetime) -> None:
    # The name of nobody is not recorded: it may be a password in the wrong field.
    subject, actor, about = (
        (user.id, user.actor, user.id)
        if user
        else ("nobody", "nobody", ids.derive("sign-in", client.address))
    )
    note(tx, "sign_in.refused", subject, why, actor, about, now, address=client.address)


def change_password(
    database: Database, who: Principal, current: str, new: str, now: datetime
) -> None:
    """Change one's own password; other sessions end.

    Codes: `wrong_password`, `weak_password`, `too_many_requests`.
    """
    with database.transaction() as tx:
        username = user_by_id(tx, who.user_id).username
    passwords.require_good(new, username)  # before anything is charged
    stored = _charged(database, who.user_id, now)
    verdict = passwords.verify(current, stored)
    if not verdict.right:
        raise CommendaError("wrong_password", "This is not your present password").at("current")
    new_hash = passwords.hash_of(new)
    with database.transaction() as tx:
        user = locked_user(tx, who.user_id)
        if password_hash(tx, user.id) != stored:
            raise CommendaError("wrong_password", "The password was just changed").at("current")
        throttle.clear(tx, throttle.by_user(user.id))
        set_password(tx, user, new_hash, now, actor=who.actor, but=who.session_id)


def confirm_second_factor(
    database: Database, keys: Keys, who: Principal, client: Client, code: str, now: datetime
) -> Opened:
    """Confirm a set-up by its first code. Codes: `wrong_code`, `unknown_second_factor`, …"""
    _charged(database, who.user_id, now)
    with database.transaction() as tx:
        user = locked_user(tx, who.user_id)
        opened = second_factor.confirm(tx, keys, user, who.session_id, client, code, now)
        if opened is None:
            raise _wrong_code()
        throttle.clear(tx, throttle.by_user(user.id))
        return replace(opened, user=user_by_id(tx, user.id))


def remove_second_factor(
    database: Database, keys: Keys, who: Principal, code: str, now: datetime
) -> None:
    """Remove one's second factor by one of its codes; every session ends."""
    _charged(database, who.user_id, now)
    with database.transaction() as tx:
        user = locked_user(tx, who.user_id)
        if not second_factor.remove(tx, keys, user, code, now):
            raise _wrong_code()
        throttle.clear(tx, throttle.by_user(user.id))


def _charged(database: Database, user_id: UUID, now: datetime) -> str | None:
    with database.transaction() as tx:
        throttle.charge(tx, [throttle.by_user(user_id)], now)
        return password_hash(tx, user_id)


def _wrong_code() -> CommendaError:
    return CommendaError("wrong_code", "This code is not right, or was taken already").at(
        "code", hint="wait for the next code of the authenticator"
    )

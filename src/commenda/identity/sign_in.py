"""Sign in, and prove again who one is: what guards against guessing.

Each of these is charged to the throttle in a transaction of its own, then looked at outside of any
(a password takes 40 ms), then concluded in another. Every refusal of a sign-in looks the same.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from commenda.identity import passwords, recovery, second_factor, throttle
from commenda.identity.actions import USERNAME, set_password
from commenda.identity.api_keys import revoke_keys
from commenda.identity.bodies import Credentials, NewPassword, Proving
from commenda.identity.model import Principal, User, UserStatus
from commenda.identity.queries import find_user, locked_user, password_hash, user_by_id
from commenda.identity.second_factor import Factor
from commenda.identity.sessions import Client, Opened, end_sessions, known_at, open_session
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
    with database.transaction() as tx:
        user = find_user(tx, name) if USERNAME.fullmatch(name) else None
        # Strangers' guesses are counted together, and apart from those of where the owner has been:
        # they cannot lock the owner out.
        known = user is not None and known_at(tx, user.id, client.address, now)
        tried = throttle.by_name_at(name, client.address) if known else throttle.by_name(name)
        charged = [tried, *([throttle.by_address(client.address)] if client.address else [])]
        throttle.charge(tx, charged, now)
        stored = password_hash(tx, user.id) if user else None
    verdict = passwords.verify(given.password.get_secret_value(), stored)
    with database.transaction() as tx:
        if user is not None:
            user = locked_user(tx, user.id)
        refusal = _refusal(tx, keys, user, stored, verdict, given.factor, now)
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
        raise _factor_needed()
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
    shown: Factor,
    now: datetime,
) -> str | None:
    """Why not, for the audit log only."""
    if user is None:
        return "unknown user"
    if not verdict.right or password_hash(tx, user.id) != stored:
        return "wrong password"
    if user.status is not UserStatus.ACTIVE:
        return str(user.status)
    if not user.second_factor:
        return None
    if shown.missing:
        return "code missing"
    return None if second_factor.take(tx, keys, user, shown, now) else "wrong code"


def _note_failure(tx: Tx, user: User | None, why: str, client: Client, now: datetime) -> None:
    # The name of nobody is not recorded: it may be a password in the wrong field.
    subject, actor, about = (
        (user.id, user.actor, user.id)
        if user
        else ("nobody", "nobody", ids.derive("sign-in", client.address))
    )
    note(tx, "sign_in.refused", subject, why, actor, about, now, address=client.address)


# --- Whoever holds an access token proves who they are -----------------------------------------


def prove(database: Database, keys: Keys, who: Principal, given: Proving, now: datetime) -> None:
    """Hold a password, and the second factor where there is one, against those of who asks.

    Codes: `wrong_password`, `second_factor_needed`, `wrong_code`, `too_many_requests`.
    """
    with database.transaction() as tx:
        throttle.charge(tx, [throttle.by_user(who.user_id)], now)
        stored = password_hash(tx, who.user_id)
    verdict = passwords.verify(given.password.get_secret_value(), stored)
    with database.transaction() as tx:
        user = locked_user(tx, who.user_id)
        if not verdict.right or password_hash(tx, user.id) != stored:
            raise CommendaError("wrong_password", "This is not your present password").at(
                "password", hint="give the one that you sign in with"
            )
        if user.second_factor and given.factor.missing:
            throttle.take_back(tx, [throttle.by_user(user.id)])  # the next step, not a failure
        elif user.second_factor and not second_factor.take(tx, keys, user, given.factor, now):
            raise _wrong_code()
        else:
            throttle.clear(tx, throttle.by_user(user.id))
            return
    raise _factor_needed()


def change_password(
    database: Database, keys: Keys, who: Principal, wanted: NewPassword, now: datetime
) -> None:
    """Change one's own password; other sessions end, and API keys are revoked if wanted.

    Codes: `weak_password` and those of `prove`.
    """
    new = wanted.new.get_secret_value()
    with database.transaction() as tx:
        username = user_by_id(tx, who.user_id).username
    passwords.require_good(new, username)  # before anything is charged
    prove(database, keys, who, wanted.proving, now)
    new_hash = passwords.hash_of(new)
    with database.transaction() as tx:
        user = locked_user(tx, who.user_id)
        set_password(tx, user, new_hash, now, actor=who.actor, but=who.session_id)
        if wanted.revoke_keys:
            revoke_keys(tx, user, now, actor=who.actor)


def confirm_second_factor(
    database: Database, keys: Keys, who: Principal, client: Client, code: str, now: datetime
) -> tuple[Opened, list[str]]:
    """Confirm a set-up by its first code: a new session with it, and recovery codes.

    Every other session ends, the present one too: whoever holds its tokens is not lifted with it.
    Codes `wrong_code`, `unknown_second_factor`, `too_many_requests`.
    """
    with database.transaction() as tx:
        throttle.charge(tx, [throttle.by_user(who.user_id)], now)
    with database.transaction() as tx:
        user = locked_user(tx, who.user_id)
        if not second_factor.confirm(tx, keys, user, code, now):
            raise _wrong_code()
        throttle.clear(tx, throttle.by_user(user.id))
        end_sessions(tx, user.id, "second factor confirmed", now)
        opened = open_session(tx, user, client, now, second_factor=True)
        codes = recovery.make_codes(tx, user, now)
        return replace(opened, user=user_by_id(tx, user.id)), codes


def _factor_needed() -> CommendaError:
    return CommendaError(
        "second_factor_needed", "This user signs in with a second factor", status=401
    ).at("totpCode", hint="send the authenticator's present code as totpCode, or a recoveryCode")


def _wrong_code() -> CommendaError:
    return CommendaError("wrong_code", "This code is not right, or was taken already").at(
        "code", hint="wait for the next code of the authenticator"
    )

"""Adding, trying and removing accounts at exchanges.

A key that trades real money takes two people: one of the staff adds it, another approves. It is
tried before it is stored, so that one that may take money out never is. Whoever sits at the machine
needs no second person, as with accounts of the staff: the others are told.
"""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from commenda.alerts import raise_alerts
from commenda.audit import record
from commenda.identity import Approval, Changed, Principal, request_approval, take_back
from commenda.kit import ids
from commenda.kit.db import Tx
from commenda.kit.errors import CommendaError, conflict, unknown
from commenda.kit.keys import Keys
from commenda.kit.rows import put
from commenda.ledger import Author
from commenda.market import Instrument
from commenda.venues.desk import Desk
from commenda.venues.keys import (
    KeyState,
    Secret,
    VenueKey,
    key_by_id,
    key_of,
    known_account,
    open_key,
    write_checks,
)
from commenda.venues.reach import contracts_of
from commenda.venues.rows import VENUES, known_venue
from commenda.venues.trial import Outcome, VenueCheck, try_account

NEW_KEY: Final = "venues.key"
RULES: Final = "venues/1"


def require_keyed(account: str) -> None:
    """Code `unknown_venue` for an account of a venue that takes no key."""
    if not known_venue(account).keyed or ":" not in account:
        keyed = " or ".join(f"{one.name}:NAME" for one in VENUES if one.keyed)
        raise unknown("venue", account, "account", f"name it {keyed}")


def require_account(tx: Tx, account: str) -> str | None:
    """The market whose instruments are traded at an account; None for any.

    Codes `unknown_venue`, `unknown_venue_account` for one whose key does not count.
    """
    row = known_venue(account)
    if not row.keyed:
        return None
    if key_of(tx, account, KeyState.ACTIVE) is None:
        raise unknown("venue_account", account, "venue", "choose one whose key counts")
    return row.name


def try_secret(
    account: str, secret: Secret, address: str | None, contracts: list[Instrument]
) -> list[VenueCheck]:
    """Try a key at its exchange; takes seconds, so no transaction is open meanwhile.

    Codes `no_address` for an account at a simulator that is not said to be anywhere;
    `passphrase_missing` where the exchange asks for one, `passphrase_unasked` where it does not.
    """
    row = known_venue(account)
    if row.passphrase and not secret.passphrase:
        raise CommendaError("passphrase_missing", "This exchange asks for a passphrase, too").at(
            "passphrase", hint="give the one that was chosen when the key was made there"
        )
    if secret.passphrase and not row.passphrase:
        raise CommendaError("passphrase_unasked", "This exchange asks for no passphrase").at(
            "passphrase", hint="leave it out"
        )
    if row.ours and address is None:
        raise CommendaError("no_address", "A simulator has no address of its own").at(
            "address", None, "say where it listens, such as http://127.0.0.1:8900"
        )
    spoken = row.dialect
    assert spoken is not None, "an account that has a key is at an exchange"
    dialect = spoken()
    desk = Desk(secret.client(dialect, address), dialect)
    return try_account(desk, contracts)


def add_key(
    tx: Tx,
    keys: Keys,
    account: str,
    address: str | None,
    secret: Secret,
    checks: list[VenueCheck],
    author: Author,
    principal: Principal | None,
) -> VenueKey:
    """Seal a key that was tried; with a principal it waits for somebody else's approval.

    Codes `unknown_venue`, `key_waits` where another one does, `account_moved` where the account is
    at another address: its books are not of two exchanges.
    """
    require_keyed(account)
    tx.execute("SELECT pg_advisory_xact_lock(13, hashtext(%s))", (account,))
    if (waiting := key_of(tx, account, KeyState.WAITING)) is not None:
        raise conflict("key_waits", "Another key of this account waits for approval").at(
            "account", account, f"decide the request {waiting.approval_id}, or remove the key"
        )
    _require_same_place(tx, account, address)
    count = tx.execute("SELECT count(*) FROM venue_keys WHERE account = %s", (account,)).fetchone()
    assert count is not None
    key_id = ids.derive("venue-key", account, count[0])
    row = {"id": key_id, "account": account, "address": address, "hint": secret.hint}
    row |= {"sealed": secret.sealed(keys, key_id), "state": KeyState.WAITING}
    put(tx, "INSERT INTO venue_keys", row | {"added_by": author.actor, "added_at": author.now})
    write_checks(tx, key_id, checks, author.now)
    added = key_by_id(tx, key_id)
    _note(tx, author, "added", added)
    if principal is None:
        _activate(tx, author, added)
        _tell_staff(tx, author, added)
    else:
        asked = request_approval(
            tx, principal, NEW_KEY, account, _about(added), key_id, author.now, about=[key_id]
        )
        tx.execute("UPDATE venue_keys SET approval_id = %s WHERE id = %s", (asked.id, key_id))
    return key_by_id(tx, key_id)


def _require_same_place(tx: Tx, account: str, address: str | None) -> None:
    row = tx.execute(
        "SELECT address FROM venue_keys WHERE account = %s AND active_at IS NOT NULL"
        " ORDER BY active_at DESC LIMIT 1",
        (account,),
    ).fetchone()
    if row is not None and row[0] != address:
        raise conflict("account_moved", "This account is at another address").at(
            "address", address, f"give {row[0] or 'none'}, or name another account"
        )


def record_trial(tx: Tx, key_id: UUID, checks: list[VenueCheck], author: Author) -> VenueKey:
    """Keep what was seen when a key was tried."""
    write_checks(tx, key_id, checks, author.now)
    tried = key_by_id(tx, key_id)
    wrong = [one.name for one in checks if one.outcome != Outcome.PASSED]
    _note(tx, author, "tested", tried, sound=tried.sound, notPassed=wrong)
    return tried


def opened(tx: Tx, keys: Keys, account: str) -> tuple[VenueKey, Secret, list[Instrument]]:
    """What it takes to try an account's key; code `unknown_venue_account`."""
    found = known_account(tx, account)
    secret = open_key(tx, keys, found.id)
    assert secret is not None, "a key that is not removed is sealed"
    return found, secret, contracts_of(tx, account)


def remove_account(
    tx: Tx, author: Author, account: str, principal: Principal | None = None
) -> VenueKey:
    """Forget the key that waits or, where none does, the one that counts.

    Codes `unknown_venue_account`, and `account_in_use` while anything of ours is there: nobody
    could close it.
    """
    found = key_of(tx, account, KeyState.WAITING)
    if found is None:
        found = known_account(tx, account)
        _require_unused(tx, account)
    elif found.approval_id is not None and principal is not None:
        take_back(tx, found.approval_id, principal, author.now)
    _forget(tx, author, found)
    return key_by_id(tx, found.id)


def _require_unused(tx: Tx, account: str) -> None:
    row = tx.execute(
        "SELECT EXISTS (SELECT FROM orders WHERE venue = %(of)s AND allocated_at IS NULL),"
        " EXISTS (SELECT FROM legs l JOIN positions p ON p.leg_id = l.id"
        "  WHERE l.venue = %(of)s AND p.quantity <> 0),"
        " EXISTS (SELECT FROM legs l JOIN accounts a ON a.id = l.account_id"
        "  WHERE l.venue = %(of)s AND a.balance <> 0),"
        " EXISTS (SELECT FROM transfers WHERE venue = %(of)s AND done_at IS NULL)",
        {"of": account},
    ).fetchone()
    assert row is not None
    named = zip(("orders", "positions", "money", "transfers"), row, strict=True)
    if any(row):
        there = ", ".join(name for name, is_there in named if is_there)
        raise conflict("account_in_use", f"Books have {there} at this account").at(
            "account", account, "close what is there first, or add a key to take this one's place"
        )


# --- Approving ---------------------------------------------------------------------------------


def let_key_in(tx: Tx, author: Author, asked: Approval) -> dict[str, Any]:
    """Let a key count that somebody else added; code `unknown_venue_account` where it is gone."""
    waiting = _asked_for(tx, asked)
    _activate(tx, author, waiting)
    return {"account": waiting.account, "hint": waiting.hint}


def keep_key_out(tx: Tx, author: Author, asked: Approval) -> None:
    """Forget a key that nobody wanted."""
    waiting = key_of(tx, asked.subject, KeyState.WAITING)
    if waiting is not None and waiting.approval_id == asked.id:
        _forget(tx, author, waiting)


def key_changes(tx: Tx, asked: Approval) -> list[Changed]:
    """The key that counts now, and the one that would."""
    waiting = _asked_for(tx, asked)
    present = key_of(tx, waiting.account, KeyState.ACTIVE)
    before = {} if present is None else {"key": present.hint}
    after = {"key": waiting.hint, "address": waiting.address, "sound": waiting.sound}
    return [Changed("venue", waiting.account, {"account": waiting.account}, before, after)]


def _asked_for(tx: Tx, asked: Approval) -> VenueKey:
    waiting = key_of(tx, asked.subject, KeyState.WAITING)
    if waiting is None or waiting.approval_id != asked.id:
        raise unknown("venue_account", asked.subject, "account", "add its key anew")
    return waiting


def _activate(tx: Tx, author: Author, key: VenueKey) -> None:
    present = key_of(tx, key.account, KeyState.ACTIVE)
    if present is not None:
        _forget(tx, author, present)
    tx.execute(
        "UPDATE venue_keys SET state = 'active', active_at = %s WHERE id = %s",
        (author.now, key.id),
    )
    _note(tx, author, "connected", key)


def _forget(tx: Tx, author: Author, key: VenueKey) -> None:
    tx.execute(
        "UPDATE venue_keys SET state = 'removed', sealed = NULL, removed_at = %s WHERE id = %s",
        (author.now, key.id),
    )
    _note(tx, author, "removed", key)


# --- What is told of it ------------------------------------------------------------------------


def _about(key: VenueKey) -> dict[str, Any]:
    return {"account": key.account, "address": key.address, "key": key.hint, "sound": key.sound}


def _note(tx: Tx, author: Author, what: str, key: VenueKey, **more: object) -> None:
    about = _about(key) | more
    record(tx, [author.event(f"venue.{what}", key.account, key.id, what, about)])


def _tell_staff(tx: Tx, author: Author, key: VenueKey) -> None:
    """Nobody was asked: whoever sits at the machine could do it anyway, and the others know."""
    event = author.event("alert.venue_at_machine", key.account, key.id, "added", _about(key))
    raise_alerts(tx, [event])

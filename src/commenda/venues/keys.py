"""Keys to accounts at exchanges: sealed with the master key, and shown to nobody again.

An account has one key that counts. A new one waits beside it until somebody else approves it, and
then takes its place; one that is removed is forgotten, its row stays.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Final, LiteralString
from urllib.parse import urlsplit
from uuid import UUID

from psycopg.types.json import Jsonb
from pydantic import Field

from commenda.kit.db import Tx
from commenda.kit.errors import CommendaError, unknown
from commenda.kit.keys import Keys
from commenda.kit.rows import first, records
from commenda.kit.wire import derived, on_wire
from commenda.venues.dialect import Dialect
from commenda.venues.trial import Outcome, VenueCheck

ACCOUNT = r"[a-z0-9]+(?:_[a-z0-9]+)*:[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?"
"""The name of an account that has a key: its venue's, and one of its own."""
_PURPOSE: Final = "venue-key"
_HINT = 4


class KeyState(StrEnum):
    WAITING = "waiting"
    """For somebody else's approval."""
    ACTIVE = "active"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class Secret:
    """What an exchange gave out: the key, the secret that signs with it, and where it asks for one
    the passphrase that was chosen with them."""

    key: str = field(repr=False)
    secret: str = field(repr=False)
    passphrase: str = field(default="", repr=False)

    @property
    def hint(self) -> str:
        """By what people know the key: its last characters, and none of a short one's."""
        return self.key[-_HINT:] if len(self.key) >= 4 * _HINT else "…"

    def sealed(self, keys: Keys, key_id: UUID) -> bytes:
        """As it is stored: it opens for its own row alone."""
        parts = [self.key, self.secret, *([self.passphrase] if self.passphrase else [])]
        return keys.seal(f"{_PURPOSE}/{key_id}", json.dumps(parts).encode())

    def client(self, dialect: Dialect, address: str | None) -> Any:
        """ccxt's client that asks with it."""
        made = dialect.client(self.key, self.secret, address)
        if self.passphrase:
            made.password = self.passphrase
        return made


@on_wire
@dataclass(frozen=True, slots=True)
class VenueKey:
    """A key to an account at an exchange, without what is secret of it."""

    id: UUID
    account: Annotated[
        str, Field(description="Its name in the books.", examples=["binance_usdm:desk"])
    ]
    address: Annotated[
        str | None, Field(description="Where it is, if not at the exchange's own address.")
    ]
    hint: Annotated[str, Field(description="The last characters of the key.", examples=["x7Qk"])]
    state: KeyState
    added_by: Annotated[str, Field(examples=["operator:0b2f6a2c-2f5d-8b52-8d0e-0d1f6c1f1a11"])]
    added_by_name: str | None
    added_at: datetime
    active_at: datetime | None
    removed_at: datetime | None
    approval_id: Annotated[UUID | None, Field(description="What somebody else decides.")]
    checked_at: datetime | None
    checks: Annotated[
        Sequence[VenueCheck], Field(description="What was seen when it was tried last.")
    ]
    answered_at: Annotated[datetime | None, Field(description="Business time, the last time.")]
    silent_since: Annotated[
        datetime | None, Field(description="It gives no answer; null while it does.")
    ]
    deaf_since: Annotated[
        datetime | None, Field(description="Its own stream is not heard; null while it is.")
    ]
    limited_until: Annotated[
        datetime | None,
        Field(description="Wall time: until then it is asked nothing."),
    ]

    def __post_init__(self) -> None:
        object.__setattr__(self, "state", KeyState(self.state))
        kept = [one if isinstance(one, VenueCheck) else VenueCheck(**one) for one in self.checks]
        object.__setattr__(self, "checks", kept)

    @derived
    def sound(
        self,
    ) -> Annotated[bool, Field(description="Whether it could trade when it was tried last.")]:
        return bool(self.checks) and all(one.outcome != Outcome.FAILED for one in self.checks)


_SELECT: LiteralString = (
    "SELECT id, account, address, hint, state, added_by, name_of(added_by) AS added_by_name,"
    " added_at, active_at, removed_at, approval_id, checked_at, checks, answered_at, silent_since,"
    " deaf_since, CASE WHEN limited_until > clock_timestamp() THEN limited_until END"
    "  AS limited_until FROM venue_keys"
    " LEFT JOIN venue_contacts ON venue = account AND state = 'active'"
)


def list_keys(tx: Tx, *, removed: bool = False) -> list[VenueKey]:
    """The keys there are, by account; with those that were removed if that is wanted."""
    which: LiteralString = " WHERE %s OR state <> 'removed' ORDER BY account, added_at, id"
    return records(tx, VenueKey, _SELECT + which, (removed,))


def key_by_id(tx: Tx, key_id: UUID) -> VenueKey:
    found = first(tx, VenueKey, _SELECT + " WHERE id = %s", (key_id,))
    assert found is not None, "a key's row stays"
    return found


def key_of(tx: Tx, account: str, state: KeyState) -> VenueKey | None:
    """The account's key in that state, of which there is one at most; not for one removed."""
    which: LiteralString = " WHERE account = %s AND state = %s FOR NO KEY UPDATE OF venue_keys"
    return first(tx, VenueKey, _SELECT + which, (account, state))


def known_account(tx: Tx, account: str) -> VenueKey:
    """The key that counts, or the one that waits where none does; code `unknown_venue_account`."""
    found = key_of(tx, account, KeyState.ACTIVE) or key_of(tx, account, KeyState.WAITING)
    if found is None:
        raise unknown("venue_account", account, "account", "choose one that has a key")
    return found


def open_key(tx: Tx, keys: Keys, key_id: UUID) -> Secret | None:
    """What is sealed in a key; None once it is removed. Code `wrong_master_key`."""
    row = tx.execute("SELECT sealed FROM venue_keys WHERE id = %s", (key_id,)).fetchone()
    if row is None or row[0] is None:
        return None
    return Secret(*json.loads(keys.open(f"{_PURPOSE}/{key_id}", row[0])))


def write_checks(tx: Tx, key_id: UUID, checks: Sequence[VenueCheck], now: datetime) -> None:
    """Keep what was seen of an account when it was tried."""
    told = Jsonb([asdict(one) for one in checks])
    tx.execute(
        "UPDATE venue_keys SET checks = %s, checked_at = %s WHERE id = %s", (told, now, key_id)
    )


def checked_address(address: str | None) -> str | None:
    """An exchange's address in the form in which it is kept; code `bad_address`.

    Keys do not go over a network unencrypted, unless it is this machine or a private one.
    """
    if address is None:
        return None
    bad = CommendaError("bad_address", "An exchange's address is https://host or https://host:port")
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        raise bad.at("address", address, "correct host and port") from None
    host = parts.hostname or ""
    if not re.fullmatch(r"[a-z0-9.:-]+", host) or parts.username is not None:
        raise bad.at("address", address, "give the scheme, a host and no more than a port")
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise bad.at("address", address, "leave out what comes after the host and port")
    if parts.scheme != "https" and not (parts.scheme == "http" and _is_near(host)):
        raise bad.at("address", address, "use https; http is for private networks alone")
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown}" + ("" if port is None else f":{port}")


def _is_near(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_private
    except ValueError:
        return "." not in host  # a machine's name in a network of our own

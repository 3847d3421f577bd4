"""Reaching an account whose key is sealed in the database."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from uuid import UUID

from commenda.kit.db import Database, Tx
from commenda.kit.errors import CommendaError
from commenda.kit.keys import Keys
from commenda.market import CandleFeed, Instrument, instruments
from commenda.venues.ccxt import CcxtVenue
from commenda.venues.desk import Desk
from commenda.venues.dialect import Dialect
from commenda.venues.keys import KeyState, open_key
from commenda.venues.model import Venue, VenueUnavailable


class Means(NamedTuple):
    """What it takes to reach an account."""

    database: Database
    feed: CandleFeed
    keys: Keys | None = None
    """Opens what is sealed; a replay and the demo need none."""


def contracts_of(tx: Tx, account: str) -> list[Instrument]:
    """What we know of what is traded there: the instruments of the market of the venue's name."""
    market = account.partition(":")[0]
    return [one for one in instruments(tx) if one.venue == market]


def reach_exchange(dialect: Callable[[], Dialect], means: Means, account: str) -> CcxtVenue:
    """The account at the exchange, asked with the key that counts at that moment."""
    desk = StoredDesk(None, dialect(), database=means.database, keys=means.keys, account=account)
    return CcxtVenue(desk, StoredContracts(means.database, account), account)


def desks_of(venues: Iterable[Venue]) -> dict[str, Desk]:
    """The desks of those of the accounts that are at an exchange, by the account's name."""
    return {one.name: one.desk for one in venues if isinstance(one, CcxtVenue)}


@dataclass(slots=True, kw_only=True)
class StoredDesk(Desk):
    """A desk whose key is in the database: one that took another's place is used from the next call
    on, and one that was removed no more."""

    database: Database
    keys: Keys | None
    account: str
    _of: UUID | None = field(default=None, repr=False)

    def _reached(self) -> Any:
        if self.keys is None:
            raise VenueUnavailable("this process cannot open keys")
        with self.database.read() as tx:
            row = tx.execute(
                "SELECT id, address, extract(epoch FROM limited_until)::float8 FROM venue_keys"
                " WHERE account = %s AND state = %s",
                (self.account, KeyState.ACTIVE),
            ).fetchone()
            if row is None:
                raise VenueUnavailable("the account has no key")
            if row[2] is not None and self.wall() < row[2]:
                raise VenueUnavailable("the exchange asked to be left alone")
            if row[0] == self._of:
                return self.client
            try:
                secret = open_key(tx, self.keys, row[0])
            except CommendaError as error:
                raise VenueUnavailable(str(error)) from None
        if secret is None:
            raise VenueUnavailable("the account's key was removed just now")
        self.client = secret.client(self.dialect, row[1])
        self._of, self.address = row[:2]
        return self.client

    def _hush(self, until: float) -> None:
        """It counts by the address of this machine: nobody asks it, of whichever account or
        process."""
        self.quiet_until = until
        with self.database.transaction() as tx:
            tx.execute(
                "UPDATE venue_keys k SET limited_until = to_timestamp(%(until)s)"
                " FROM venue_keys mine WHERE mine.account = %(account)s"
                "  AND mine.state = %(active)s AND k.state = mine.state"
                "  AND split_part(k.account, ':', 1) = split_part(mine.account, ':', 1)"
                "  AND k.address IS NOT DISTINCT FROM mine.address",
                {"until": until, "account": self.account, "active": KeyState.ACTIVE},
            )


class StoredContracts(Mapping[int, Instrument]):
    """What is traded at an account, as it is stored now, by id."""

    def __init__(self, database: Database, account: str) -> None:
        self._database, self._account = database, account
        self._known: dict[int, Instrument] = {}

    def __getitem__(self, instrument_id: int) -> Instrument:
        if instrument_id not in self._known:
            self._read()
        return self._known[instrument_id]

    def __iter__(self) -> Iterator[int]:
        self._read()
        return iter(self._known)

    def __len__(self) -> int:
        return len(list(iter(self)))

    def _read(self) -> None:
        with self._database.read() as tx:
            self._known = {one.id: one for one in contracts_of(tx, self._account)}

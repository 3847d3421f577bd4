"""What a call at spot works on: the house, with spot's market for its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from commenda.exchange.signing import Key
from commenda.exchange.sources import Source
from commenda.exchange.spot import Spot
from commenda.exchange.tape import Tape

if TYPE_CHECKING:
    from commenda.exchange.engine import Exchange
    from commenda.exchange.house import House


def listener(account: str) -> str:
    """Under which name an account's spot has a listenKey."""
    return f"spot {account}"


class SpotDesk:
    """As `calls.Desk` is for futures."""

    def __init__(self, house: House) -> None:
        self._house = house

    @property
    def exchange(self) -> Spot:
        return self._house.spot

    @property
    def tape(self) -> Tape:
        return self._house.spot_tape

    @property
    def source(self) -> Source:
        return self._house.spot_source

    @property
    def allows(self) -> int:
        return self._house.allows

    @property
    def futures(self) -> Exchange:
        return self._house.exchange

    @property
    def shown_until(self) -> int:
        return self._house.shown_until

    def counts(self) -> list[dict[str, Any]]:
        """How many orders came, by limit."""
        return self._house.counts()

    def key_of(self, key: str) -> Key:
        return self._house.key_of(key)

    def listen_key(self, account: str) -> str:
        return self._house.listen_key(listener(account))

    def keep_listening(self, account: str) -> None:
        self._house.keep_listening(listener(account))

    def stop_listening(self, account: str) -> None:
        self._house.stop_listening(listener(account))

    def is_listened_to(self, account: str, key: str) -> bool:
        """Whether that is the listenKey the account has."""
        return self._house.account_of_listener(key) == listener(account)

"""What is asked of the exchange: what it trades, snapshots, candles, funding, open interest."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from commenda.kit.errors import CommendaError, not_found
from commenda.market.ingest.bars import Candle
from commenda.market.ingest.book import DepthSnapshot
from commenda.market.ingest.protocol import USDM, Protocol, protocol_of
from commenda.market.instruments import is_simulated
from commenda.market.model import Instrument


@dataclass(frozen=True, slots=True)
class Address:
    """Where an exchange that speaks a protocol of Binance's is asked and heard."""

    rest: str
    streams: str

    @classmethod
    def of(cls, url: str | None, spoken: Protocol = USDM) -> Address:
        """Binance's, or one that answers and streams at `url`. Code `bad_url`."""
        if url is None:
            return cls(spoken.rest, spoken.streams)
        base = urlsplit(url)
        if base.scheme not in ("http", "https") or not base.netloc or base.query or base.fragment:
            raise CommendaError("bad_url", "Not an address that an exchange can stand at").at(
                "url", url, "write it as https://host or http://host:port/path"
            )
        bare = url.rstrip("/")
        return cls(bare, "ws" + bare.removeprefix("http"))


class Unanswered(Exception):
    """The exchange did not answer, or not with what was asked for: to be asked again later."""


@dataclass(slots=True)
class Rest:
    """Asks, within the exchange's budget; after "too many" nothing is asked until its time."""

    session: aiohttp.ClientSession
    base: str
    spoken: Protocol = USDM
    _until: float = 0.0
    _spent: int = 0
    _minute: int = 0
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def get(self, what: str, **params: Any) -> Any:
        """An answer; `Unanswered` for whatever else."""
        await self._afford(self.spoken.weights[what])
        try:
            timeout = aiohttp.ClientTimeout(total=10)
            address = f"{self.base}{self.spoken.prefix}/{what}"
            async with self.session.get(address, params=params, timeout=timeout) as answer:
                if answer.status in (418, 429):
                    asked = answer.headers.get("Retry-After", "")
                    rest = float(asked) if asked.isdecimal() else 60.0
                    self._until = time.monotonic() + rest
                if answer.status != 200:
                    raise Unanswered(f"{what}: {answer.status} {(await answer.text())[:200]}")
                return await answer.json(content_type=None)
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            raise Unanswered(f"{what}: {type(error).__name__} {error}") from error

    async def _afford(self, weight: int) -> None:
        async with self._turn:  # in the order of asking
            while True:
                now = time.monotonic()
                if now // 60 != self._minute:
                    self._minute, self._spent = int(now // 60), 0
                if now < self._until:
                    await asyncio.sleep(self._until - now)
                elif self._spent + weight > self.spoken.budget:
                    await asyncio.sleep((self._minute + 1) * 60 - now)
                else:
                    self._spent += weight
                    return

    async def snapshot(self, symbol: str) -> DepthSnapshot:
        return DepthSnapshot.of(await self.get("depth", symbol=symbol, limit=1000))

    async def candles(self, symbol: str, first: int, last: int) -> list[Candle]:
        """The minutes that opened from `first` to `last`, in seconds; 1,000 at most."""
        span = {"startTime": first * 1000, "endTime": last * 1000 + 999}
        rows = await self.get("klines", symbol=symbol, interval="1m", limit=1000, **span)
        return [Candle.of_row(row) for row in rows]


def described(info: dict[str, Any], symbols: Iterable[str], venue: str) -> list[Instrument]:
    """What has these symbols, on the exchange's terms; code `unknown_instrument`.

    A contract's leverage is told nobody without a key: it counts as 1.
    """
    spoken = protocol_of(venue)
    listed = {one["symbol"]: one for one in info["symbols"]}
    found = []
    for symbol in symbols:
        one = listed.get(symbol)
        if one is None or not spoken.offers(one):
            raise not_found("unknown_instrument", f"The exchange has no such {spoken.name}").at(
                "symbols", symbol, "such as BTCUSDT"
            )
        filters = {each["filterType"]: each for each in one["filters"]}
        maker, taker = spoken.fees
        least, worth = spoken.least
        found.append(
            Instrument(
                id=0,
                venue=venue,
                symbol=symbol,
                kind=spoken.kind,
                base=one["baseAsset"],
                quote=one["quoteAsset"],
                tick=_number(filters["PRICE_FILTER"]["tickSize"]),
                lot=_number(filters["LOT_SIZE"]["stepSize"]),
                minimum_notional=_number(filters[least][worth]),
                maker_fee=maker,
                taker_fee=taker,
                maximum_leverage=1,
                simulated=is_simulated(venue),
            )
        )
    return found


def _number(text: str) -> Decimal:
    short = Decimal(text).normalize()
    return short if int(short.as_tuple().exponent) <= 0 else short.quantize(Decimal(1))

"""The exchange with everything around it but sockets: clock, tape, keys, streams, faults.

One thread of one process. `catch_up` moves the market on to the clock; each request and each stream
does it first, so nobody sees a market that is late.
"""

from __future__ import annotations

import hashlib
import heapq
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any

from commenda.exchange import spot_wire, wire, wire_accounts
from commenda.exchange.book import Match
from commenda.exchange.calls import CALLS, Params, is_spot
from commenda.exchange.clock import Clock
from commenda.exchange.engine import Exchange
from commenda.exchange.faults import Script
from commenda.exchange.market import Funding, Status, Tick
from commenda.exchange.matching import Matching
from commenda.exchange.model import Contract, Customer
from commenda.exchange.refusals import Refused
from commenda.exchange.signing import Key
from commenda.exchange.sources import Source
from commenda.exchange.spot import Spot
from commenda.exchange.spot_desk import SpotDesk, listener
from commenda.exchange.spot_streams import SpotTape
from commenda.exchange.spot_trading import ORDER as SPOT_ORDER
from commenda.exchange.tape import Tape
from commenda.exchange.trading import ALGO, ORDER, find_conditional, find_order

FOR_EVER = 2**62
LISTENED = 3_600_000
"""Milliseconds that a listenKey lives unless it is kept."""
Send = Callable[[str, dict[str, Any]], None]
"""Hands a stream's name and its message to a connection."""
Keep = Callable[[list[Any]], None]
"""Keeps a row of what came from outside; see `keeping`."""
TIES = ("told", "spares_fund")
"""What binds an exchange to its house."""
TAPED = ("minutes", "trades", "funding", "depth")
SHOWN = (f"GET {ORDER}", f"GET {ALGO}", f"GET {SPOT_ORDER}")
CANCELS = (f"DELETE {ORDER}", f"DELETE {SPOT_ORDER}")
TRADES = ("/userTrades", "/myTrades")
PLACES = {
    f"POST {ORDER}": ("fills_in_part", "shrunk"),
    f"POST {SPOT_ORDER}": ("fills_in_part",),
}
"""Where an order can go wrong, and how: nothing at spot only reduces."""
PROOFS = ("signature", "timestamp", "recvWindow")
"""What a request says of who sends it, and when."""


class House:
    """Implements `calls.Desk`."""

    def __init__(
        self,
        contracts: Iterable[Contract],
        source: Source,
        clock: Clock,
        seed: int = 0,
        spot: tuple[Iterable[Contract], Source] | None = None,
    ) -> None:
        self.exchange = Exchange(contracts, clock.start)
        pairs, self.spot_source = spot or ((), source)
        self.spot = Spot(pairs, clock.start)
        self.source, self.clock, self.seed = source, clock, seed
        self.allows = 1
        self.script = Script(seed)
        self.tape = Tape(self.exchange, self._publish, self._is_heard)
        self.spot_tape = SpotTape(
            self.spot, self._publish_spot, lambda name: self._is_heard(listener(name))
        )
        self.spot_desk = SpotDesk(self)
        self.keys: dict[str, Key] = {}
        self.listeners: dict[str, set[Send]] = defaultdict(set)
        """Connections by stream: a name of the market's, or a listenKey."""
        self.shown_until = FOR_EVER
        self.late: deque[tuple[int, str, dict[str, Any]]] = deque()
        """Messages that a fault holds back: until when, for which stream."""
        self._held: dict[str, dict[str, Any]] = {}
        self._listen: dict[str, tuple[str, int]] = {}
        self.reached = clock.start
        """The moment up to which the market was played."""
        self.played = 0
        """Events of the market since this process began."""
        self.keep: Keep = lambda _row: None
        self.counts: Callable[[], list[dict[str, Any]]] = list
        """How many orders came to spot, by limit: who counts them says so."""
        self.exchange.told += [self.tape.hear, self._hear]
        self.spot.told += [self.spot_tape.hear, self._hear_spot]
        self.exchange.spares_fund = lambda symbol: bool(self.script.strike("adl", symbol))
        self.script.told = lambda number: self.keep(["struck", number])

    # --- time -----------------------------------------------------------------------------------

    def catch_up(self, until: int | None = None) -> None:
        """Play the market on to now, or to a moment."""
        now = self.clock.now() if until is None else until
        if now <= self.reached:
            return
        begun, self.reached, before = self.reached, now, self.played
        for tick, exchange, tape in self._ticks(begun, now):
            if isinstance(tick, Funding) and self.script.strike("late_funding", tick.symbol):
                tick = tick._replace(at=tick.at + 3_000)
            self._pass(tick.at)
            exchange.apply(tick)
            tape.tell_depth([tick.symbol])
            self.played += 1
        self._pass(now)
        self.tell_depth()
        self._release(now)
        if self.played > before:
            self.keep(["at", now])

    def _ticks(self, begun: int, now: int) -> Iterator[tuple[Tick, Matching[Any], Tape]]:
        """The events of both markets, each with its own, in order of time: futures' first."""
        futures = ((one, self.exchange, self.tape) for one in self.source.ticks(begun, now))
        if not self.spot.contracts:
            return futures
        spot = ((one, self.spot, self.spot_tape) for one in self.spot_source.ticks(begun, now))
        return heapq.merge(futures, spot, key=lambda one: one[0].at)

    def tell_depth(self) -> None:
        """Tell what changed in any book."""
        self.tape.tell_depth(self.exchange.contracts)
        self.spot_tape.tell_depth(self.spot.contracts)

    def _pass(self, until: int) -> None:
        """Let orders run out one by one: each is told, however often somebody looks."""
        while (at := self.exchange.ends_next()) is not None and at <= until:
            self.exchange.wait(at)
            self.tell_depth()
            self.played += 1
        self.exchange.wait(until)
        self.spot.wait(until)

    def set_clock(self, milliseconds: int, pace: float | None = None) -> None:
        """Set the clock; the market plays up to it."""
        self.clock.set(milliseconds, pace)
        self.keep(["clock", *self.clock.kept()])
        self.catch_up()

    def delist(self, symbol: str, status: str, *, spot: bool = False) -> None:
        """End the trading of a contract or a pair, or begin it."""
        place: Matching[Any] = self.spot if spot else self.exchange
        place.apply(Status(self.exchange.now, symbol, status))

    # --- calls ----------------------------------------------------------------------------------

    def account_at(self, path: str, name: str) -> Customer:
        """Who asks, as the market that is asked knows it."""
        return (self.spot if is_spot(path) else self.exchange).account(name)

    def do(
        self, method: str, path: str, account: Customer | None, values: Mapping[str, str]
    ) -> Any:
        """Do a call; what it may have changed is kept before anybody is told of it, refusals too:
        they use ids."""
        params, desk = Params(values), self.spot_desk if is_spot(path) else self
        try:
            if account is not None:
                self.mishap(f"{method} {path}", desk.exchange, account, params)
            return CALLS[method, path].run(desk, account, params)
        finally:
            self.exchange.mishap = self.spot.mishap = ""
            if account is not None and method != "GET":
                self.tell_depth()
                told = {name: one for name, one in values.items() if name not in PROOFS}
                self.keep(["call", self.reached, method, path, account.name, told])

    def mishap(
        self, where: str, exchange: Matching[Any], account: Customer, params: Params
    ) -> None:
        """What goes wrong, by the script, with a request of an account that is going to be done."""
        strike, now = self.script.strike, exchange.now
        if where in SHOWN and (young := strike("not_shown", where)):
            asks_algo = where.endswith(ALGO)
            asked = (find_conditional if asks_algo else find_order)(account, params, -2013)
            if now - asked.at < young.milliseconds:
                raise Refused(-2013)
        if where in CANCELS and strike("filled_first", where):
            self._fill_first(exchange, account, params)
        late = strike("late_trades", where) if where.endswith(TRADES) else None
        self.shown_until = now - late.milliseconds if late else FOR_EVER
        kinds = PLACES.get(where, ())
        exchange.mishap = next((kind for kind in kinds if strike(kind, where)), "")

    def _fill_first(self, exchange: Matching[Any], account: Customer, params: Params) -> None:
        order = find_order(account, params, -2011)
        if exchange.books[order.symbol].holds(order) and order.ticks is not None:
            lots = self.script.either(order.left, max(1, order.left // 2))
            match = Match(None, order, order.ticks, lots)
            exchange.settle(exchange.contracts[order.symbol], match)

    # --- outliving the process ------------------------------------------------------------------

    def kept(self) -> dict[str, Any]:
        """All that the exchange has and knows; who listens to it is gone with its process."""
        exchange, spot = (
            {name: one for name, one in vars(place).items() if name not in TIES}
            for place in (self.exchange, self.spot)
        )
        return {
            "exchange": exchange,
            "tape": {name: getattr(self.tape, name) for name in TAPED},
            "spot": spot,
            "spot tape": {name: getattr(self.spot_tape, name) for name in TAPED},
            "script": {name: getattr(self.script, name) for name in ("faults", "struck")},
            "draw": self.script.draw.getstate(),
            "keys": self.keys,
            "listen": self._listen,
            "reached": self.reached,
            "clock": self.clock.kept(),
        }

    def restore(self, kept: dict[str, Any]) -> None:
        """Have and know what another house did."""
        vars(self.exchange).update(kept["exchange"])
        vars(self.spot).update(kept.get("spot", {}))  # one that was kept before had none
        things = (self.tape, "tape"), (self.spot_tape, "spot tape"), (self.script, "script")
        for thing, name in things:
            for part, one in kept.get(name, {}).items():
                setattr(thing, part, one)
        self.script.draw.setstate(kept["draw"])
        self.keys, self._listen, self.reached = kept["keys"], kept["listen"], kept["reached"]
        self.clock.go_on(*kept["clock"])

    # --- keys -----------------------------------------------------------------------------------

    def open_account(self, key: Key, deposit: Decimal) -> None:
        """Let a key in, and give its account money once."""
        self.keys[key.key] = key
        account, note = self.exchange.account(key.account), f"opening:{key.account}"
        if deposit and note not in account.transfers:
            self.exchange.transfer(account, deposit, note)

    def key_of(self, key: str) -> Key:
        """Codes −2014 for none, −2015 for one that is unknown."""
        if not key:
            raise Refused(-2014)
        found = self.keys.get(key)
        if found is None:
            raise Refused(-2015)
        return found

    # --- streams --------------------------------------------------------------------------------

    def listen_key(self, account: str) -> str:
        """The account's living key, or a new one."""
        key, until = self._listen.get(account, ("", 0))
        if until <= self.exchange.now:
            number = self.exchange.number()
            told = f"{self.seed} {account} {number}".encode()
            key = hashlib.sha256(told).hexdigest()
            self._listen[account] = key, self.exchange.now + self._lifetime()
        return key

    def keep_listening(self, account: str) -> None:
        key, until = self._listen.get(account, ("", 0))
        if until <= self.exchange.now:
            raise Refused(-1125)
        self._listen[account] = key, self.exchange.now + self._lifetime()

    def _lifetime(self) -> int:
        return int(LISTENED * max(1.0, self.clock.pace))

    def stop_listening(self, account: str) -> None:
        self._listen.pop(account, None)

    def account_of_listener(self, key: str) -> str | None:
        """Whose living listenKey that is."""
        found = (name for name, (one, _) in self._listen.items() if one == key)
        return next(found, None)

    def expire_key(self, account: str) -> None:
        """End a listenKey before its time; who listens is told, and hears nothing more."""
        key, _ = self._listen.pop(account, ("", 0))
        told = {"e": "listenKeyExpired", "E": self.exchange.now, "listenKey": key}
        for send in list(self.listeners.pop(key, ())):
            send(key, told)

    def end_spot_streams(self, account: str) -> None:
        """End an account's streams at spot: the listenKey's, and what subscribed to it."""
        name = listener(account)
        if name in self._listen:
            self.expire_key(name)
        told = {"e": "eventStreamTerminated", "E": self.spot.now}
        for send in list(self.listeners.pop(name, ())):
            send(name, told)

    def _hear(self, kind: str, account: str | None, what: Any) -> None:
        exchange = self.exchange
        key, until = self._listen.get(account or "", ("", 0))
        if not key:
            return
        if kind == "order":
            order, execution, fill = what
            of = exchange.contracts[order.symbol]
            told = wire.order_event(order, of, execution, fill, exchange.now)
        elif kind == "conditional":
            told = wire.conditional_event(what, exchange.contracts[what.symbol], exchange.now)
        elif kind == "account":
            assert account is not None
            told = wire_accounts.account_event(exchange, exchange.accounts[account], *what)
        else:
            return
        if until <= exchange.now or self.script.strike("expired_key", account or ""):
            self.expire_key(account or "")
        else:
            self._publish("private", key, told)

    def _hear_spot(self, kind: str, account: str | None, what: Any) -> None:
        """Tell an account's streams at spot; source: Binance, "User data streams", spot."""
        if account is None:
            return
        spot = self.spot
        if kind == "order":
            order, execution, fill = what
            of = spot.contracts[order.symbol]
            told = spot_wire.report(order, of, execution, fill, spot.now)
        elif kind == "account":
            told = spot_wire.position(spot.accounts[account], what, spot.now)
        else:
            asset, amount = what
            told = spot_wire.moved(asset, amount, spot.now)
        self._publish("private", listener(account), told)
        name = listener(account)
        key, until = self._listen.get(name, ("", 0))
        if key and (until <= spot.now or self.script.strike("expired_key", account)):
            self.expire_key(name)
        elif key:
            self._publish("private", key, told)

    def _is_heard(self, stream: str) -> bool:
        return bool(self.listeners.get(stream))

    def _publish_spot(self, kind: str, stream: str, told: dict[str, Any]) -> None:
        self._publish(kind, listener(stream), told)

    def _publish(self, kind: str, stream: str, told: dict[str, Any]) -> None:
        """Hand a message to whoever listens, with the faults of streams."""
        if not self.listeners.get(stream):
            return
        where = f"{kind} {stream} {told['e']}"
        if kind == "public" and self.script.strike("depth_gap", where):
            return
        if fault := self.script.strike("delayed", where):
            self.late.append((self.exchange.now + fault.milliseconds, stream, told))
            return
        if self.script.strike("reordered", where) and stream not in self._held:
            self._held[stream] = told
            return
        copies = 2 if self.script.strike("duplicated", where) else 1
        for _ in range(copies):
            self._send(stream, told)
        if stream in self._held:
            self._send(stream, self._held.pop(stream))

    def _send(self, stream: str, told: dict[str, Any]) -> None:
        for send in list(self.listeners[stream]):
            send(stream, told)

    def _release(self, now: int) -> None:
        """Send what a fault held back until now, and what waited for a next event that came not."""
        due = [one for one in self.late if one[0] <= now]
        self.late = deque(one for one in self.late if one[0] > now)
        for _, stream, told in due:
            self._send(stream, told)
        for stream in list(self._held):
            self._send(stream, self._held.pop(stream))

"""A business on a live market of hourly bars, which somebody else stores."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from commenda.copying import (
    Flow,
    Runners,
    copy_signal,
    publish_targets,
    share_flow,
    step_flows,
)
from commenda.execution import Broker
from commenda.kernel import Costs
from commenda.kit import ids
from commenda.ledger import Owner, OwnerKind
from commenda.market import Bar, Mark, StoredFeed, write_bars, write_marks
from commenda.venues import DEFAULT_VENUE
from scripted import HOUR, SECRET, START
from world import World

D = Decimal
PARAMS = {"fast": 2, "slow": 3, "band": 0.0, "exposure": 0.5, "stop": 0.05}
"""Three bars of warm-up; long while prices rise, short while they fall."""


class Live:
    """A business whose bars are stored by somebody else, hour by hour since START."""

    def __init__(self, world: World, costs: Costs | None = None) -> None:
        self.world, self.hour = world, 0
        self.runners = Runners(costs or Costs())
        self.feed = StoredFeed(world.database, HOUR)
        self.broker = Broker((world.venue,), self.feed, SECRET)
        self.instrument = world.instruments["AAAUSDT"]

    def flow(
        self,
        name: str = "anna",
        interval: int | None = None,
        venue: str = DEFAULT_VENUE,
        automatic: bool = False,
        **params: float,
    ) -> Flow:
        flow = replace(
            self.world.creator(name, capital=0),
            id=ids.derive("test-flow", name, "live"),
            params=PARAMS | params,
            interval_seconds=interval,
            venue=venue,
            automatic=automatic,
        )
        with self.world.database.transaction() as tx:
            share_flow(tx, flow, self.world.now)
        owner = Owner(OwnerKind.CREATOR, flow.creator_id)
        self.world.pay_in(owner, D(10_000), name)
        self.world.follow(owner, flow, D(10_000), key="vault", is_leader=True)
        return flow

    def store(self, *closes: float, after: int = 0, volume: float = 1.0) -> list[Bar]:
        """Store the bars of the next hours, each from the last one's close; `after` hours of which
        none is stored."""
        self.hour += after
        made = []
        for close in closes:
            opened = self.close if self.hour else close
            ts = int(START.timestamp()) + self.hour * HOUR
            low, high = min(opened, close), max(opened, close)
            made.append(Bar(ts, *map(float, (opened, high, low, close)), volume))
            self.hour, self.close = self.hour + 1, close
        self.keep(made)
        return made

    def keep(self, bars: list[Bar]) -> None:
        with self.world.database.transaction() as tx:
            write_bars(tx, HOUR, [(self.instrument, one) for one in bars])
            as_of = datetime.fromtimestamp(bars[-1].ts + HOUR, UTC)
            mark = Mark(self.instrument.to_tick(bars[-1].close), as_of, "mark")
            write_marks(tx, [(self.instrument, mark)])

    def tick(self, late: timedelta = timedelta(0)) -> list[Decimal]:
        """One at the last bar's close, or so much later; the targets that were published."""
        self.world.now = START + timedelta(hours=self.hour)
        return self.again(late)

    def again(
        self, late: timedelta = timedelta(0), runners: Runners | None = None
    ) -> list[Decimal]:
        now = self.world.now + late
        self.feed.look()
        with self.world.database.transaction() as tx:
            step_flows(tx, self.broker, runners or self.runners, now, lambda *_: None)
        with self.world.database.transaction() as tx:
            publish_targets(tx, self.broker, runners or self.runners, now, lambda *_: None)
        new = self.world.rows(
            "SELECT id, target FROM trading_signals WHERE status = 'published' ORDER BY sequence"
        )
        for signal, _ in new:
            copy_signal(self.world.database, self.broker, signal, self.world.now)
        return [target for _, target in new]

    def taken(self, flow: Flow) -> int:
        """Of how many hours since START it has taken the bars."""
        at = self.world.one("SELECT last_bar_at FROM shared_flows WHERE id = %s", flow.id)
        return int((at - START).total_seconds()) // HOUR + 1

    def state(self, flow: Flow) -> bytes:
        return bytes(self.world.one("SELECT runner_state FROM shared_flows WHERE id = %s", flow.id))

    def held(self) -> Decimal:
        return D(self.world.one("SELECT coalesce(sum(quantity), 0) FROM positions"))

    def distrust(self, why: str | None) -> None:
        """What the only feed says of the instrument since a minute ago."""
        self.world.execute("DELETE FROM market_feeds")
        since = None if why is None else datetime.now(UTC) - timedelta(minutes=1)
        self.world.execute(
            "INSERT INTO market_feeds (name, instrument_id, seen_at, book_right, messages, losses,"
            "  resyncs, distrust, distrusted_at)"
            " VALUES ('feed', %s, clock_timestamp(), true, 1, 0, 0, %s, %s)",
            self.instrument.id,
            why,
            since,
        )

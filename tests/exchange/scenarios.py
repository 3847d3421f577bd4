"""What goes wrong in a life, and where our own code meets it.

The first fifteen are those of others, in the order in which they are known; then the faults that
the simulator knows. Where our code has no door for one (the connector asks by REST and opens no
user stream; it sends nothing reduce-only) the note says so, and the fault strikes at the nearest
real place: what is read by REST must be whole whatever the streams did.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from commenda.exchange.market import Status

from .lived import D, Life

Act = Callable[[Life], None]


@dataclass(frozen=True)
class Scenario:
    name: str
    note: str
    faults: tuple[dict[str, Any], ...] = ()
    strikes: tuple[str, ...] = ()
    """Kinds that must have struck, over all runs; those of `faults` if none is named."""
    before: Act | None = None
    """Before the first step."""
    act: Act | None = None
    """With each step."""
    mortal: bool = False
    capital: int = 5_000
    knows: frozenset[str] = frozenset({"AAAUSDT", "BBBUSDT"})
    """Contracts that we know of from the first."""


def fault(kind: str, chance: float = 0.3, matches: str = "", **more: Any) -> dict[str, Any]:
    return {"kind": kind, "chance": chance, "matches": matches, **more}


ORDER = "POST /fapi/v1/order"


def by_chance(chance: float, act: Act) -> Act:
    def acts(life: Life) -> None:
        if life.draw.random() < chance:
            act(life)

    return acts


def restarts(life: Life) -> None:
    life.restart()


def reads_again(life: Life) -> None:
    """A process that has lost how far it had read: what is read comes again."""
    world = life.world
    stream = life.draw.choice(["executions", "income"])
    first = life.first_cursors[stream]
    world.execute(
        "UPDATE venue_cursors SET cursor = %s WHERE venue = %s AND stream = %s",
        first, life.name, stream,
    )  # fmt: skip
    life.restart()


def listens(life: Life) -> None:
    """Somebody listens to the account's stream, so that the faults of streams have a place."""
    house = life.near.house
    key = house.listen_key(life.listens)
    house.listeners[key].add(life.heard.append_told)


def expires(life: Life) -> None:
    life.near.house.expire_key(life.listens)
    listens(life)


def comes_to_know(life: Life) -> None:
    """An instrument is stored that was not, in which the account had traded before it was ours."""
    life.known.update({one.id: one for one in life.world.feed.instruments})


def two_sided(life: Life) -> None:
    """The account was in hedge mode; now and then somebody sets it so while it is flat."""
    if not any(one.lots for one in life.desk.positions.values()) and not life.desk.open:
        life.desk.hedge = True
        life.restart()


def loses(life: Life) -> None:
    """The market goes against what the account holds until it is liquidated."""
    held = [one for one in life.desk.positions.values() if one.lots]
    if not held:
        lot = life.world.instruments["AAAUSDT"].lot
        side = life.draw.choice([-1, 1])
        life.ask("AAAUSDT", *(side * lot * life.draw.randint(200_000, 260_000) for _ in life.legs))
        life.trade("AAAUSDT", life.prices["AAAUSDT"])
        life.work()
        return
    one = life.draw.choice(held)
    for _ in range(12):
        step = 1 - (1 if one.lots > 0 else -1) * D("0.02")
        depth = life.draw.choice([20_000, 10**7])
        life.trade(one.symbol, life.prices[one.symbol] * step, depth=depth)
    life.pass_time(1)


def deleveraged(life: Life) -> None:
    """Somebody else is liquidated on the other side, in a book that is too thin."""
    held = [one for one in life.desk.positions.values() if one.lots]
    if not held:
        return
    exchange, one = life.exchange, life.draw.choice(held)
    side = 1 if one.lots > 0 else -1
    name = f"whale {exchange.number()}"
    exchange.transfer(exchange.account(name), D(20_000), "opening")
    life.trade(one.symbol, life.prices[one.symbol])
    price = life.prices[one.symbol]
    contract = exchange.contracts[one.symbol]
    life.by_hand(one.symbol, -side * int(15 * 20_000 / price / contract.lot), name)
    for _ in range(6):
        price *= 1 + side * D("0.02")
        life.trade(one.symbol, price, depth=20)
    life.pass_time(1)


def delists(life: Life) -> None:
    """One of the contracts is settled at its mark."""
    if life.exchange.contracts["BBBUSDT"].status == "TRADING":
        life.exchange.apply(Status(life.exchange.now, "BBBUSDT", "SETTLING"))
        del life.prices["BBBUSDT"]
        life.pass_time(1)


def other_clock(life: Life) -> None:
    """The exchange is started again and shows another time, or our machine does."""
    clock = life.near.house.clock
    if life.draw.random() < 0.5:
        life.near.skew = life.draw.uniform(-20, 20)
    else:
        clock.set(clock.now() + life.draw.randint(0, 30_000))
    life.restart()


def away(life: Life) -> None:
    """No exchange at all for some steps."""
    life.near.door.is_open = life.draw.random() < 0.6


UNKNOWN = (fault("unknown", 0.4, ORDER), fault("lost_answer", 0.3, ORDER))
STREAM = (
    fault("duplicated", 0.3),
    fault("reordered", 0.2),
    fault("delayed", 0.2, milliseconds=5_000),
)

SCENARIOS = (
    Scenario("01-retried-after-1007", "asked for by its id, never sent again", UNKNOWN),
    Scenario(
        "02-blind-retries",
        "one id for each intent, through lost answers, refusals and deaths",
        (fault("lost_answer"), fault("not_done"), fault("maintenance", 0.1)),
        mortal=True,
    ),
    Scenario(
        "03-the-same-fill-twice",
        "orders show their fills and the account's trades bring them again, from the first on",
        (fault("unknown", 0.2),),
        act=by_chance(0.4, reads_again),
    ),
    Scenario(
        "04-key-of-the-stream-lost",
        "no door: the connector opens no user stream. Its key ends while others listen, and what is"
        " read by REST is whole",
        (fault("expired_key", 0.2),),
        before=listens,
        act=by_chance(0.3, expires),
    ),
    Scenario(
        "05-old-key-after-reconnect",
        "no door for a stream's key; each process begins with nothing but what is stored",
        STREAM,
        before=listens,
        act=by_chance(0.5, restarts),
    ),
    Scenario(
        "06-fill-of-an-unknown-instrument",
        "orders in a contract that a process does not know are refused unsent; its trades are read"
        " once it is known, from the first contact on",
        (fault("lost_answer", 0.2),),
        act=by_chance(0.2, comes_to_know),
        knows=frozenset({"AAAUSDT"}),
    ),
    Scenario(
        "07-older-than-history",
        "how far was read is stored; positions are ours, not the history's",
        (fault("unknown", 0.2), fault("late_trades", 0.3, milliseconds=20_000)),
        act=by_chance(0.3, restarts),
        mortal=True,
    ),
    Scenario(
        "08-position-sides",
        "one-way mode is asserted by each process before its first order; that it is so is success",
        (
            fault("not_done", 0.5, "positionSide"),
            fault("maintenance", 0.2, "marginType"),
        ),
        act=by_chance(0.5, two_sided),
    ),
    Scenario(
        "09-reduce-only-shrunk",
        "no door: nothing is sent reduce-only. The exchange takes half of an order as its whole",
        (fault("shrunk", 0.6),),
    ),
    Scenario(
        "10-exits-of-what-is-gone",
        "no -2022, as nothing is sent reduce-only: an exit of what was liquidated meanwhile turns"
        " the position, and the platform's own book has what no leg held",
        (fault("lost_answer", 0.2),),
        act=by_chance(0.35, loses),
        capital=10_000,
    ),
    Scenario(
        "11-orphaned-stops",
        "stops go to the algo service; what came of one is followed by its actual order",
        (fault("unknown", 0.3, "algoOrder"), fault("lost_answer", 0.2, "algoOrder")),
        act=lambda life: life.ask_stop(),
        mortal=True,
    ),
    Scenario(
        "12-stop-filled-before-it-was-told",
        "asked for order and trades, which are told late and in part",
        (fault("late_trades", 0.5, milliseconds=8_000), fault("fills_in_part", 0.3)),
        act=lambda life: life.ask_stop(),
    ),
    Scenario(
        "13-funding-twice-or-never",
        "each row of income once by its number, each stamp once",
        (fault("not_done", 0.3, "income"), fault("unknown", 0.3, "income")),
        act=lambda life: by_chance(0.4, Life.fund)(life) or by_chance(0.3, reads_again)(life),
    ),
    Scenario(
        "14-book-out-of-order",
        "no door: the connector reads no depth. That is the feed's, and tried in test_feed; here"
        " depth messages are missing while the account trades",
        (fault("depth_gap", 0.5),),
        before=lambda life: life.near.house.listeners["aaausdt@depth@100ms"].add(
            life.heard.append_told
        ),
    ),
    Scenario(
        "15-clock-ban-and-filters",
        "the clock is set, the ban is sat out, too small is refused unsent",
        (
            fault("clock", 0.2),
            fault("limited", 0.05, milliseconds=3_000),
            fault("banned", 0.03, milliseconds=20_000),
        ),
        act=lambda life: life.ask_little(),
    ),
    Scenario(
        "latency",
        "answers come seconds late; some come after their sender has given up",
        (
            fault("latency", 0.4, milliseconds=1_500),
            fault("latency", 0.2, ORDER, milliseconds=6_000),
        ),
    ),
    Scenario("throttled", "-1008: it was not taken", (fault("throttled", 0.4, ORDER),)),
    Scenario(
        "limits",
        "429 and 418 at any moment",
        (
            fault("limited", 0.06, milliseconds=3_000),
            fault("banned", 0.02, milliseconds=20_000),
        ),
    ),
    Scenario(
        "streams",
        "no door in the connector: events twice, late, in another order, and a silent death",
        (*STREAM, fault("expired_key", 0.05)),
        before=listens,
        mortal=True,
    ),
    Scenario("partly-filled-then-expired", "", (fault("fills_in_part", 0.6, ORDER),)),
    Scenario(
        "cancel-races-a-fill",
        "what is cancelled was filled, or half of it, while that was asked",
        (fault("filled_first", 0.8), fault("lost_answer", 0.2, "DELETE")),
        act=lambda life: life.ask_resting(),
    ),
    Scenario(
        "not-shown",
        "an order is there and is not shown for a while",
        (
            fault("not_shown", 0.6, milliseconds=20_000),
            fault("late_trades", 0.3, milliseconds=4_000),
        ),
    ),
    Scenario(
        "delisted",
        "settled at the mark; what rested ends",
        (fault("unknown", 0.1),),
        act=by_chance(0.15, delists),
    ),
    Scenario(
        "maintenance", "503 to everything, or nobody there", (fault("maintenance", 0.3),), act=away
    ),
    Scenario(
        "late-funding",
        "charged seconds after its stamp, while orders are on the way",
        (fault("unknown", 0.3, ORDER), fault("late_trades", 0.4, milliseconds=5_000)),
        act=by_chance(0.5, Life.fund),
    ),
    Scenario(
        "another-clock",
        "the exchange's clock or ours jumps, and processes begin anew",
        (fault("clock", 0.1),),
        act=by_chance(0.4, other_clock),
    ),
    Scenario(
        "liquidated",
        "",
        (fault("unknown", 0.1), fault("fills_in_part", 0.1)),
        act=by_chance(0.4, loses),
        capital=10_000,
    ),
    Scenario(
        "deleveraged",
        "closed against somebody else's bankruptcy, by rank",
        (fault("adl", 0.5), fault("unknown", 0.1)),
        act=by_chance(0.4, deleveraged),
    ),
    Scenario(
        "everything",
        "all of it",
        (
            *(
                fault(kind, 0.06)
                for kind in (
                    "lost_answer",
                    "unknown",
                    "not_done",
                    "throttled",
                    "clock",
                    "maintenance",
                    "fills_in_part",
                    "shrunk",
                    "filled_first",
                    "expired_key",
                )
            ),
            *STREAM,
            fault("latency", 0.1, milliseconds=2_000),
            fault("limited", 0.02, milliseconds=2_000),
            fault("late_trades", 0.2, milliseconds=6_000),
            fault("adl", 0.5),
            fault("not_shown", 0.2, milliseconds=10_000),
        ),
        before=listens,
        act=lambda life: life.draw.choice(
            [loses, deleveraged, Life.fund, restarts, reads_again, other_clock, away]
        )(life),
        mortal=True,
        capital=10_000,
    ),
)

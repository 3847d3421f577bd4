"""`commenda portfolio`: how much capital each strategy trades with."""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer

from commenda import portfolios
from commenda.cli.options import ACTOR, AsJson, Data, print_json, transaction
from commenda.cli.tables import Column, minute, numbers, say, show, texts
from commenda.kit.clock import business_now
from commenda.kit.errors import CommendaError
from commenda.kit.money import number, plain, real
from commenda.kit.wire import wire
from commenda.ledger import Author
from commenda.returns import shrunk_kelly

app = typer.Typer(no_args_is_help=True, help="How much capital each strategy trades with.")

Each = Annotated[list[str] | None, typer.Option(metavar="NAME=NUMBER")]
Table = Annotated[
    Path, typer.Argument(metavar="FILE", help="CSV or Parquet, a column for each strategy.")
]


def _share(name: str) -> Column:
    return Column(name, lambda one: _percent(getattr(one, name)), number=True)


MOST = 1_000

LISTED = (
    *texts("id", "name", "status"),
    *numbers("equity"),
    Column("rebalanced", lambda one: minute(one.rebalanced_at)),
    Column("drift", lambda one: _percent(float(one.drift)), number=True),
)
DONE = (
    Column("number", number=True),
    Column("at", lambda one: minute(one.at)),
    *texts("cause", "author", "reason"),
    *numbers("equity", "cost"),
    Column("turnover", lambda one: _percent(float(one.turnover)), number=True),
)
MOVES = (
    Column("flow", lambda one: one.title or "cash"),
    Column("actual", lambda one: _percent(float(one.actual)), number=True),
    Column("target", lambda one: _percent(float(one.target)), number=True),
    Column("weight", lambda one: _percent(float(one.weight)), number=True),
    *numbers("moved", "trade"),
    *texts("why"),
)
SIZED = (
    *texts("name"),
    *map(_share, ("volatility", "actual", "target", "weight", "risk")),
    *numbers("amount"),
)
HELD = (*texts("name"), *numbers("quantity", "worth", "wanted"))
SHARED = (
    *texts("name"),
    Column("rewards", lambda one: f"{one['count']:.6g}", number=True),
    Column("mean", lambda one: f"{one['mean']:.6g}", number=True),
    Column("share", lambda one: _percent(one["share"]), number=True),
    Column("rests until", lambda one: one["restsUntil"] or ""),
)


@app.command("list")
def list_portfolios(as_json: AsJson = False, data: Data = None) -> None:
    """List the portfolios of customers, and how far each is from its weights."""
    with transaction(data) as tx:
        found = portfolios.portfolios_of(tx, None, business_now(tx), MOST)
    show(found, LISTED, as_json)


@app.command()
def history(
    portfolio: Annotated[UUID, typer.Argument(help="Of commenda portfolio list.")],
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="The latest first.")] = 20,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Show what was done with a portfolio, when, by whom and why."""
    with transaction(data) as tx:
        portfolios.portfolio_of(tx, portfolio, None, business_now(tx))
        found = portfolios.rebalances_of(tx, portfolio, None, limit)
    if as_json:
        print_json(wire(found))
    else:
        show(found, DONE)


@app.command()
def plan(
    portfolio: Annotated[UUID, typer.Argument(help="Of commenda portfolio list.")],
    back_to: Annotated[
        int | None, typer.Option(help="Go back to the weights of this rebalance.")
    ] = None,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Show what a rebalance of a portfolio would do now; its owner has it done."""
    with transaction(data) as tx:
        now = business_now(tx)
        one = portfolios.portfolio_of(tx, portfolio, None, now)
        author = Author(ACTOR, portfolios.RULES, now)
        found = portfolios.rebalance(
            tx, author, portfolio, one.owner_id, back_to=back_to, reason="plan", dry_run=True
        )
    if as_json:
        print_json(wire(found))
        return
    show(found.moves, MOVES)
    say(
        f"of {plain(found.equity)} {found.asset}: turnover {_percent(float(found.turnover))},"
        f" about {plain(found.cost)} in fees"
    )


@app.command()
def size(
    file: Annotated[
        Path | None,
        typer.Argument(help="CSV or Parquet: returns, a column for each strategy."),
    ] = None,
    flow: Annotated[
        list[UUID] | None,
        typer.Option(help="Instead of a file: flows, by the daily record of their own books."),
    ] = None,
    values: Annotated[bool, typer.Option(help="The file has values (NAV), not returns.")] = False,
    method: Annotated[
        portfolios.Method, typer.Option(help="How weights are found.")
    ] = portfolios.Method.RISK_BUDGET,
    estimator: Annotated[
        portfolios.Estimator, typer.Option("--covariance", help="How it is estimated.")
    ] = portfolios.Estimator.LEDOIT_WOLF,
    periods_per_year: Annotated[float, typer.Option(help="Rows of a year: 365 for days.")] = 365.0,
    target_volatility: Annotated[
        float | None, typer.Option(help="Of a year, as 0.15; weights are scaled to it.")
    ] = None,
    fraction: Annotated[float, typer.Option(help="Of Kelly's stake.")] = 0.5,
    budget: Each = None,
    floor: Annotated[float, typer.Option(help="Of each.")] = 0.0,
    cap: Annotated[float | None, typer.Option(help="Of each.")] = None,
    floor_of: Each = None,
    cap_of: Each = None,
    group: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME,NAME:FLOOR:CAP", help="A quota of some taken together."),
    ] = None,
    total: Annotated[float, typer.Option(help="The most that all weights come to.")] = 1.0,
    actual: Each = None,
    band: Annotated[float, typer.Option(help="Who is nearer to the target stays.")] = 0.0,
    step: Annotated[float | None, typer.Option(help="The most that one weight moves.")] = None,
    turnover: Annotated[float | None, typer.Option(help="The most that all move.")] = None,
    capital: Annotated[str | None, typer.Option(help="Money to divide by the weights.")] = None,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Size strategies by a record of their returns: each one's part of the capital.

    The rest is cash. With --actual, weights go only as far as --band, --step and --turnover let.
    """
    record = _record(file, flow or [], values, data)
    rules = portfolios.SizingRules(
        method=method,
        estimator=estimator,
        periods_per_year=periods_per_year,
        target_volatility=target_volatility,
        budgets=_named("--budget", budget),
        fraction=fraction,
        floor=floor,
        cap=math.inf if cap is None else cap,
        floors=_named("--floor-of", floor_of),
        caps=_named("--cap-of", cap_of),
        groups=[_group(one) for one in group or []],
        total=total,
        easing=portfolios.Easing(
            band, math.inf if step is None else step, math.inf if turnover is None else turnover
        ),
    )
    now = _named("--actual", actual) if actual else None
    money = None if capital is None else _money("--capital", capital)
    found = portfolios.size(record.names, record.values, rules, now, money)
    if as_json:
        print_json(wire(found))
        return
    say(
        f"{found.method} over {found.periods:,} periods, covariance {found.estimator} (shrunk by"
        f" {_percent(found.shrinkage)}): volatility {_percent(found.volatility)} a year, cash"
        f" {_percent(found.cash)}, turnover {_percent(found.turnover)}"
    )
    show(found.strategies, SIZED)


@app.command()
def lots(
    file: Annotated[Path, typer.Argument(help="CSV: name, amount, price, lot, minimum_notional.")],
    budget: Annotated[str, typer.Option(help="The most that all positions are worth.")],
    as_json: AsJson = False,
) -> None:
    """Turn wanted amounts into what a venue takes: whole lots, least orders, within a budget."""
    found = portfolios.nearest_lots(portfolios.read_wanted(file), _money("--budget", budget))
    if as_json:
        print_json(wire(found))
        return
    show(found.positions, HELD)
    proven = "the best there is" if not found.gap else f"within {plain(found.gap)} of the best"
    say(f"worth {plain(found.worth)}, misplaced {plain(found.misplaced)}: {proven}")


@app.command()
def share(
    file: Table,
    policy: Annotated[
        portfolios.Policy, typer.Option(help="Who is thought to be good.")
    ] = portfolios.Policy.THOMPSON,
    seed: Annotated[int, typer.Option(min=0, help="What chance is drawn from.")] = 0,
    floor: Annotated[float, typer.Option(help="Of each who does not rest.")] = 0.0,
    cap: Annotated[float, typer.Option(help="Of each.")] = 1.0,
    discount: Annotated[float, typer.Option(help="What is kept of what was known.")] = 1.0,
    low: Annotated[float | None, typer.Option(help="The least a reward counts.")] = None,
    high: Annotated[float | None, typer.Option(help="The most a reward counts.")] = None,
    exploration: Annotated[float, typer.Option(help="UCB1's c.")] = 2.0,
    prior_mean: Annotated[float, typer.Option(help="Thompson: of a reward.")] = 0.0,
    prior_strength: Annotated[float, typer.Option(help="Thompson: in rewards.")] = 1.0,
    prior_shape: Annotated[float, typer.Option(help="Thompson: of the variance.")] = 1.0,
    prior_scale: Annotated[float, typer.Option(help="Thompson: of the variance.")] = 1.0,
    draws: Annotated[int, typer.Option(min=1, help="Of Thompson, a round.")] = 1_000,
    patience: Annotated[int, typer.Option(min=0, help="Rounds last in a row; 0 for ever.")] = 0,
    cool_down: Annotated[int, typer.Option(min=0, help="Rounds of rest.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Share capital by rewards: a row for each round, an empty field for who told none.

    What is shown is the state after the last row and the shares of the next round. The same file
    and seed share alike.
    """
    record = portfolios.read_record(file, gaps=True)
    prior = portfolios.Prior(prior_mean, prior_strength, prior_shape, prior_scale)
    rules = portfolios.BanditRules(
        policy=policy,
        floor=floor,
        cap=cap,
        discount=discount,
        low=-math.inf if low is None else low,
        high=math.inf if high is None else high,
        exploration=exploration,
        prior=prior,
        draws=draws,
        patience=patience,
        cool_down=cool_down,
    )
    bandit = portfolios.Bandit.begin(len(record.names), rules, seed)
    for row in record.values:
        told = {i: float(reward) for i, reward in enumerate(row) if not math.isnan(reward)}
        bandit = bandit.after(told)
    rows = [
        {
            "name": name,
            "count": arm.count,
            "mean": arm.mean,
            "share": float(part),
            "restsUntil": arm.rests_until if arm.rests_until > bandit.round else None,
        }
        for name, arm, part in zip(record.names, bandit.arms, bandit.shares(), strict=True)
    ]
    if as_json:
        print_json({"round": bandit.round, "strategies": rows})
    else:
        say(f"{policy} after {bandit.round:,} rounds; the next one's shares:")
        show(rows, SHARED)


@app.command()
def kelly(
    wins: Annotated[float, typer.Option(help="The part of the trades that won, as 0.55.")],
    trials: Annotated[int, typer.Option(min=2, help="How many trades that was counted in.")],
    odds: Annotated[float, typer.Option(help="What a win earns for each unit at stake.")] = 1.0,
    fraction: Annotated[float, typer.Option(help="Of Kelly's stake.")] = 0.5,
    as_json: AsJson = False,
) -> None:
    """The part of capital to stake on one trade: a fraction of Kelly, shrunk by doubt."""
    stake = fraction * shrunk_kelly(wins, odds, trials)
    if as_json:
        print_json({"stake": stake})
    else:
        say(f"stake {_percent(stake)} of the capital")


def _record(
    file: Path | None, flows: Sequence[UUID], values: bool, data: Path | None
) -> portfolios.Record:
    if (file is None) == (not flows):
        raise CommendaError("one_source", "Size by a file, or by flows").at(
            "FILE", file, "name a file of returns, or --flow of commenda flow list, one or more"
        )
    if file is not None:
        found = portfolios.read_record(file)
        return portfolios.returns_of(found) if values else found
    from commenda.copying import flow_nav  # it brings the database

    with transaction(data) as tx:
        told = {str(one): flow_nav(tx, one).points for one in flows}
    return portfolios.common(
        {name: [(one.at, float(one.nav)) for one in points] for name, points in told.items()}
    )


def _named(option: str, given: Sequence[str] | None) -> dict[str, float]:
    """NAME=NUMBER, each once; code `bad_pair`."""
    found: dict[str, float] = {}
    for text in given or []:
        name, _, written = text.rpartition("=")
        try:
            found[name] = real(written)
        except ValueError:
            name = ""
        if not name:
            raise CommendaError("bad_pair", "Not a name and a number").at(
                option, text, "write it as trend=0.25"
            )
    return found


def _group(text: str) -> tuple[tuple[str, ...], float, float]:
    try:
        names, floor, cap = text.rsplit(":", 2)
        return tuple(one.strip() for one in names.split(",")), real(floor), real(cap)
    except ValueError:
        raise CommendaError("bad_pair", "Not a group with its floor and cap").at(
            "--group", text, "write it as trend,breakout:0:0.4"
        ) from None


def _money(option: str, text: str) -> Decimal:
    try:
        return number(text)
    except ValueError as error:
        raise CommendaError("not_a_number", "An amount must be a number").at(
            option, text, str(error)
        ) from None


def _percent(part: float | None) -> str:
    return "" if part is None else f"{part:.2%}"

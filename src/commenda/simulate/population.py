"""Who comes when, with how much, brought by whom: drawn from the scenario's seed. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal
from uuid import UUID

from commenda.kit import ids
from commenda.kit.money import just_below
from commenda.simulate.scenario import ASSET, InvestorsPart, Scenario, TierPart


@dataclass(frozen=True, slots=True)
class Wish:
    """A subscription an investor asks for on arrival."""

    profile: str
    term_days: int
    tier: str
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Investor:
    """One investor of the population. `referrer` is an earlier one, or nobody."""

    number: int
    id: UUID
    username: str
    arrives: int
    deposit: Decimal
    referrer: int | None
    wishes: tuple[Wish, ...]


def product_id(profile: str, term_days: int, tier: str) -> UUID:
    """The id of the product of a profile, a term and a tier."""
    return ids.derive("product", profile, term_days, tier)


def population(scenario: Scenario) -> list[Investor]:
    """Every investor, in order of arrival."""
    people = scenario.investors
    span = people.arrival_days * 86400
    arrivals = sorted(
        int(_draw(scenario, number, "arrival") * span) for number in range(people.count)
    )
    first = int(scenario.start.timestamp())
    investors: list[Investor] = []
    depths: list[int] = []
    for number, offset in enumerate(arrivals):
        # To the bar that opens next: a business clock ticks with the candles.
        arrives = first + -(-offset // scenario.interval) * scenario.interval
        referrer = _referrer(scenario, number, depths)
        depths.append(0 if referrer is None else depths[referrer] + 1)
        investors.append(_investor(scenario, number, arrives, referrer))
    return investors


def _investor(scenario: Scenario, number: int, arrives: int, referrer: int | None) -> Investor:
    deposit = _deposit(scenario.investors, _draw(scenario, number, "deposit"))
    two = _draw(scenario, number, "second") < scenario.investors.second
    amounts = [deposit]
    if two:
        first = (deposit / 2).quantize(Decimal(1), rounding=ROUND_DOWN)
        amounts = [first, deposit - first]
    wishes = [_wish(scenario, number, place, amount) for place, amount in enumerate(amounts)]
    return Investor(
        number,
        ids.derive("user", "investor", scenario.seed, number),
        f"investor-{number + 1:05d}",
        arrives,
        deposit,
        referrer,
        tuple(wish for wish in wishes if wish is not None),
    )


def _wish(scenario: Scenario, number: int, place: int, amount: Decimal) -> Wish | None:
    """A profile and a term at random, and the highest tier the amount reaches."""
    products = scenario.products
    profiles = sorted({flow.profile for flow in scenario.flows})
    tier = tier_for(products.tiers, amount)
    if tier is None:
        return None
    profile = profiles[int(_draw(scenario, number, "profile", place) * len(profiles))]
    term = products.terms[int(_draw(scenario, number, "term", place) * len(products.terms))]
    return Wish(profile, term, tier.name, min(amount, just_below(tier.maximum, ASSET)))


def tier_for(tiers: tuple[TierPart, ...], amount: Decimal) -> TierPart | None:
    """The highest tier whose minimum the amount reaches."""
    reached = [tier for tier in tiers if amount >= tier.minimum]
    return max(reached, key=lambda tier: tier.minimum) if reached else None


def _deposit(people: InvestorsPart, u: float) -> Decimal:
    """Log-uniform between least and most, in whole units: many small ones, few large."""
    amount = float(people.least) * (float(people.most) / float(people.least)) ** u
    return max(people.least, Decimal(int(amount)))


def _referrer(scenario: Scenario, number: int, depths: list[int]) -> int | None:
    """An earlier investor who stands high enough in the tree, for the share who are referred."""
    people = scenario.investors
    if not number or _draw(scenario, number, "referred") >= people.referred:
        return None
    candidate = int(_draw(scenario, number, "referrer") * number)
    return candidate if depths[candidate] < people.referral_depth else None


def _draw(scenario: Scenario, *what: object) -> float:
    return ids.uniform(scenario.secret, "population", *what)

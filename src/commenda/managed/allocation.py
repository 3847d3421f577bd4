"""Which creators a managed subscription copies, and with what weights.

    candidates -> profile -> risk thresholds -> one flow for each creator -> weighted random draw
               -> weights from scores -> water-fill under the caps -> Allocation (the snapshot)

The draw is Efraimidis and Spirakis' weighted sampling without replacement: a creator with weight w
has the key log(u) / w, and the k greatest keys are chosen (Information Processing Letters 97,
2006). u comes from HMAC(seed, creator), so a draw depends on the seed and the set of candidates,
not on their order; every subscription has a seed of its own. Logarithms are Decimal's, which are
correctly rounded: the same draw on every machine.

Rules: acceptance.md, part 2, "Allocation". Scores are 0 to 100; fractions are Decimal (0.2 is
20 %); money is in the subscription's asset; weights have 6 decimals and add up to exactly 1.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Context, Decimal
from functools import cache
from typing import Any
from uuid import UUID

from commenda.kit import ids
from commenda.kit.errors import CommendaError, conflict
from commenda.kit.money import from_units, split_amount
from commenda.kit.wire import Amount, on_wire, wire

VERSION = "allocation-1"
"""Changes whenever the same input could give another result."""

WEIGHT_SCALE = 6
WHOLE = 10**WEIGHT_SCALE
LOG = Context(prec=20)
_FINE, _ONE = Context(prec=45), 1 << 130
_EDGE, _CLOSE = Decimal("1e-33"), Decimal("-0.001")


@on_wire
@dataclass(frozen=True, slots=True)
class Candidate:
    """One flow that could be copied, as it was known when the subscription was allocated.

    `max_drawdown` and `uptime` are fractions, `days` the length of the record, `status` the
    flow's (`active` may be drawn), `followed_capital` what other subscriptions follow it with.
    """

    creator_id: UUID
    flow_id: UUID
    profile: str
    score: Amount
    max_drawdown: Amount
    status: str
    followed_capital: Amount
    uptime: Amount = Decimal(1)
    days: int = 0


@on_wire
@dataclass(frozen=True, slots=True)
class Policy:
    """The thresholds of one product.

    `profiles`: accepted profiles, sorted; empty accepts all. `floor_weight`: the least weight in
    the draw and in the weights, in points of score; at a cold start, when every score is 0, the
    draw is uniform. `cap`: the most one creator gets, with `fewest` chosen or more; with fewer
    the weights are equal. One subscription's part of a creator is at most `capital_share` of the
    capital that follows it already, or `capital_floor` if that is more.
    """

    profiles: tuple[str, ...] = ()
    max_drawdown: Amount = Decimal("0.30")
    min_score: Amount = Decimal(0)
    min_uptime: Amount = Decimal(0)
    min_days: int = 0
    k: int = 6
    fewest: int = 5
    cap: Amount = Decimal("0.20")
    floor_weight: Amount = Decimal(1)
    capital_share: Amount = Decimal("0.25")
    capital_floor: Amount = Decimal(10_000)

    def __post_init__(self) -> None:
        sound = self.k >= 1 and self.floor_weight > 0 and 0 < self.cap <= 1
        if not sound or self.cap * self.fewest < 1:
            raise CommendaError(
                "bad_allocation_policy", "These thresholds cannot place a whole subscription"
            ).at(
                "cap",
                f"k {self.k}, cap {self.cap}, fewest {self.fewest}",
                "k >= 1, floor_weight > 0, 0 < cap <= 1 and cap * fewest >= 1",
            )


@on_wire
@dataclass(frozen=True, slots=True)
class Ranked:
    """A candidate in the snapshot: its weight and key in the draw, or why it had none.

    `reasons` is empty for a chosen candidate; otherwise it holds `profile`, `status`, `drawdown`,
    `score`, `uptime`, `record`, `capital`, `other_flow` (the creator is drawn with a better one)
    or `not_drawn`.
    """

    candidate: Candidate
    draw_weight: Amount | None
    key: Amount | None
    reasons: tuple[str, ...]


@on_wire
@dataclass(frozen=True, slots=True)
class Chosen:
    """One leg to be: its flow and its part of the principal."""

    creator_id: UUID
    flow_id: UUID
    weight: Amount


@on_wire
@dataclass(frozen=True, slots=True)
class Allocation:
    """The snapshot of one allocation: all of its input, and its result.

    `alerts`: `too_few_creators` (fewer than `policy.fewest` chosen, weights equal as far as the
    capital rule lets them), `more_creators_drawn` (more than k, so that no creator's capital limit
    is passed).
    """

    version: str
    seed: str
    amount: Amount
    policy: Policy
    candidates: tuple[Ranked, ...]
    chosen: tuple[Chosen, ...]
    alerts: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """The snapshot as it goes over the wire: decimals and ids as strings."""
        plain: dict[str, Any] = wire(self)
        return plain


def by_profile(candidate: Candidate, policy: Policy) -> tuple[str, ...]:
    """`profile` where the investor's product does not accept this one."""
    refused = policy.profiles and candidate.profile not in policy.profiles
    return ("profile",) if refused else ()


def by_risk(candidate: Candidate, policy: Policy) -> tuple[str, ...]:
    """Every risk threshold that the candidate fails."""
    fails = {
        "status": candidate.status != "active",
        "drawdown": candidate.max_drawdown > policy.max_drawdown,
        "score": candidate.score < policy.min_score,
        "uptime": candidate.uptime < policy.min_uptime,
        "record": candidate.days < policy.min_days,
    }
    return tuple(reason for reason, failed in fails.items() if failed)


def rejections(
    pool: Sequence[Candidate], amount: Decimal, policy: Policy
) -> dict[UUID, tuple[str, ...]]:
    """Why each flow cannot be drawn; empty for those that can.

    The first filter that fails speaks: profile, then risk, then room for the amount. Of a creator's
    flows that pass, the one with the best score stays, then the one with the smaller id.
    """
    reasons: dict[UUID, tuple[str, ...]] = {}
    taken: set[UUID] = set()
    for candidate in sorted(pool, key=lambda c: (-c.score, c.flow_id)):
        failed = by_profile(candidate, policy) or by_risk(candidate, policy)
        if not failed and not _cap(candidate, amount, policy, 1):
            failed = ("capital",)
        if not failed and candidate.creator_id in taken:
            failed = ("other_flow",)
        if not failed:
            taken.add(candidate.creator_id)
        reasons[candidate.flow_id] = failed
    return reasons


def capital_limit(candidate: Candidate, policy: Policy) -> Decimal:
    """The most money one subscription may place with this creator."""
    return max(policy.capital_floor, policy.capital_share * candidate.followed_capital)


def draw_weight(candidate: Candidate, policy: Policy) -> Decimal:
    """The score, or the floor weight if that is more."""
    return max(policy.floor_weight, candidate.score)


def draw_key(seed: bytes, candidate: Candidate, weight: Decimal) -> Decimal:
    """log(u) / w, u in (0, 1) from HMAC(seed, creator); greater is drawn earlier."""
    return LOG.divide(logarithm(ids.uniform(seed, candidate.creator_id)), weight)


@cache
def _table() -> tuple[tuple[int, ...], int]:
    """log((2j + 1) / 512) for each j from 128 on, and log(2), as multiples of 2^-130."""
    middles = [_FINE.divide(Decimal(2 * j + 1), Decimal(512)) for j in range(128, 256)]
    logs = [_FINE.ln(one) for one in middles]
    whole = [int(_FINE.multiply(one, Decimal(_ONE))) for one in (*logs, _FINE.ln(Decimal(2)))]
    return tuple(whole[:-1]), whole[-1]


def logarithm(u: float) -> Decimal:
    """log(u) to the 20 digits of `LOG.ln`, for u in (0, 1), in a fifth of the time.

    u is c · 2^e with c in [1/2, 1). c lies near the middle m of one of 128 steps, whose logarithm
    is known, and log(c / m) = 2 artanh((c - m) / (c + m)), of whose series seven terms are enough.
    All is whole numbers, of more digits than are asked for; where these could be rounded to either
    side, and close to 1, `LOG.ln` is asked.
    """
    c, exponent = math.frexp(u)
    whole = int(c * 2**53)
    step = int(c * 256)
    logs, log2 = _table()
    middle = (2 * step + 1) << 44
    x = ((whole - middle) << 131) // (whole + middle)  # twice the argument
    square = (x * x) >> 132
    series, power = x, x
    for odd in (3, 5, 7, 9, 11, 13):
        power = (power * square) >> 130
        series += power // odd
    exact = _FINE.divide(Decimal(exponent * log2 + logs[step - 128] + series), Decimal(_ONE))
    low, high = LOG.subtract(exact, _EDGE), LOG.add(exact, _EDGE)
    return low if low == high and exact < _CLOSE else LOG.ln(Decimal(u))


def water_fill(
    weights: Sequence[Decimal], caps: Sequence[int], ties: Sequence[Hashable]
) -> list[Decimal]:
    """Weights in proportion to `weights`, none above its cap; they add up to exactly 1.

    Caps are whole millionths. Whoever would pass a cap is held at it, and the rest is divided
    among the others again until nobody does; then largest remainder, which cannot pass a whole
    cap. Caps that add up to less than 1 are refused with code `allocation_capacity`.
    """
    if sum(caps) < WHOLE:
        raise conflict(
            "allocation_capacity", "The creators' limits hold only a part of this amount"
        ).at(
            "caps",
            from_units(sum(caps), WEIGHT_SCALE),
            "subscribe a smaller amount, or wait for more creators",
        )
    capped: set[int] = set()
    while True:
        open_ = [i for i in range(len(weights)) if i not in capped]
        left = WHOLE - sum(caps[i] for i in capped)
        level = sum((weights[i] for i in open_), Decimal(0))
        over = [i for i in open_ if left * weights[i] > caps[i] * level]
        if not over:
            break
        capped.update(over)
    filled = {i: from_units(caps[i], WEIGHT_SCALE) for i in capped}
    if open_:
        rest = from_units(left, WEIGHT_SCALE)
        parts = split_amount(
            rest, [weights[i] for i in open_], [ties[i] for i in open_], WEIGHT_SCALE
        )
        filled.update(zip(open_, parts, strict=True))
    return [filled[i] for i in range(len(weights))]


def allocate(
    seed: bytes, amount: Decimal, candidates: Iterable[Candidate], policy: Policy | None = None
) -> Allocation:
    """Draw creators for a subscription of `amount` and weigh them.

    Derive `seed` from a secret and the subscription's id (`ids.tie_break(secret, "allocation",
    subscription_id)`): it is stored, so it must not be the secret itself. The same input gives the
    same result in any order of candidates. Where k creators cannot hold the amount under their
    capital limits, more are drawn.

    Codes: `not_positive`, `duplicate_candidate`, `no_eligible_creator`, `allocation_capacity`.
    """
    policy = policy or Policy()
    pool = sorted(candidates, key=lambda candidate: (candidate.creator_id, candidate.flow_id))
    _require_sound(amount, pool)
    reasons = rejections(pool, amount, policy)
    eligible = [candidate for candidate in pool if not reasons[candidate.flow_id]]
    if not eligible:
        raise conflict(
            "no_eligible_creator", "No creator passes this product's profile and risk thresholds"
        ).at("candidates", len(pool), "choose another product, or wait for creators")
    weights = {c.flow_id: draw_weight(c, policy) for c in eligible}
    keys = {c.flow_id: draw_key(seed, c, weights[c.flow_id]) for c in eligible}
    order = sorted(eligible, key=lambda c: (-keys[c.flow_id], c.creator_id))
    chosen = _weigh(seed, amount, _enough(order, amount, policy), weights, policy)
    drawn = {leg.flow_id for leg in chosen}
    reasons.update({c.flow_id: ("not_drawn",) for c in eligible if c.flow_id not in drawn})
    ranked = tuple(
        Ranked(c, weights.get(c.flow_id), keys.get(c.flow_id), reasons[c.flow_id]) for c in pool
    )
    return Allocation(
        VERSION, seed.hex(), amount, policy, ranked, chosen, _alerts(len(chosen), policy)
    )


def _require_sound(amount: Decimal, pool: Sequence[Candidate]) -> None:
    if not amount.is_finite() or amount <= 0:
        raise CommendaError("not_positive", "The amount must be above 0").at("amount", amount)
    if len({candidate.flow_id for candidate in pool}) < len(pool):
        raise CommendaError("duplicate_candidate", "A flow is listed twice").at(
            "candidates", len(pool), "list every flow once"
        )


def _cap(candidate: Candidate, amount: Decimal, policy: Policy, among: int) -> int:
    """The most of this subscription that the creator may get among so many, in millionths."""
    most = policy.cap if among >= policy.fewest else Decimal(1)
    return int(min(most, capital_limit(candidate, policy) / amount) * WHOLE)


def _enough(order: Sequence[Candidate], amount: Decimal, policy: Policy) -> Sequence[Candidate]:
    """The first k in the draw's order, or as many more as the amount needs; else all of them."""
    for count in range(min(policy.k, len(order)), len(order)):
        drawn = order[:count]
        if sum(_cap(candidate, amount, policy, count) for candidate in drawn) >= WHOLE:
            return drawn
    return order


def _weigh(
    seed: bytes,
    amount: Decimal,
    drawn: Sequence[Candidate],
    weights: Mapping[UUID, Decimal],
    policy: Policy,
) -> tuple[Chosen, ...]:
    """The drawn creators with their weights, in the order in which they were drawn."""
    few = len(drawn) < policy.fewest
    filled = water_fill(
        [Decimal(1) if few else weights[candidate.flow_id] for candidate in drawn],
        [_cap(candidate, amount, policy, len(drawn)) for candidate in drawn],
        [ids.tie_break(seed, "weight", candidate.creator_id) for candidate in drawn],
    )
    return tuple(
        Chosen(candidate.creator_id, candidate.flow_id, weight)
        for candidate, weight in zip(drawn, filled, strict=True)
    )


def _alerts(chosen: int, policy: Policy) -> tuple[str, ...]:
    few = ("too_few_creators",) if chosen < policy.fewest else ()
    return few + (("more_creators_drawn",) if chosen > policy.k else ())

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

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any
from uuid import UUID

from commenda.kit import ids
from commenda.kit.errors import CommendaError, conflict
from commenda.kit.money import from_units, plain, split_amount
from commenda.kit.wire import Amount, on_wire, wire, wire_text
from commenda.managed.logarithm import LOG, logarithm

VERSION = "allocation-1"
"""Changes whenever the same input could give another result."""

WEIGHT_SCALE = 6
WHOLE = 10**WEIGHT_SCALE


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
        if not failed and not _cap(capital_limit(candidate, policy), amount, policy, 1):
            failed = ("capital",)
        if not failed and candidate.creator_id in taken:
            failed = ("other_flow",)
        if not failed:
            taken.add(candidate.creator_id)
        reasons[candidate.flow_id] = failed
    return reasons


@dataclass(frozen=True, slots=True)
class _Field:
    """Who may be drawn for an amount under a policy, each with its place among all `rows`."""

    rows: tuple[Ranked, ...]
    places: tuple[int, ...]
    names: tuple[bytes, ...]
    weights: tuple[Decimal, ...]
    limits: tuple[Decimal, ...]

    @classmethod
    def of(cls, pool: Sequence[Candidate], amount: Decimal, policy: Policy) -> _Field:
        found = rejections(pool, amount, policy)
        rows = tuple(Ranked(one, None, None, found[one.flow_id]) for one in pool)
        places = tuple(place for place, row in enumerate(rows) if not row.reasons)
        eligible = [pool[place] for place in places]
        return cls(
            rows,
            places,
            tuple(str(one.creator_id).encode() for one in eligible),
            tuple(draw_weight(one, policy) for one in eligible),
            tuple(capital_limit(one, policy) for one in eligible),
        )


class Candidates:
    """The candidates of one moment, in the order of creators and flows.

    What does not depend on who subscribes is worked out once for all that draw from it.
    """

    def __init__(self, candidates: Iterable[Candidate]) -> None:
        self.candidates = tuple(sorted(candidates, key=lambda one: (one.creator_id, one.flow_id)))
        self._fields: dict[Policy, tuple[Decimal, _Field]] = {}
        self._texts: tuple[str, ...] = ()
        self._sound = len({one.flow_id for one in self.candidates}) == len(self.candidates)

    def require_sound(self) -> None:
        """Code `duplicate_candidate` where a flow is listed twice."""
        if not self._sound:
            raise CommendaError("duplicate_candidate", "A flow is listed twice").at(
                "candidates", len(self.candidates), "list every flow once"
            )

    def field(self, amount: Decimal, policy: Policy) -> _Field:
        """Who may be drawn. Up to some amount, which is most often far away, it is the same."""
        known = self._fields.get(policy)
        if known is None:
            limits = (capital_limit(one, policy) for one in self.candidates)
            ample = min(limits, default=Decimal(0)) * WHOLE  # nobody's limit is a millionth of it
            known = self._fields[policy] = ample, _Field.of(self.candidates, Decimal(1), policy)
        ample, field = known
        return field if 1 <= amount <= ample else _Field.of(self.candidates, amount, policy)

    def snapshot(self, drawn: Allocation) -> str:
        """`wire_text` of a draw from them; what is known of the candidates is written once."""
        self._texts = self._texts or tuple(wire_text(one).decode() for one in self.candidates)
        rest = wire_text(replace(drawn, candidates=())).decode()
        before, after = rest.split('"candidates":[]', 1)
        rows = ",".join(
            f'{{"candidate":{text},"drawWeight":{_text(row.draw_weight)},"key":{_text(row.key)},'
            f'"reasons":{_listed(row.reasons)}}}'
            for text, row in zip(self._texts, drawn.candidates, strict=True)
        )
        return f'{before}"candidates":[{rows}]{after}'


def _listed(words: tuple[str, ...]) -> str:
    return '["' + '","'.join(words) + '"]' if words else "[]"


def _text(number: Decimal | None) -> str:
    return "null" if number is None else f'"{plain(number)}"'


def capital_limit(candidate: Candidate, policy: Policy) -> Decimal:
    """The most money one subscription may place with this creator."""
    return max(policy.capital_floor, policy.capital_share * candidate.followed_capital)


def draw_weight(candidate: Candidate, policy: Policy) -> Decimal:
    """The score, or the floor weight if that is more."""
    return max(policy.floor_weight, candidate.score)


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
    seed: bytes,
    amount: Decimal,
    candidates: Candidates | Iterable[Candidate],
    policy: Policy | None = None,
) -> Allocation:
    """Draw creators for a subscription of `amount` and weigh them.

    Derive `seed` from a secret and the subscription's id (`ids.tie_break(secret, "allocation",
    subscription_id)`): it is stored, so it must not be the secret itself. The same input gives the
    same result in any order of candidates. Where k creators cannot hold the amount under their
    capital limits, more are drawn.

    Codes: `not_positive`, `duplicate_candidate`, `no_eligible_creator`, `allocation_capacity`.
    """
    policy = policy or Policy()
    pool = candidates if isinstance(candidates, Candidates) else Candidates(candidates)
    if not amount.is_finite() or amount <= 0:
        raise CommendaError("not_positive", "The amount must be above 0").at("amount", amount)
    pool.require_sound()
    field = pool.field(amount, policy)
    if not field.places:
        raise conflict(
            "no_eligible_creator", "No creator passes this product's profile and risk thresholds"
        ).at("candidates", len(pool.candidates), "choose another product, or wait for creators")
    digest = ids.keyed(seed)
    keys = [
        LOG.divide(logarithm(ids.fraction(digest(name))), weight)
        for name, weight in zip(field.names, field.weights, strict=True)
    ]
    # Equal keys stay in the order of their creators.
    order = sorted(range(len(keys)), key=keys.__getitem__, reverse=True)
    drawn, caps = _enough(order, field.limits, amount, policy)
    filled = water_fill(
        [Decimal(1) if len(drawn) < policy.fewest else field.weights[i] for i in drawn],
        caps,
        [digest(b"weight\x1f" + field.names[i]) for i in drawn],
    )
    rows, legs = list(field.rows), list[Chosen]()
    for i in order:
        one = pool.candidates[field.places[i]]
        why = () if len(legs) < len(drawn) else ("not_drawn",)
        rows[field.places[i]] = Ranked(one, field.weights[i], keys[i], why)
        if not why:
            legs.append(Chosen(one.creator_id, one.flow_id, filled[len(legs)]))
    return Allocation(
        VERSION, seed.hex(), amount, policy, tuple(rows), tuple(legs), _alerts(len(legs), policy)
    )


def _cap(limit: Decimal, amount: Decimal, policy: Policy, among: int) -> int:
    """The most of this subscription that a creator may get among so many, in millionths."""
    most = policy.cap if among >= policy.fewest else Decimal(1)
    return int(min(most, limit / amount) * WHOLE)


def _enough(
    order: list[int], limits: Sequence[Decimal], amount: Decimal, policy: Policy
) -> tuple[list[int], list[int]]:
    """The first k in the draw's order, or as many more as the amount needs, or else all of them.

    With the caps of each.
    """
    for count in range(min(policy.k, len(order)), len(order) + 1):
        drawn = order[:count]
        caps = [_cap(limits[i], amount, policy, count) for i in drawn]
        if sum(caps) >= WHOLE:
            break
    return drawn, caps


def _alerts(chosen: int, policy: Policy) -> tuple[str, ...]:
    few = ("too_few_creators",) if chosen < policy.fewest else ()
    return few + (("more_creators_drawn",) if chosen > policy.k else ())

"""Plans and results as plain JSON, and back."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any

from commenda.kernel import Costs, FeeTier, Terms
from commenda.strategies import plain_terms, terms_of
from commenda.studies.model import Plan, Sampler
from commenda.studies.splits import Walk, WalkForward


def plain(value: Any) -> Any:
    """Dataclasses, tuples and enumerations as JSON; what is not finite is None."""
    if isinstance(value, Terms):
        return plain_terms(value)
    if is_dataclass(value) and not isinstance(value, type):
        return {one.name: plain(getattr(value, one.name)) for one in fields(value)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(name): plain(part) for name, part in value.items()}
    if hasattr(value, "_asdict"):
        return plain(value._asdict())
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    return value


def plan_of(stored: Mapping[str, Any]) -> Plan:
    """The plan that `plain` wrote."""
    walk = stored["walk"]
    costs = {**stored["costs"]}
    costs["tiers"] = tuple(FeeTier(**tier) for tier in costs.get("tiers", ()))
    rest = {name: part for name, part in stored.items() if name != "year"}
    rest |= {"sampler": Sampler(stored["sampler"]), "costs": Costs(**costs)}
    rest["terms"] = terms_of(rest.get("terms", {}))  # a plan stored before it had any
    rest["objectives"] = tuple(stored["objectives"])
    rest["walk"] = walk and WalkForward(Walk(walk["kind"]), walk["folds"], walk["embargo"])
    return Plan(**rest)

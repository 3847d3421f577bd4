"""What goes over the wire: camelCase, decimals as strings, times in ISO 8601. No HTTP here.

A domain's frozen dataclass is answered as it is once it is marked:

    @on_wire
    @dataclass(frozen=True, slots=True)
    class Funding:
        id: UUID
        user_id: Internal[UUID]
        amount: Amount
        status: Annotated[str, one_of(FundingStatus)]

A `Body` is for requests, and for answers that differ from what the domain speaks of.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache
from math import isfinite
from typing import TYPE_CHECKING, Annotated, Any, TypeVar
from uuid import UUID

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    TypeAdapter,
    computed_field,
)
from pydantic.alias_generators import to_camel
from pydantic.fields import FieldInfo

from commenda.kit.money import number, plain, real, whole
from commenda.kit.times import iso

T = TypeVar("T")


def on_wire(record: type[T]) -> type[T]:
    """Mark a dataclass that is answered as it is: its names are camelCase on the wire."""
    record.__pydantic_config__ = ConfigDict(  # type: ignore[attr-defined]
        alias_generator=to_camel,
        populate_by_name=True,
        extra="forbid",
        json_schema_serialization_defaults_required=True,  # an answer has all of its fields
    )
    return record


if TYPE_CHECKING:
    derived = property
else:

    def derived(get: Callable[[Any], Any]) -> Any:
        """A property of a record that goes out with it."""
        return computed_field(property(get), json_schema_extra=lambda one: one.pop("readOnly"))


Internal = Annotated[T, Field(exclude=True)]
"""A part of a record that does not go out, as in `user_id: Internal[UUID]`."""


def one_of(words: Iterable[str]) -> FieldInfo:
    """Says which words a text may be: an enumeration of text, or several words."""
    known: FieldInfo = Field(json_schema_extra={"enum": [str(word) for word in words]})
    return known


class Body(BaseModel):
    """A request or response whose names are camelCase on the wire; unknown fields are refused."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True
    )


def as_json(value: Any) -> Any:
    """Rows as JSON: names in camelCase, decimals as strings, times in ISO 8601.

    What was stored as JSON keeps its names.
    """
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, date):
        return iso(value)
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, Mapping):
        return {to_camel(name): as_json(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(part) for part in value]
    return value


def _exact(value: object) -> object:
    # A JSON number was a binary float on its way here; what it prints as is what was meant.
    if isinstance(value, float) and isfinite(value):
        return Decimal(repr(value))
    return _not_a_switch(number(value) if isinstance(value, str) else value)


def _not_a_switch(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("a switch is no number")
    return value


def _whole(value: object) -> object:
    return _not_a_switch(whole(value) if isinstance(value, str) else value)


def _real(value: object) -> object:
    return _not_a_switch(real(value) if isinstance(value, str) else value)


Whole = Annotated[int, BeforeValidator(_whole)]
"""A whole number from outside: in ASCII digits where it comes as text."""

Real = Annotated[float, BeforeValidator(_real), Field(allow_inf_nan=False)]
"""A measured number from outside, as fees and parameters of a backtest are: finite."""


Amount = Annotated[
    Decimal,
    BeforeValidator(_exact),
    PlainSerializer(plain, return_type=str, when_used="json"),
    Field(
        allow_inf_nan=False,
        max_digits=38,
        decimal_places=18,
        json_schema_extra={"type": "string", "examples": ["2500.00"]},
    ),
]
"""Money, quantities, prices and rates: an exact decimal, a string on the wire."""

WORDS = r"^[^\x00]*\S[^\x00]*$"
"""A text that says something, and that the database can store."""

Asset = Annotated[str, Field(pattern="^[A-Z0-9]{1,12}$", examples=["USDT"])]
"""The name of an asset."""


_NUMBER = re.compile(r"\s*[-+]?[0-9.]+\s*")


def _utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("a time beyond the calendar") from None


def _written_out(value: object) -> object:
    # Pydantic would take the year 2026 for as many seconds after 1970.
    if isinstance(value, int | float) or (isinstance(value, str) and _NUMBER.fullmatch(value)):
        raise ValueError("a time is written as in 2026-03-01T00:00:00Z")
    return value


Moment = Annotated[
    AwareDatetime,
    BeforeValidator(_written_out),
    AfterValidator(_utc),
    Field(json_schema_extra={"examples": ["2026-03-01T00:00:00Z"]}),
]
"""A time given from outside: with its time zone, taken as UTC."""


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def wire(answer: object) -> Any:
    """A body or a record as JSON-ready values with the wire's names."""
    kind: Any = type(answer)
    return _adapter(kind).dump_python(answer, mode="json", by_alias=True)


def wire_text(answer: object, kind: Any = None) -> bytes:
    """The JSON of a body or a record; `kind` where its class does not say all: `Page[Funding]`."""
    kind = type(answer) if kind is None else kind
    return _adapter(kind).dump_json(answer, by_alias=True)

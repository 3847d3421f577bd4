"""Refusals that a caller can act on.

Every refusal carries a stable `code` for programs, the status it has over HTTP and, for people, the
field, the value that was given and a hint. It is made where the rule is, in one expression:

    raise conflict("hold_resolved", "This hold is not open any more").at("group", group)
    raise unknown("subscription", subscription_id, "id")
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Self

from commenda.kit.times import iso


class CommendaError(Exception):
    """A refusal that the caller can understand and mend.

    `code` and `status` never change once released; `message` and `hint` may be reworded. A `value`
    that is neither text nor a plain number is kept as people write it.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        field: str | None = None,
        value: object = None,
        hint: str | None = None,
        status: int = 422,
    ) -> None:
        self.code = code
        self.message = message
        self.field = field
        self.value = _written(value)
        self.hint = hint
        self.status = status
        super().__init__(code, message)

    def at(self, field: str | None, value: object = None, hint: str | None = None) -> Self:
        """This refusal, of this field and the value it was given, with what would mend it."""
        self.field, self.value = field, _written(value)
        self.hint = self.hint if hint is None else hint
        return self

    def __str__(self) -> str:
        parts = [f"[{self.code}] {self.message}"]
        if self.field is not None:
            parts.append(f"{self.field} = {self.value!r}")
        if self.hint is not None:
            parts.append(self.hint)
        return "; ".join(parts)

    def __reduce__(self) -> tuple[object, ...]:
        # Pickled across process and workflow borders, an exception loses its keyword arguments.
        return type(self), (self.code, self.message), self.__dict__


def conflict(code: str, message: str) -> CommendaError:
    """A refusal of what is well formed and does not fit the present state: 409."""
    return CommendaError(code, message, status=409)


def not_found(code: str, message: str) -> CommendaError:
    """A refusal of what names something that is not there: 404."""
    return CommendaError(code, message, status=404)


def unknown(thing: str, value: object, field: str, hint: str | None = None) -> CommendaError:
    """The usual refusal of an identifier that names no `thing`: 404, code `unknown_<thing>`."""
    name = thing.replace("_", " ")
    mend = f"give a {name} that is there and yours to see" if hint is None else hint
    return not_found(f"unknown_{thing}", f"No such {name}").at(field, value, mend)


def _written(value: object) -> object:
    if value is None or isinstance(value, int | float | list | tuple):
        return value
    if isinstance(value, Decimal):
        return f"{value:f}"
    return iso(value) if isinstance(value, date) else str(value)

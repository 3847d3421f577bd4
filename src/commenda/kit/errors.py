"""Errors that a caller can act on.

Every refusal carries a stable `code` for programs and, for people, the field, the value that was
given and what would mend it.
"""

from __future__ import annotations


class CommendaError(Exception):
    """A refusal that the caller can understand and mend.

    `code` never changes once released; `message` may be reworded.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        field: str | None = None,
        value: object = None,
        mend: str | None = None,
    ) -> None:
        self.code = code
        self.message = message
        self.field = field
        self.value = value
        self.mend = mend
        super().__init__(str(self))

    def __str__(self) -> str:
        parts = [f"[{self.code}] {self.message}"]
        if self.field is not None:
            parts.append(f"{self.field} = {self.value!r}")
        if self.mend is not None:
            parts.append(self.mend)
        return "; ".join(parts)

    def __reduce__(self) -> tuple[object, ...]:
        # Pickled across process and workflow borders, an exception loses its keyword arguments.
        return _rebuild, (self.code, self.message, self.field, self.value, self.mend)


def _rebuild(
    code: str, message: str, field: str | None, value: object, mend: str | None
) -> CommendaError:
    return CommendaError(code, message, field=field, value=value, mend=mend)

"""The one frozen Settings object: nothing else in the package reads the environment.

Except `kernel`, which names numba's cache and imports nothing of the rest.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from pathlib import Path

from commenda.kit.errors import CommendaError


@dataclass(frozen=True, slots=True)
class Settings:
    """How one process of Commenda is set up.

    `database_url` names a PostgreSQL 15+ and its owner role; None starts the embedded server
    under `data`. The application logs in as `commenda_app`, with `app_password` if one is needed.
    `durable_commits` off trades the last commits after a *server* crash for speed (never
    consistency): right for a replay that can be resumed, wrong for a living operation.
    """

    data: Path = field(default_factory=lambda: Path(".commenda"))
    database_url: str | None = None
    app_password: str | None = None
    pool_size: int = 8
    durable_commits: bool = True

    @classmethod
    def from_environment(cls) -> Settings:
        """Read COMMENDA_DATA, COMMENDA_DATABASE_URL, COMMENDA_APP_PASSWORD, COMMENDA_POOL_SIZE."""
        return cls(
            data=Path(os.environ.get("COMMENDA_DATA", ".commenda")),
            database_url=os.environ.get("COMMENDA_DATABASE_URL") or None,
            app_password=os.environ.get("COMMENDA_APP_PASSWORD") or None,
            pool_size=_positive_integer("COMMENDA_POOL_SIZE", 8),
        )

    def at(self, data: Path) -> Settings:
        """The same set-up on the embedded server under another data directory."""
        return replace(self, data=data, database_url=None)


def _positive_integer(name: str, default: int) -> int:
    text = os.environ.get(name)
    if text is None:
        return default
    if not text.isdecimal() or int(text) < 1:
        raise CommendaError(
            "bad_setting",
            f"{name} must be a positive whole number",
            field=name,
            value=text,
            mend=f"set it to a number such as {default}, or unset it",
        )
    return int(text)

"""`commenda db`: the schema."""

from __future__ import annotations

from typing import Annotated

import typer

from commenda.cli.options import open_database
from commenda.kit.migrate import migrate as run_migrations

app = typer.Typer(help="The database and its schema.", no_args_is_help=True)


@app.callback()
def database() -> None:
    """The database and its schema."""


@app.command()
def migrate(
    to: Annotated[
        int | None, typer.Option(help="Keep only the first N migrations; reverts the others.")
    ] = None,
) -> None:
    """Bring the schema up to date (or down to the first N migrations)."""
    with open_database() as opened:  # which migrates up
        reverted = run_migrations(opened.owner_url, to=to) if to is not None else []
    typer.echo("\n".join(f"reverted {name}" for name in reverted) or "the schema is up to date")

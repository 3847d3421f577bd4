"""`commenda risk`: what may be held and ordered, and the switch that stops it."""

from __future__ import annotations

import typer

from commenda.cli import stopping

app = typer.Typer(help="Limits, breakers and the kill switch.", no_args_is_help=True)
app.command()(stopping.kill)
app.command()(stopping.resume)
app.command()(stopping.status)

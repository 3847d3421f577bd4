"""`commenda simulate`: replay a whole business and show what came of it."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer

from commenda.cli.lives import life
from commenda.cli.options import Html, require_folder, require_report
from commenda.cli.simulation_report import show_report
from commenda.cli.tables import Column, progress, show, texts
from commenda.kit.errors import CommendaError
from commenda.kit.report import report_page
from commenda.simulate import Scenario, compare, load_scenario, simulate


def run(
    scenario: Annotated[Path, typer.Argument(help="The scenario's TOML file.")],
    json_out: Annotated[
        Path | None, typer.Option("--json", help="Write the report as JSON to this file.")
    ] = None,
    html_out: Html = None,
    keep: Annotated[
        Path | None, typer.Option(help="Keep the database in this (new) directory.")
    ] = None,
    resume: Annotated[
        Path | None, typer.Option(help="Continue a killed run whose database was kept here.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Replace the scenario's seed.")] = None,
    compared: Annotated[
        str | None,
        typer.Option(
            "--compare", metavar="abilities", help="Replay it with each ability left out in turn."
        ),
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Of a comparison: seeds in a row.")] = 3,
    windows: Annotated[
        int,
        typer.Option(min=1, help="Of a comparison: stretches of that many days, in a row."),
    ] = 1,
) -> None:
    """Replay a business (creators, products, investors) over candles, and prove its books."""
    plan = load_scenario(scenario, seed)
    require_report(html_out)
    require_folder(json_out, "--json")
    if compared is not None:
        return _compare(plan, compared, seeds, windows, json_out)
    directory = _directory(keep, resume)
    with life() as mine:
        if keep is not None or resume is not None:
            mine.again = ["commenda", "simulate", str(scenario), "--resume", str(directory)]
            options = {"--seed": seed, "--json": json_out, "--html": html_out}
            for option, value in options.items():
                mine.again += [] if value is None else [option, str(value)]
        try:
            result = _replay(plan, directory)
        finally:
            if keep is None and resume is None:
                shutil.rmtree(directory, ignore_errors=True)
    if json_out is not None:
        json_out.write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n", "utf-8")
    if html_out is not None:
        html_out.write_text(report_page("simulation", plan.title, result), "utf-8")
    show_report(result)
    sound = result["verify"]["clean"] and result["reconciliation"]["unexplained"] == "0"
    raise typer.Exit(0 if sound else 1)


def _directory(keep: Path | None, resume: Path | None) -> Path:
    if keep is not None and resume is not None:
        raise CommendaError("keep_or_resume", "A run is either new or resumed").at("--keep", keep)
    if resume is not None:
        if not (resume / "postgres").is_dir():
            raise CommendaError("nothing_to_resume", "No run was kept here").at(
                "--resume", resume, "begin one with --keep"
            )
        return resume
    if keep is not None:
        if keep.exists() and any(keep.iterdir()):
            raise CommendaError("directory_not_empty", "A new run needs a new directory").at(
                "--keep", keep, "name another, or continue the run in it with --resume"
            )
        keep.mkdir(parents=True, exist_ok=True)
        return keep
    return Path(tempfile.mkdtemp(prefix="commenda-"))


def _replay(plan: Scenario, directory: Path) -> dict[str, Any]:
    with progress("candles") as bar:
        task = bar.add_task(plan.title, total=None)
        return simulate(
            plan, directory, lambda done, total: bar.update(task, completed=done, total=total)
        )


PAID = (
    *texts("ability"),
    Column("figure", lambda one: one["figure"].replace("_", " ")),
    Column("difference", lambda one: f"{one['mean']:+.3%}", number=True),
    Column("from", lambda one: _percent(one["low"]), number=True),
    Column("to", lambda one: _percent(one["high"]), number=True),
    Column("decisions", lambda one: str(one["decisions"]), number=True),
)


def _percent(value: float | None) -> str:
    return "" if value is None else f"{value:+.3%}"


def _compare(plan: Scenario, what: str, seeds: int, windows: int, json_out: Path | None) -> None:
    """What each ability brought: with it less without it, the mean over the pairs and its 95 %."""
    if what != "abilities":
        raise CommendaError("bad_comparison", "Only abilities are compared").at(
            "--compare", what, "write --compare abilities"
        )
    with progress("replays") as bar:
        task = bar.add_task(plan.title, total=None)

        def told(done: int, total: int, name: str) -> None:
            bar.update(task, completed=done, total=total, description=name)

        result = compare(plan, seeds, windows, told)
    if json_out is not None:
        json_out.write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n", "utf-8")
    pairs = seeds * windows
    title = f"{plan.title}: what each ability brought, {pairs} pairs of runs"
    show(result["paid"], PAID, title=title)

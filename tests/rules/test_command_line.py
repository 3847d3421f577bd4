"""The command line imports what it is asked for, and knows all the rest by name."""

from __future__ import annotations

import subprocess
import sys

import pytest
from typer.testing import CliRunner

from commenda.cli import COMMANDS, app


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_found_and_helps(command: str) -> None:
    shown = CliRunner().invoke(app, [command, "--help"], prog_name="commenda")
    assert shown.exit_code == 0
    assert f"commenda {command}" in shown.output


def test_help_lists_every_command_with_what_it_does() -> None:
    lines = CliRunner().invoke(app, ["--help"]).output.splitlines()
    described = {words[1] for line in lines if len(words := line.split()) > 3}
    assert set(COMMANDS) <= described


def test_a_slip_of_the_finger_is_told_what_was_meant() -> None:
    shown = CliRunner().invoke(app, ["backtes"])
    assert shown.exit_code == 2
    assert "Did you mean 'backtest'?" in shown.output


def test_a_backtest_does_not_wait_for_what_serves_and_queues() -> None:
    program = (
        "import sys\n"
        "from commenda.cli import app\n"
        "app(['backtest', '--help'], standalone_mode=False)\n"
        "print([name for name in ('fastapi', 'dbos', 'sqlalchemy') if name in sys.modules])\n"
    )
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("wrong", ["1_0", "１２", "١٢", " 1", "1e1"])
def test_an_option_takes_a_whole_number_in_ascii_digits(wrong: str) -> None:
    said = CliRunner().invoke(app, ["schedule", "log", "nav", "--limit", wrong])
    assert said.exit_code == 2
    assert "write a whole number in digits, such as 50" in " ".join(
        said.output.replace("│", " ").split()
    )


@pytest.mark.parametrize("wrong", ["1_0", "１２", "nan", "inf"])
def test_an_option_takes_a_measured_number_in_ascii_digits(wrong: str) -> None:
    said = CliRunner().invoke(app, ["backtest", "run", "sma_cross", "--fee", wrong])
    assert said.exit_code == 2
    assert "write a number in digits" in " ".join(said.output.replace("│", " ").split())

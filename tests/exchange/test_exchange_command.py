"""What `commenda exchange` is told wrongly is said of the option."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from typer.testing import CliRunner

from commenda.cli import app


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        (["--symbols", " , "], "no_symbols"),
        (["--symbols", "NOPE"], "unknown_instrument"),
        (["--deposit", "1e400"], "bad_amount"),
        (["--deposit", "-5"], "bad_amount"),
        (["--spot", " , "], "no_symbols"),
        (["--symbols", "BTCUSDT", "--spot", "ETHUSDT"], "no_future"),
        (["--spot", "BTCUSDT", "--spot-deposit", "BTC"], "bad_amount"),
        (["--spot", "BTCUSDT", "--spot-deposit", "BTC:-1"], "bad_amount"),
        (["--from", "yesterday"], "bad_time"),
        (["--account", "desk:only"], "bad_account"),
        (["--account", "desk:key:secret:"], "bad_account"),
        (["--depth", "nowhere.parquet", "--trades", "nowhere.parquet"], "no_such_file"),
        (["--host", "no such host"], "cannot_listen"),
        (["--pace", "1e400"], "'--pace'"),
    ],
)
def test_a_wrong_option_is_named(tmp_path: Path, wrong: list[str], code: str) -> None:
    told = CliRunner().invoke(app, ["exchange", "--data", str(tmp_path), "--port", "0", *wrong])
    said = told.output + str(getattr(told.exception, "code", ""))
    assert told.exit_code != 0
    assert code in said
    assert "Traceback" not in said


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        told = CliRunner().invoke(app, ["exchange", "--data", str(tmp_path), "--port", port])
    assert getattr(told.exception, "code", "") == "cannot_listen"
    assert port in str(getattr(told.exception, "value", ""))

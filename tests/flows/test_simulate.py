"""A whole small business: proved at its end, the same again, and the same after being killed."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest

from commenda.kit.errors import CommendaError
from commenda.simulate import load_scenario, simulate
from extent import long, up_to
from scenario_runs import DAYS, SCENARIO

D = Decimal
COMMENDA = Path(sys.executable).with_name("commenda")
TICKS = DAYS * 24


@pytest.fixture(scope="module")
def scenario(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("scenario") / "small.toml"
    path.write_text(SCENARIO)
    return path


@pytest.fixture(scope="module")
def result(scenario: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return replayed(scenario, tmp_path_factory.mktemp("first"))


def replayed(scenario: Path, data: Path, seed: int | None = None) -> dict[str, Any]:
    """A run's report as it is written to JSON, without what depends on the machine."""
    return timeless(json.loads(json.dumps(simulate(load_scenario(scenario, seed), data))))


def timeless(result: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in result.items() if key != "timings"}


def test_everything_ends_settled_and_proved(result: dict[str, Any]) -> None:
    assert [row["status"] for row in result["investors"]["states"]] == ["SETTLED"]
    assert result["verify"] == {"clean": True, "findings": []}
    assert result["reconciliation"]["unexplained"] == "0"
    assert result["ledger"]["totals"] == {"USDT": "0"}


def test_the_run_did_what_it_is_meant_to_prove(result: dict[str, Any]) -> None:
    """Retries, renewals, all three doors, funding, commissions, a gain and a loss."""
    assert result["investors"]["investors"] == 14
    assert result["investors"]["subscriptions"] > 20
    assert result["liquidation"]["retried"] > 0
    assert {row["door"] for row in result["liquidation"]["doors"]} == {
        "investor",
        "operator",
        "sweep",
    }
    assert result["counts"]["signals"] > 50
    assert result["counts"]["fundingPayments"] > 0
    assert result["referral"]["commissions"] > 0
    assert D(result["platform"]["profitShare"]) > 0
    assert (
        D(result["investors"]["outcomes"]["worst"]) < 0 < D(result["investors"]["outcomes"]["best"])
    )


def test_settlements_share_out_all_the_money_there_is(result: dict[str, Any]) -> None:
    """What the balances of each kind add up to, recomputed from the report's own parts."""
    balances = {
        (row["kind"], row["ownerKind"]): D(row["balance"]) for row in result["ledger"]["balances"]
    }
    platform = result["platform"]
    assert balances["fee:management", "platform"] == D(platform["managementFee"])
    assert balances["fee:platform", "platform"] == D(platform["keptOfCut"])
    assert balances["fee:profit_share", "creator"] == D(platform["paidToCreators"])
    assert D(platform["profitShare"]) == (
        D(platform["paidToCreators"]) + D(platform["keptOfCut"]) + D(platform["referralCost"])
    )
    assert balances["referral_pending", "investor"] == D(result["referral"]["amount"])
    assert balances.get(("unallocated", "platform"), D(0)) == 0
    assert sum(balances.values()) == 0


@long  # one that is killed again and again ends the same, too
def test_the_same_run_again_gives_the_same_report(
    scenario: Path, result: dict[str, Any], tmp_path: Path
) -> None:
    assert replayed(scenario, tmp_path) == result


def test_another_seed_draws_other_creators(
    scenario: Path, result: dict[str, Any], tmp_path: Path
) -> None:
    other = replayed(scenario, tmp_path, seed=42)
    assert other["allocation"]["digest"] != result["allocation"]["digest"]
    assert other["ledger"]["digest"] != result["ledger"]["digest"]
    assert other["verify"]["clean"]
    assert other["reconciliation"]["unexplained"] == "0"


@dataclass
class Run:
    """`commenda simulate` in processes of its own, on one directory."""

    scenario: Path
    data: Path
    out: Path
    process: subprocess.Popen[bytes] | None = None

    def start(self, *options: str) -> None:
        resume = (self.data / "postgres").is_dir()
        self.process = subprocess.Popen(
            [
                COMMENDA,
                "simulate",
                self.scenario,
                "--resume" if resume else "--keep",
                self.data,
                "--json",
                self.out,
                *options,
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def ended(self) -> bool:
        return self.process is None or self.process.poll() is not None

    def wait(self) -> tuple[int, str]:
        assert self.process is not None
        output, _ = self.process.communicate(timeout=120)
        return self.process.returncode, output.decode()

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.communicate()

    def server(self) -> list[str]:
        """The lines of postmaster.pid: pid, directory, start, port, socket's directory."""
        with suppress(FileNotFoundError):
            lines = (self.data / "postgres" / "postmaster.pid").read_text().splitlines()
            return lines if len(lines) > 5 else []
        return []

    def kill_server(self) -> None:
        if lines := self.server():
            with suppress(ProcessLookupError):
                os.kill(int(lines[0]), signal.SIGKILL)

    def ticks_done(self) -> int:
        """Ticks committed, read as the owner; -1 while nobody can say."""
        lines = self.server()
        with suppress(psycopg.Error, IndexError):
            with psycopg.connect(
                host=lines[4], port=lines[3], user="commenda_owner", dbname="commenda"
            ) as owner:
                row = owner.execute(
                    "SELECT coalesce((tick - extract(epoch FROM begun_at)) / 3600 + 1, 0)::integer"
                    " FROM replays"
                ).fetchone()
            return int(row[0]) if row else -1
        return -1


@pytest.fixture
def run(scenario: Path, tmp_path: Path) -> Iterator[Run]:
    run = Run(scenario, tmp_path / "kept", tmp_path / "report.json")
    with stopping(run):
        yield run


@contextmanager
def stopping(run: Run) -> Iterator[None]:
    try:
        yield
    finally:
        if not run.ended():
            run.kill()
        run.kill_server()


def test_a_run_killed_again_and_again_ends_the_same(
    run: Run, result: dict[str, Any], seed: int
) -> None:
    """kill -9 at random moments, of the replay alone and now and then of its database too."""
    rng = random.Random(seed)
    later = sorted(rng.randrange(TICKS - 6) for _ in range(up_to(3, 9)))
    moments = [rng.uniform(0, 1.5), *later]
    kills = []
    for place, moment in enumerate(moments):
        run.start()
        if place == 0:  # while it starts: the server, the schema, the creators
            while not (run.data / "postgres").is_dir():
                assert not run.ended(), run.wait()[1]
                time.sleep(0.01)
            time.sleep(moment)
        else:
            deadline = time.monotonic() + 60
            while run.ticks_done() < moment and not run.ended():
                assert time.monotonic() < deadline, "it came to nothing"
                time.sleep(0.002)
            time.sleep(rng.uniform(0, 0.03))
        assert not run.ended(), run.wait()[1]
        server_too = rng.random() < 0.3
        if server_too and rng.random() < 0.5:
            run.kill_server()
        run.kill()
        if server_too:
            run.kill_server()
        kills.append((moment, "and server" if server_too else ""))
    print(kills)
    run.start()
    code, output = run.wait()
    assert code == 0, output
    assert timeless(json.loads(run.out.read_text())) == result


def test_a_kept_run_is_not_resumed_with_another_seed_or_scenario(
    run: Run, scenario: Path, tmp_path: Path
) -> None:
    run.start()
    while run.ticks_done() < 1 and not run.ended():
        time.sleep(0.01)
    run.kill()
    with pytest.raises(CommendaError) as caught:
        simulate(load_scenario(scenario, 99), run.data)
    assert caught.value.code == "other_scenario"
    edited = tmp_path / "edited.toml"
    edited.write_text(SCENARIO.replace('hurdle = "0.02"', 'hurdle = "0.03"'))
    run.scenario = edited
    run.start()
    code, output = run.wait()
    assert code != 0
    assert "other_scenario" in output


def test_a_new_run_needs_a_new_directory_and_a_resumed_one_an_old(
    scenario: Path, tmp_path: Path
) -> None:
    (tmp_path / "something").write_text("in the way")
    for option, code in (("--keep", "directory_not_empty"), ("--resume", "nothing_to_resume")):
        done = subprocess.run(
            [COMMENDA, "simulate", scenario, option, tmp_path], capture_output=True, text=True
        )
        assert done.returncode != 0
        assert code in done.stdout + done.stderr

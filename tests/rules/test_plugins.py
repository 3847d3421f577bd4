"""Strategies out of files and installed packages: found, refused by name, compiled anew."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner, Result

from commenda.cli import app
from commenda.kernel import CACHE_DIR, run
from commenda.kit.errors import CommendaError
from commenda.strategies import (
    CATALOGUE,
    find_strategy,
    installed_plugins,
    plugins,
    reference_to,
)
from commenda.testing import sample_bars

BARS = sample_bars(200)
DECLARED = '''
from commenda.kernel import compiled
from commenda.strategies import Param, strategy


@strategy(name="{name}", version="1.0.0", params=[Param("level", default=0.5, low=0.0, high=1.0)],
          state_size=lambda p: 0, warmup=lambda p: 0)
def {name}(state, bar, position, params):
    """Always the same."""
    return {answer}
'''


def written(path: Path, *names: str, answer: str = "params[0]", first: str = "") -> Path:
    path.write_text(first + "".join(DECLARED.format(name=each, answer=answer) for each in names))
    return path


def target_of(named: str) -> float:
    return float(run(find_strategy(named).bind(), BARS, cash=1e4).targets[-1])


def refusal(named: str) -> CommendaError:
    with pytest.raises(CommendaError) as caught:
        find_strategy(named)
    return caught.value


# Files


def test_a_file_gives_its_only_strategy_or_the_one_named(tmp_path: Path) -> None:
    one = written(tmp_path / "one.py", "steady")
    assert find_strategy(str(one)).name == find_strategy(f"{one}:steady").name == "steady"
    two = written(tmp_path / "two.py", "calm", "still")
    assert find_strategy(f"{two}:still").name == "still"
    assert target_of(f"{two}:calm") == 0.5


def test_the_catalogue_is_found_by_name_and_a_file_by_its_reference(tmp_path: Path) -> None:
    for each in CATALOGUE:
        assert find_strategy(each.name) is each
        assert reference_to(each) == each.name
    found = find_strategy(str(written(tmp_path / "mine.py", "steady")))
    assert reference_to(found) == f"{tmp_path / 'mine.py'}:steady"


def test_what_cannot_be_found_is_refused_by_what_is_wrong_with_it(tmp_path: Path) -> None:
    assert refusal("ema_trendy").code == "unknown_strategy"
    assert refusal(str(tmp_path / "no.py")).code == "strategy_file_not_found"
    two = written(tmp_path / "two.py", "calm", "still")
    several = refusal(str(two))
    assert several.code == "several_strategies"
    assert f"{two}:calm" in (several.hint or "")
    assert refusal(f"{two}:loud").code == "unknown_strategy"
    empty = tmp_path / "empty.py"
    empty.write_text("from commenda.strategies import CATALOGUE\nmine = CATALOGUE[0]\n")
    assert refusal(str(empty)).code == "no_strategy"
    assert refusal(str(written(tmp_path / "same.py", "ema_trend"))).code == "strategy_name_taken"


def test_a_file_that_fails_is_shown_with_the_line_that_failed(tmp_path: Path) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text("x = 1\n\ny = x / 0\n")
    error = refusal(str(broken))
    assert error.code == "strategy_file_broken"
    assert error.message == "broken.py, line 3: ZeroDivisionError: division by zero"
    broken.write_text("def f(:\n")
    assert refusal(str(broken)).message.startswith("broken.py, line 1: SyntaxError")
    (tmp_path / "helper.py").write_text("import nothing_of_that_name\n")
    broken.write_text("import math\nimport helper\n")
    assert refusal(str(broken)).message.startswith("helper.py, line 1: ModuleNotFoundError")
    broken.write_text("raise SystemExit(3)\n")
    assert refusal(str(broken)).message == "broken.py, line 1: SystemExit: 3"


# Edits


HELPER = "from commenda.kernel import compiled\n\n\n@compiled\ndef level():\n    return {value}\n"


def test_an_edit_of_a_helper_runs_at_once_and_in_the_cache_of_later_processes(
    tmp_path: Path,
) -> None:
    helper = tmp_path / "helper.py"
    mine = written(
        tmp_path / "mine.py", "helped", answer="level()", first="from helper import level\n"
    )
    hashes = []
    for value in (0.25, 0.75, 0.25):  # as long a text each time, and within a second
        helper.write_text(HELPER.format(value=value))
        assert target_of(str(mine)) == value
        hashes.append(find_strategy(str(mine)).source_hash)
    assert hashes[0] == hashes[2] != hashes[1]
    assert "helper" not in {path.stem for path in tmp_path.rglob("*.pyc")}


def test_what_a_file_compiles_lies_in_a_cache_of_its_own_sources(tmp_path: Path) -> None:
    (tmp_path / "helper.py").write_text(HELPER.format(value=0.125))
    (tmp_path / "stranger.py").write_text("x = 1\n")
    mine = written(
        tmp_path / "mine.py", "helped", answer="level()", first="from helper import level\n"
    )
    assert plugins.sources_of(mine) == (tmp_path / "helper.py", mine)
    target_of(str(mine))
    # By the hash: the cache outlives this run, and other folders' runs lie in it under this name.
    own = plugins.digest_of(tmp_path, plugins.sources_of(mine))
    assert list(CACHE_DIR.glob(f"plugin-{own}/*/mine.*.nbi"))
    assert not list(CACHE_DIR.glob("*/mine.*.nbi"))


def test_two_files_may_have_helpers_of_one_name(tmp_path: Path) -> None:
    files = []
    for place, value in (("a", 0.25), ("b", 0.75)):
        (tmp_path / place).mkdir()
        (tmp_path / place / "helper.py").write_text(HELPER.format(value=value))
        first = "from helper import level\n"
        file = tmp_path / place / "mine.py"
        files.append(written(file, f"of_{place}", answer="level()", first=first))
    first_found = find_strategy(str(files[0]))
    assert target_of(str(files[1])) == 0.75
    assert run(first_found.bind(), BARS, cash=1e4).targets[-1] == 0.25


def test_a_constant_reached_through_a_module_changes_the_source_hash(tmp_path: Path) -> None:
    helper = tmp_path / "knobs.py"
    mine = written(tmp_path / "mine.py", "turned", answer="knobs.UP", first="import knobs\n")
    hashes = set()
    for value in ("0.5", "(0.5, 1.0)[0]", "0.25"):
        helper.write_text(f"UP = {value}\n")
        hashes.add(find_strategy(str(mine)).source_hash)
    assert len(hashes) == 2  # the constant counts, not how it is written


# Packages


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package `offered` on the import path, forgotten afterwards."""
    (tmp_path / "offered").mkdir()
    (tmp_path / "offered" / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path / "offered"
    for name in [name for name in sys.modules if name.partition(".")[0] == "offered"]:
        del sys.modules[name]


def offer(monkeypatch: pytest.MonkeyPatch, **points: str) -> None:
    """Have the environment's packages declare these entry points."""
    found = [EntryPoint(name, value, plugins.GROUP) for name, value in points.items()]
    monkeypatch.setattr(plugins, "entry_points", lambda group: found)


def test_an_installed_strategy_is_found_by_its_name(
    package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(package / "steady.py", "steady")
    offer(monkeypatch, steady="offered.steady:steady")
    assert target_of("steady") == 0.5
    assert reference_to(find_strategy("steady")) == "steady"
    assert [each.name for each in installed_plugins()] == ["steady"]
    assert any(CACHE_DIR.glob("plugin-*/offered_*/steady.steady-*.nbi"))


def test_a_broken_plug_in_is_listed_with_its_error_and_breaks_no_other(
    package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(package / "steady.py", "steady")
    written(package / "renamed.py", "other")
    (package / "broken.py").write_text("import nothing_of_that_name\n")
    offer(
        monkeypatch,
        steady="offered.steady:steady",
        ema_trend="offered.steady:steady",
        broken="offered.broken:broken",
        renamed="offered.renamed:other",
        number="offered.steady:strategy",
        absent="not_installed.at_all:x",
    )
    errors = {each.name: each.error.code if each.error else None for each in installed_plugins()}
    assert errors == {
        "absent": "strategy_broken",
        "broken": "strategy_broken",
        "ema_trend": "strategy_name_taken",
        "number": "strategy_broken",
        "renamed": "strategy_broken",
        "steady": None,
    }
    assert "nothing_of_that_name" in refusal("broken").message
    assert find_strategy("ema_trend") in CATALOGUE


def test_a_table_in_the_module_counts_in_the_source_hash(tmp_path: Path) -> None:
    mine = tmp_path / "mine.py"
    hashes = set()
    for value in (1.0, 2.0):
        first = f"import numpy as np\nTABLE = np.full(3, {value})\n"
        written(mine, "tabled", answer="TABLE[0]", first=first)
        assert target_of(str(mine)) == value
        hashes.add(find_strategy(str(mine)).source_hash)
    assert len(hashes) == 2


# The command line


def candles_of(path: Path) -> Path:
    """The first bars as a file of candles."""
    stamps = BARS.ts.astype("datetime64[ns]").astype("datetime64[us]")
    prices = ("open", "high", "low", "close", "volume")
    columns = {name: getattr(BARS, name) for name in prices}
    pl.DataFrame({"ts": stamps, **columns}).with_columns(
        pl.col("ts").dt.replace_time_zone("UTC")
    ).write_parquet(path)
    return path


def strategy_command(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["strategy", *arguments])


def test_the_command_line_lists_shows_and_says_what_is_slow(tmp_path: Path) -> None:
    rows = json.loads(strategy_command("list", "--json").stdout)
    assert {row["name"] for row in rows} >= {each.name for each in CATALOGUE}
    mine = written(tmp_path / "mine.py", "steady")
    slow = mine.read_text().replace("state_size=", "python=True, state_size=")
    mine.write_text(slow)
    shown = strategy_command("show", str(mine)).stdout
    assert "Always the same." in shown
    assert "plain Python, slower" in shown
    declared = json.loads(strategy_command("show", "ema_trend", "--json").stdout)
    assert declared["params"][0] == {
        "name": "fast",
        "default": 72,
        "low": 2,
        "high": 2000,
        "kind": "int",
    }


def test_the_command_line_checks_a_file_and_fails_where_a_promise_is_broken(
    tmp_path: Path,
) -> None:
    data = str(candles_of(tmp_path / "binance_usdm_BTCUSDT_5m.parquet"))
    first = "import numpy as np\nSEEN = []\n"
    answer = "(SEEN.append(1), 1.0 if len(SEEN) % 7 else 0.0)[1]"
    mine = written(tmp_path / "mine.py", "hoarding", answer=answer, first=first)
    mine.write_text(mine.read_text().replace("state_size=", "python=True, state_size="))
    checked = strategy_command("check", str(mine), "--data", data, "--json")
    assert checked.exit_code == 1
    findings = {one["check"]: one for one in json.loads(checked.stdout)["findings"]}
    broken = {name for name, one in findings.items() if one["verdict"] == "failed"}
    assert {"truncation", "sources", "restore", "determinism"} <= broken
    assert findings["inputs"]["verdict"] == "passed"
    told = strategy_command("check", f"{mine}:hoarding", "--data", data)
    assert "plain Python, slower" in told.stdout
    assert "SEEN, which is a list" in " ".join(told.stdout.split())
    refused = strategy_command("check", "ema_trend", "--params", "fast")
    assert isinstance(refused.exception, CommendaError)

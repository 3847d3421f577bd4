"""The kinds of alerts: each has its texts, and no domain raises one that has no row."""

from __future__ import annotations

import ast
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import commenda
from commenda.alerts import KINDS
from commenda.managed.lifecycle import Milestones, State, overdue

PACKAGE = Path(commenda.__file__).parent
TEXTS = Path(__file__).parents[2] / "web" / "src" / "i18n"
NAMES = {kind.name for kind in KINDS}
MATURED = datetime(2026, 1, 5, tzinfo=UTC)


def texts(language: str) -> dict[str, str]:
    """The console's names of kinds."""
    source = (TEXTS / language / "operate.ts").read_text("utf-8")
    (block,) = re.findall(r"\balertKinds: \{(.*?)\n  \}", source, re.DOTALL)
    groups = re.findall(r"(\w+): \{(.*?)\}", block, re.DOTALL)
    return {
        f"{group}.{name}": text
        for group, names in groups
        for name, text in re.findall(r'(\w+): "([^"]+)"', names)
    }


def test_every_kind_has_its_text_in_both_languages() -> None:
    english, chinese = texts("en"), texts("zh")
    assert english.keys() == chinese.keys() == NAMES
    assert all(text.isascii() for text in english.values())
    assert not any(text.isascii() for text in chinese.values())


def test_a_kind_is_listed_once_and_where_the_index_finds_it() -> None:
    assert len(NAMES) == len(KINDS)
    assert {name for name in NAMES if not name.startswith("alert.")} == {"liquidation.failed"}


def mistakes(source: str) -> list[str]:
    """Alerts that a module names without a row, or records without raising them."""
    tree = ast.parse(source)
    named = {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and (node.value in NAMES or re.fullmatch(r"alert\.\w+", node.value))
    }
    called = {
        node.func.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    unknown = sorted(named - NAMES)
    return unknown if not named or "raise_alerts" in called else sorted(named)


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ('raise_alerts(tx, [Event("alert.job_failed", name)])', []),
        ('raise_alerts(tx, [Event("alert.no_such_kind", name)])', ["alert.no_such_kind"]),
        ('record(tx, [Event("liquidation.failed", name)])', ["liquidation.failed"]),
        ('record(tx, [Event("settlement.done", name)])', []),
    ],
)
def test_a_module_that_raises_an_unknown_alert_or_only_records_one_is_found(
    source: str, found: list[str]
) -> None:
    assert mistakes(source) == found


def test_every_module_raises_alerts_that_have_a_row() -> None:
    found = {
        file.relative_to(PACKAGE).as_posix(): mistakes(file.read_text("utf-8"))
        for file in PACKAGE.rglob("*.py")
        if file.parent.name != "alerts"
    }
    assert found
    assert {name: wrong for name, wrong in found.items() if wrong} == {}


def test_every_missed_deadline_is_a_kind() -> None:
    late = MATURED + timedelta(days=1)
    milestones = [
        Milestones(State.ACTIVE, MATURED),
        Milestones(State.LIQUIDATING, MATURED, MATURED),
        Milestones(State.LIQUIDATED, MATURED, MATURED, MATURED),
        Milestones(State.SETTLED, MATURED, MATURED, MATURED, MATURED, share_failures=1),
    ]
    codes = {f"alert.{code}" for one in milestones for code in overdue(one, late)}
    assert len(codes) == 6
    assert codes <= NAMES

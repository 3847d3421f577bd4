"""Every refusal that people can meet in the console is said in Chinese, too."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import commenda

ROOT = Path(commenda.__file__).parent
WORDS = ROOT.parents[1] / "web" / "src" / "i18n" / "zh" / "refusals.ts"
FORMS = (
    "identity",
    "funding",
    "managed",
    "income",
    "copying",
    "operations",
    "referrals",
    "earnings",
    "venues",
)
"""Packages whose routes the console's forms send to."""
NOT_MET = {
    # A call that only our own code could make.
    "bad_allocation_policy", "bad_bounds", "bad_record", "day_not_over", "day_out_of_order",
    "duplicate_candidate", "duplicate_leg", "duplicate_payee", "gap_between_tiers",
    "negative_amount", "negative_days", "not_utc", "settlement_unbalanced", "share_without_profit",
    "tiers_overlap", "unknown_hurdle_kind",
}  # fmt: skip
ELSEWHERE = {"invalid_request", "unreadable_body", "internal_error", "unknown_account", "no_mark"}
"""Made by the application, the ledger and the books, whatever the form."""


def codes(package: str) -> set[str]:
    """The codes that a package refuses with, read from its calls."""
    found = set()
    for module in (ROOT / package).rglob("*.py"):
        for node in ast.walk(ast.parse(module.read_text())):
            if not (isinstance(node, ast.Call) and node.args):
                continue
            name, first = getattr(node.func, "id", ""), node.args[0]
            if not (isinstance(first, ast.Constant) and isinstance(first.value, str)):
                continue
            if name in ("CommendaError", "conflict", "not_found"):
                found.add(first.value)
            elif name == "unknown":
                found.add(f"unknown_{first.value}")
    return found


def test_every_refusal_of_a_form_is_said_in_chinese() -> None:
    said = dict(re.findall(r'^  (\w+):\s*"([^"]+)"', WORDS.read_text(), re.MULTILINE))
    met = set().union(*map(codes, FORMS)) | ELSEWHERE
    assert len(met) > 100
    assert sorted(met - NOT_MET - said.keys()) == []
    assert [code for code, text in said.items() if not re.search(r"[\u4e00-\u9fff]", text)] == []

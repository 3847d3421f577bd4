"""Every refusal that people can meet in the console is said in Chinese, too."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import commenda
from commenda.app import create_app
from commenda.settings import Settings
from commenda.strategies.shipped import CATALOGUE

ROOT = Path(commenda.__file__).parent
WORDS = ROOT.parents[1] / "web" / "src" / "i18n" / "zh" / "refusals.ts"
FORMS = (
    "identity",
    "funding",
    "managed",
    "income",
    "copying",
    "modes",
    "operations",
    "referrals",
    "risk",
    "earnings",
    "portfolios",
    "venues",
)
"""Packages whose routes the console's forms send to."""
NOT_MET = {
    # A call that only our own code could make.
    "bad_allocation_policy", "bad_bounds", "bad_record", "day_not_over", "day_out_of_order",
    "duplicate_candidate", "duplicate_leg", "duplicate_payee", "gap_between_tiers",
    "negative_amount", "negative_days", "not_utc", "settlement_unbalanced", "share_without_profit",
    "tiers_overlap", "unknown_hurdle_kind", "unknown_sized",
    "bad_bandit", "bad_budgets", "bad_fraction", "bad_returns", "bad_reward",
    # Of a file that a command reads.
    "over_budget", "record_columns", "record_value",
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


RULES = {
    "maxLength": ["string_too_long"],
    "minLength": ["string_too_short"],
    "pattern": ["string_pattern_mismatch"],
    "maximum": ["less_than_equal"],
    "exclusiveMaximum": ["less_than"],
    "minimum": ["greater_than_equal"],
    "exclusiveMinimum": ["greater_than"],
    "maxItems": ["too_long"],
    "minItems": ["too_short"],
    "enum": ["enum", "literal_error"],
    "const": ["literal_error"],
    "required": ["missing"],
    "additionalProperties": ["extra_forbidden"],
}
"""A keyword of a schema, and what pydantic calls it where a value breaks it."""
KINDS = {
    "string": ["string_type"],
    "integer": ["int_parsing", "int_type", "int_from_float", "int_parsing_size"],
    "number": ["float_parsing", "float_type", "finite_number"],
    "boolean": ["bool_parsing", "bool_type"],
    "array": ["list_type"],
    "object": ["dict_type", "model_attributes_type"],
    "uuid": ["uuid_parsing", "uuid_type"],
    "date": ["date_parsing", "date_from_datetime_parsing", "date_type"],
    "date-time": ["datetime_parsing", "datetime_from_date_parsing", "timezone_aware"],
}
OF_AMOUNTS = {"value_error", "decimal_max_digits", "decimal_max_places", "finite_number"}


def rules(schema: Any) -> Iterator[str]:
    """The rules that a schema and all within it may be broken by."""
    if isinstance(schema, list):
        for one in schema:
            yield from rules(one)
    elif isinstance(schema, dict):
        for name, value in schema.items():
            yield from RULES.get(name, ())
            if name in ("type", "format") and isinstance(value, str):
                yield from KINDS.get(value, ())
            yield from rules(value)


def test_every_rule_of_a_schema_is_said_in_chinese() -> None:
    words = WORDS.read_text().partition("export const rules")[2]
    said = dict(re.findall(r'^  (\w+):\s*"([^"]+)"', words, re.MULTILINE))
    met = set(rules(create_app(Settings()).openapi())) | OF_AMOUNTS
    assert len(met) > 25
    assert sorted(met - said.keys()) == []
    assert [rule for rule, text in said.items() if not re.search(r"[\u4e00-\u9fff]", text)] == []


def test_the_platforms_strategies_are_described_in_chinese() -> None:
    """Each of them, by the parameters that its author names and by as many paragraphs."""
    words = (WORDS.parent / "strategies.ts").read_text()
    said = dict(re.findall(r'^  (\w+):\s*"([^"]+)"', words, re.MULTILINE))
    assert said.keys() == {strategy.name for strategy in CATALOGUE}
    for strategy in CATALOGUE:
        text = said[strategy.name]
        assert set(re.findall("`[^`]+`", text)) == set(re.findall("`[^`]+`", strategy.doc))
        assert text.count(r"\n\n") == strategy.doc.count("\n\n")

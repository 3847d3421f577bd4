"""Each table is written by one package: read from the SQL itself.

The import linter cannot see it: a statement names a table, not a module.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from pathlib import Path

import commenda

ROOT = Path(commenda.__file__).parent
_WRITES = re.compile(
    r"\b(?:INSERT\s+INTO|UPDATE(?!\s+OF\b)|DELETE\s+FROM|TRUNCATE|COPY)\s+(?:ONLY\s+)?"
    r"((?:paper\.)?[a-z_][a-z0-9_]*)",
)
_LOCKS = re.compile(r"\bFOR\s+(?:NO\s+KEY\s+)?UPDATE\b|\bDO\s+UPDATE\b")
NO_TABLES = {"set", "skip", "of", "nowait"}
SHARED = {"idempotency", "business_clock"}
"""Written through `kit`, by functions that every domain calls."""


def statements(module: Path) -> list[str]:
    """The text constants of a module, adjacent and added ones joined; docstrings left out."""
    tree = ast.parse(module.read_text())
    documents = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            if id(node) not in documents:
                found.append(node.value)
        elif isinstance(node, ast.JoinedStr):
            found.append("".join(
                part.value for part in node.values
                if isinstance(part, ast.Constant) and isinstance(part.value, str)
            ))  # fmt: skip
    return found


def writers() -> dict[str, set[str]]:
    """{table: packages whose SQL writes it}."""
    written: dict[str, set[str]] = defaultdict(set)
    for module in ROOT.rglob("*.py"):
        package = module.relative_to(ROOT).parts[0].removesuffix(".py")
        for statement in statements(module):
            for table in _WRITES.findall(_LOCKS.sub("", statement)):
                if table not in NO_TABLES:
                    written[table].add(package)
    return written


def tables() -> set[str]:
    """Every table that the migrations make."""
    made = re.compile(r"CREATE (?:UNLOGGED )?TABLE (?:IF NOT EXISTS )?((?:paper\.)?[a-z_0-9]+)")
    return {
        table
        for script in (ROOT / "schema").glob("*.sql")
        if not script.name.endswith(".down.sql")
        for table in made.findall(script.read_text())
    }


def test_the_reader_finds_what_is_written() -> None:
    found = writers()
    assert found["closings"] == {"books"}
    assert found["flow_subscriptions"] == {"copying"}
    assert found["managed_subscriptions"] == {"managed"}
    assert len(found.keys() & tables()) > 40


def test_each_table_has_one_package_that_writes_it() -> None:
    found = writers()
    shared = {
        table: sorted(packages)
        for table, packages in found.items()
        if table in tables() - SHARED and len(packages) > 1
    }
    assert shared == {}

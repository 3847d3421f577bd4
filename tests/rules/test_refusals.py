"""Refusals: one shape, one status for each code."""

from __future__ import annotations

import ast
import pickle
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import pytest

import commenda
from commenda.kit.errors import CommendaError, conflict, not_found, unknown
from commenda.kit.pages import encode_cursor, key_after, page_of

STATUS = {"CommendaError": 422, "conflict": 409, "not_found": 404, "unknown": 404}
AT = datetime(2026, 1, 5, 12, 30, tzinfo=UTC)
WHO = UUID("0b8e1f0c-5f0e-8a51-9c1d-3f1f6f0a7f10")


def made_in(source: str) -> Iterator[tuple[str, int]]:
    """The code and status of each refusal whose code is written out."""
    for call in ast.walk(ast.parse(source)):
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
            continue
        if call.func.id in STATUS and call.args and isinstance(call.args[0], ast.Constant):
            code, status = call.args[0].value, STATUS[call.func.id]
            for given in call.keywords:
                if given.arg == "status" and isinstance(given.value, ast.Constant):
                    status = given.value.value
            yield f"unknown_{code}" if call.func.id == "unknown" else code, status


def test_every_code_has_one_status_wherever_it_is_raised() -> None:
    found = defaultdict(set)
    for file in Path(commenda.__file__).parent.rglob("*.py"):
        for code, status in made_in(file.read_text("utf-8")):
            found[code].add(status)
    assert len(found) > 150
    assert {code: sorted(those) for code, those in found.items() if len(those) > 1} == {}
    assert found["hold_resolved"] == {409}
    assert found["unknown_subscription"] == {404}


def test_a_status_is_read_from_the_source() -> None:
    source = """
raise CommendaError("a", "A").at("x", 1)
raise CommendaError("b", "B", status=401)
raise conflict("c", "C")
raise not_found("d", "D")
raise unknown("e", 1, "id")
"""
    expected = {("a", 422), ("b", 401), ("c", 409), ("d", 404), ("unknown_e", 404)}
    assert set(made_in(source)) == expected


def test_a_refusal_survives_the_way_to_another_process_whole() -> None:
    error = conflict("hold_resolved", "Not open").at("group", Decimal("1E-7"), "look again")
    again = pickle.loads(pickle.dumps(error))
    assert vars(again) == vars(error)
    assert str(again) == "[hold_resolved] Not open; group = '0.0000001'; look again"
    assert again.status == 409


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (None, None),
        (7, 7),
        ("7", "7"),
        (Decimal("2500.00"), "2500.00"),
        (AT, "2026-01-05T12:30:00Z"),
        (AT.date(), "2026-01-05"),
        (WHO, "0b8e1f0c-5f0e-8a51-9c1d-3f1f6f0a7f10"),
    ],
)
def test_a_value_is_kept_as_people_write_it(value: object, kept: object) -> None:
    assert CommendaError("bad", "Bad").at("field", value).value == kept


def test_what_is_unknown_is_named_in_words() -> None:
    error = unknown("api_key", WHO, "id")
    assert (error.code, error.message, error.status) == ("unknown_api_key", "No such api key", 404)
    assert not_found("unknown_path", "Nothing here").status == 404


# --- cursors ---------------------------------------------------------------------------------


def test_a_page_begins_after_the_key_of_the_last_row() -> None:
    rows = [(AT, WHO), (AT, UUID(int=1)), (AT, UUID(int=2))]
    page = page_of(rows, 2, lambda row: row)
    assert page.items == rows[:2]
    assert key_after(page.next_cursor, datetime, UUID) == (AT, UUID(int=1))
    assert page_of(rows, 3, lambda row: row).next_cursor is None
    assert key_after(None, int) is None
    assert key_after(encode_cursor(7), int) == 7


@pytest.mark.parametrize(
    ("cursor", "kinds"),
    [
        ("x", (int,)),
        (encode_cursor("7"), (int,)),
        (encode_cursor(7), (str,)),
        (encode_cursor((7, 8)), (int,)),
        (encode_cursor(7), (int, int)),
        (encode_cursor(2**63), (int,)),
        (encode_cursor("a\x00"), (str,)),
        (encode_cursor("not a time"), (datetime,)),
        (encode_cursor("2026-01-05T12:30:00"), (datetime,)),  # without a zone nobody knows when
        (encode_cursor("9999-12-31T23:59:59-12:00"), (datetime,)),
        (encode_cursor("1"), (UUID,)),
    ],
)
def test_what_is_no_cursor_of_this_list_is_refused(cursor: str, kinds: tuple[type]) -> None:
    with pytest.raises(CommendaError) as refused:
        key_after(cursor, *kinds)
    assert (refused.value.code, refused.value.value) == ("bad_cursor", cursor)

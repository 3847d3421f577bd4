"""The printer of the command line: one tuple of columns for people, the fields for programs."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

import pytest

from commenda.cli.options import fields_of
from commenda.cli.tables import Column, say, show, show_one

MOMENT = datetime(2026, 1, 5, 8, 30, tzinfo=UTC)


@dataclass(frozen=True)
class Part:
    daily_rate: Decimal


@dataclass(frozen=True)
class Row:
    owner_id: UUID
    sold_amount: Decimal
    begun_at: datetime
    first_day: date | None
    parts: tuple[Part, ...] = ()


class Pair(NamedTuple):
    ref_no: str
    amount: Decimal


ROW = Row(UUID(int=7), Decimal("1E+3"), MOMENT, None, (Part(Decimal("0.00020")),))


def printed(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return [line.strip() for line in capsys.readouterr().out.splitlines() if line.strip()]


def test_programs_get_every_field_in_camel_case_and_decimals_as_plain_strings(
    capsys: pytest.CaptureFixture[str],
) -> None:
    show([ROW], (Column("sold", "sold_amount"),), as_json=True)
    assert json.loads(capsys.readouterr().out) == [
        {
            "ownerId": "00000000-0000-0000-0000-000000000007",
            "soldAmount": "1000",
            "begunAt": "2026-01-05T08:30:00Z",
            "firstDay": None,
            "parts": [{"dailyRate": "0.0002"}],
        }
    ]


def test_a_named_tuple_is_an_object_and_a_mapping_keeps_its_names(
    capsys: pytest.CaptureFixture[str],
) -> None:
    show([Pair("a", Decimal("2.50")), {"source_hash": {"fast_bars": 1}}], (), as_json=True)
    assert json.loads(capsys.readouterr().out) == [
        {"refNo": "a", "amount": "2.5"},
        {"source_hash": {"fast_bars": 1}},
    ]


def test_what_has_no_form_in_json_is_an_error() -> None:
    with pytest.raises(TypeError, match="object"):
        show([{"what": object()}], (), as_json=True)


def test_a_column_reads_an_attribute_a_key_or_by_a_function(
    capsys: pytest.CaptureFixture[str],
) -> None:
    columns = (
        Column("owner", lambda row: row.owner_id.int),
        Column("sold amount", number=True),
        Column("begun", "begun_at"),
        Column("first day"),
    )
    show([ROW], columns)
    heading, _, row = printed(capsys)
    assert heading.split() == ["owner", "sold", "amount", "begun", "first", "day"]
    assert row.split() == ["7", "1000", "2026-01-05", "08:30:00"]
    show([{"name": "x", "rows": 43200, "closed": False}], tuple(map(Column, ("name", "closed"))))
    assert printed(capsys)[-1].split() == ["x", "no"]


def test_text_is_as_it_was_typed_and_a_list_is_a_line_of_cells(
    capsys: pytest.CaptureFixture[str],
) -> None:
    columns = (Column("ref no"), Column("amount", number=True))
    show([Pair("[red]x", Decimal(5)), ["total", Decimal("-5.00")]], columns, title="[/of] all")
    title, _, _, row, total = printed(capsys)
    assert title == "[/of] all"
    assert row.split() == ["[red]x", "5"]
    assert total.split() == ["total", "-5"]
    with pytest.raises(ValueError, match="zip"):
        show([["total"]], columns)


def test_figures_stand_to_the_right_and_are_whole_where_no_terminal_is(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    columns = (Column("text"), *(Column(name, number=True) for name in ("one", "two", "rows")))
    figures: dict[str, Any] = {"one": Decimal("1234567890.123456789"), "two": -(Decimal(10) ** 20)}
    show([{"text": "x", "rows": 43200, **figures}, {**figures, "text": "", "rows": 7}], columns)
    lines = [line for line in capsys.readouterr().out.splitlines() if "1234567890" in line]
    assert lines[0].split() == ["x", "1234567890.123456789", "-100000000000000000000", "43,200"]
    assert lines[1].rstrip().endswith("     7")


def test_a_record_is_names_and_values(capsys: pytest.CaptureFixture[str]) -> None:
    record = fields_of(ROW, "parts", "owner_id", next_at=[MOMENT, MOMENT.date()], built_in=True)
    show_one(record, as_json=False)
    assert [line.split() for line in printed(capsys)] == [
        ["sold", "amount", "1000"],
        ["begun", "at", "2026-01-05T08:30:00Z"],
        ["first", "day"],
        ["next", "at", "2026-01-05T08:30:00Z"],
        ["2026-01-05"],
        ["built", "in", "true"],
    ]
    show_one(record, as_json=True)
    told = json.loads(capsys.readouterr().out)
    assert (told["soldAmount"], told["nextAt"][1], told["builtIn"]) == ("1000", "2026-01-05", True)


def test_a_line_is_not_cut_and_not_read_as_markup(capsys: pytest.CaptureFixture[str]) -> None:
    text = "a line of words [red] " * 20
    say("told: ", (text, "bold"))
    assert capsys.readouterr().out == f"told: {text}\n"

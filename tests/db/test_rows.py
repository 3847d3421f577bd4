"""Rows become records with their parts, pages by number, and properties that go out with them."""

from __future__ import annotations

import json
from dataclasses import dataclass

import psycopg
import pytest

from commenda.kit.db import Database
from commenda.kit.pages import Numbered, Sheet
from commenda.kit.rows import extended, first, records, sheet
from commenda.kit.wire import Internal, derived, on_wire, wire_text


@dataclass(frozen=True, slots=True)
class Figure:
    mean: int | None
    best: int


@dataclass(frozen=True, slots=True)
class Part:
    name: str
    figure: Figure


@dataclass(frozen=True, slots=True)
class Whole:
    id: int
    part: Part
    end: Part | None


@on_wire
@dataclass(frozen=True, slots=True)
class Number:
    whole_number: int
    secret: Internal[str]

    @derived
    def its_square(self) -> int:
        return self.whole_number**2


@on_wire
@dataclass(frozen=True, slots=True)
class NamedNumber(Number):
    name: str


@pytest.mark.parametrize(
    "texts",
    [
        ["settle:1", "", "NULL", "a,b", "{c}", " é中"],
        ["plain", 'a "quoted" one', "a\\b", "'"],
        ["one", None],
    ],
)
def test_a_column_of_texts_arrives_as_it_was_sent(db: Database, texts: list[str | None]) -> None:
    with db.transaction() as tx:
        assert tx.execute("SELECT %s::text[]", (texts,)).fetchone() == (texts,)


def test_a_text_that_the_database_cannot_hold_is_refused(db: Database) -> None:
    with db.transaction() as tx, pytest.raises(psycopg.DataError):
        tx.execute("SELECT %s::text[]", (["a\0b", "c"],))


def test_columns_with_dots_are_parts_and_parts_of_parts(db: Database) -> None:
    with db.transaction() as tx:
        found = records(
            tx,
            Whole,
            'SELECT n AS id, \'a\' AS "part.name", NULL::int AS "part.figure.mean",'
            ' n * 10 AS "part.figure.best", CASE WHEN n = 2 THEN \'z\' END AS "end.name",'
            ' 1 AS "end.figure.mean", 2 AS "end.figure.best"'
            " FROM generate_series(1, 2) n ORDER BY n",
        )
    assert found == [
        Whole(1, Part("a", Figure(None, 10)), None),
        Whole(2, Part("a", Figure(None, 20)), Part("z", Figure(1, 2))),
    ]


def test_the_first_of_nothing_is_none(db: Database) -> None:
    query = "SELECT 1 AS mean, 2 AS best WHERE %s"
    with db.transaction() as tx:
        assert first(tx, Figure, query, (False,)) is None
        assert first(tx, Figure, query, (True,)) == Figure(1, 2)


@pytest.mark.parametrize(
    ("page", "items"), [(1, [1, 2, 3]), (2, [4, 5, 6]), (3, [7]), (4, [])], ids=str
)
def test_a_page_by_number_says_how_many_there_are(
    db: Database, page: int, items: list[int]
) -> None:
    query = "SELECT n AS mean, 0 AS best FROM generate_series(1, %(most)s) n ORDER BY n"
    count = "SELECT count(*) FROM generate_series(1, %(most)s) n"
    with db.transaction() as tx:
        found = sheet(tx, Figure, query, count, {"most": 7}, Numbered(page, 3))
    assert found.each(lambda one: one.mean) == Sheet(items, 7, page, 3)


def test_a_record_with_more_goes_out_with_what_is_derived_and_without_what_is_internal() -> None:
    named = extended(Number(3, "hush"), NamedNumber, name="three")
    assert named == NamedNumber(3, "hush", "three")
    assert json.loads(wire_text(named)) == {"wholeNumber": 3, "itsSquare": 9, "name": "three"}

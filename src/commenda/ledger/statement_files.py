"""A statement as a file, written while its entries are read: a table, or a page to print."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache, partial
from importlib import resources
from itertools import groupby, islice

from commenda.kit.db import Database, Tx
from commenda.kit.markup import Markup, join, tag
from commenda.kit.money import plain, scale_of
from commenda.kit.times import iso
from commenda.ledger.statement_texts import Language, account_name, account_order, event_name, say
from commenda.ledger.statements import (
    StatementAccount,
    StatementEntry,
    StatementWanted,
    read_entries,
    require_owner,
    sections,
)

LINES = 200
"""Lines that are sent at a time."""


@dataclass(frozen=True, slots=True)
class Statement:
    """What is written: `entries` are those of the sections, one section after the other."""

    wanted: StatementWanted
    owner: str
    written_at: datetime
    sections: Sequence[StatementAccount]
    entries: Iterable[StatementEntry]

    def by_section(self) -> Iterator[tuple[StatementAccount, Iterator[StatementEntry]]]:
        """Each section with its entries, which are read before the next section is."""
        left = iter(self.entries)
        for section in self.sections:
            yield section, islice(left, section.through - section.after)


def draw_up(database: Database, tx: Tx, wanted: StatementWanted, now: datetime) -> Statement:
    """Fix what a statement says; its entries are read while it is written.

    Code `unknown_owner` for who has no account and is no user.
    """
    owner = require_owner(tx, wanted.owner)
    found = sections(tx, wanted)
    return Statement(wanted, owner, now, found, read_entries(database, found))


# --- A table ---------------------------------------------------------------------------------

COLUMNS = (
    "createdAt",
    "account",
    "accountId",
    "type",
    "amount",
    "balanceBefore",
    "balanceAfter",
    "refNo",
    "remark",
)


def csv_text(statement: Statement) -> Iterator[str]:
    """Rows of a table: of each account its opening balance, its entries, its closing balance."""
    rows = _rows(statement)
    while batch := list(islice(rows, LINES)):
        text = io.StringIO()
        csv.writer(text).writerows(batch)
        yield text.getvalue()


def _rows(statement: Statement) -> Iterator[tuple[object, ...]]:
    yield COLUMNS
    since, until = statement.wanted.since, statement.wanted.until
    for section, entries in statement.by_section():
        account = (section.kind, section.account_id)
        yield (iso(since), *account, "opening", "", "", plain(section.opening), "", "")
        for entry in entries:
            yield (
                iso(entry.created_at),
                *account,
                entry.type or "",
                plain(entry.amount),
                plain(entry.balance_before),
                plain(entry.balance_after),
                entry.ref_no,
                entry.remark,
            )
        yield (iso(until), *account, "closing", "", "", plain(section.closing), "", "")


# --- A page to print -------------------------------------------------------------------------


@cache
def _style() -> Markup:
    """The page's own style: it holds nothing from outside."""
    return Markup(resources.files("commenda.ledger").joinpath("statement.css").read_text("utf-8"))


@cache
def html_policy() -> str:
    """Nothing is fetched, nothing runs, and no other style than the page's own counts."""
    digest = base64.b64encode(hashlib.sha256(_style().encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


def html_text(statement: Statement, language: Language) -> Iterator[str]:
    """One page that needs nothing but itself."""
    words = partial(say, language)
    yield f'<!doctype html>\n<html lang="{"zh-CN" if language is Language.ZH else "en"}">'
    yield _head(f"{words('title')} · {statement.owner} · Commenda")
    yield "<body><main>"
    yield _cover(statement, language)
    for section, entries in statement.by_section():
        yield _heading(section, language)
        yield _table_begin(
            language, ("time", "type", "reference", "amount", "balance"), numbers=(3, 4)
        )
        yield _sum_row(words("opening"), section.opening, section.asset)
        while batch := list(islice(entries, LINES)):
            yield join(*(_entry_row(one, section.asset, language) for one in batch))
        yield _sum_row(words("closing"), section.closing, section.asset)
        yield "</tbody></table>"
    yield tag("footer", words("proof"), " ", words("times"), " ", f"— {words('end')} —")
    yield "</main></body></html>\n"


def _head(title: str) -> Markup:
    return tag(
        "head",
        Markup('<meta charset="utf-8">'),
        Markup(f'<meta http-equiv="Content-Security-Policy" content="{html_policy()}">'),
        Markup('<meta name="viewport" content="width=device-width, initial-scale=1">'),
        tag("title", title),
        tag("style", _style()),
    )


def _cover(statement: Statement, language: Language) -> Markup:
    words = partial(say, language)
    wanted = statement.wanted
    facts = (
        ("owner", join(statement.owner, " ", tag("span", wanted.owner, class_="ref"))),
        (
            "period",
            f"{_moment(wanted.since)} – {_moment(wanted.until)} UTC ({words('period_note')})",
        ),
        ("currency", wanted.asset),
        ("written", f"{_moment(statement.written_at)} UTC"),
    )
    listed = tag("dl", *(join(tag("dt", words(name)), tag("dd", what)) for name, what in facts))
    if not statement.sections:
        return join(tag("h1", words("title")), listed, tag("p", words("none")))
    return join(
        tag("h1", words("title")),
        listed,
        tag("h2", words("summary")),
        _table_begin(
            language,
            ("account", "accounts", "entries", "opening", "change", "closing"),
            numbers=(1, 2, 3, 4, 5),
        ),
        *(
            _summary_row(account_name(language, kind), list(group), wanted.asset)
            for kind, group in groupby(
                sorted(statement.sections, key=lambda one: account_order(one.kind)),
                key=lambda one: one.kind,
            )
        ),
        _summary_row(words("total"), statement.sections, wanted.asset, class_="sum"),
        Markup("</tbody></table>"),
    )


def _summary_row(
    name: str, sections: Sequence[StatementAccount], asset: str, class_: str | None = None
) -> Markup:
    opening = sum((one.opening for one in sections), Decimal(0))
    closing = sum((one.closing for one in sections), Decimal(0))
    cells = (
        f"{len(sections):,}",
        f"{sum(one.through - one.after for one in sections):,}",
        figure(opening, asset),
        figure(closing - opening, asset),
        figure(closing, asset),
    )
    return tag(
        "tr", tag("td", name), *(tag("td", cell, class_="num") for cell in cells), class_=class_
    )


def _heading(section: StatementAccount, language: Language) -> Markup:
    parts = [f"#{section.account_id}"]
    parts += [section.symbol] if section.symbol else []
    parts += [str(section.scope_id)] if section.scope_id else []
    return tag("h2", account_name(language, section.kind), " ", tag("small", " · ".join(parts)))


def _table_begin(language: Language, columns: Sequence[str], numbers: Sequence[int]) -> Markup:
    heads = (
        tag("th", say(language, name), class_="num" if place in numbers else None, scope="col")
        for place, name in enumerate(columns)
    )
    return join(Markup("<table>"), tag("thead", tag("tr", *heads)), Markup("<tbody>"))


def _sum_row(name: str, balance: Decimal, asset: str) -> Markup:
    return tag(
        "tr",
        tag("td", name, colspan=4),
        tag("td", figure(balance, asset), class_="num"),
        class_="sum",
    )


def _entry_row(entry: StatementEntry, asset: str, language: Language) -> Markup:
    event = event_name(language, entry.remark)
    if entry.type is not None:
        kind = event_name(language, entry.type)
        event = kind if kind.lower() == event.lower() else f"{kind} · {event}"
    return tag(
        "tr",
        tag("td", _moment(entry.created_at), class_="time"),
        tag("td", event),
        tag("td", entry.ref_no, class_="ref"),
        tag("td", figure(entry.amount, asset, signed=True), class_="num"),
        tag("td", figure(entry.balance_after, asset), class_="num"),
    )


def _moment(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def figure(number: Decimal, asset: str, *, signed: bool = False) -> str:
    """An amount with thousands separators and its asset's decimals; more where it has more."""
    least = scale_of(asset)
    digits = max(least, -int(number.normalize().as_tuple().exponent))
    return f"{number:{'+' if signed and number else ''},.{digits}f}"

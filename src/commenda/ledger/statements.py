"""Statements: what an owner's accounts held before a period, what moved them, what they hold after.

A period is cut by versions: along an account `posted_at` never goes back, so its first and last
entry within the period are found by bisection, and no clock that was behind tears a hole. Versions
have no gaps and entries never change: once the sections of a statement are read, everything in it
is fixed, however slowly and in however many transactions its entries follow.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Literal, LiteralString, NamedTuple
from uuid import UUID

from psycopg.rows import class_row
from pydantic import Field

from commenda.kit.db import Database, Tx
from commenda.kit.errors import CommendaError, unknown
from commenda.kit.pages import encode_cursor, key_after
from commenda.kit.times import iso
from commenda.kit.wire import Amount, Internal, on_wire

MOST_PRINTED = 10_000
"""Entries of a statement on one printed page: longer ones are tables, of which a program reads."""
BATCH = 1000
"""Entries that are read and written at a time: memory does not grow with the statement."""
USUAL = timedelta(days=30)
LONGEST = timedelta(days=366)
_EARLIEST = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class StatementWanted:
    """A statement of one asset for [since, until): of the wallet, or of all that an owner has."""

    owner: UUID
    asset: str
    since: datetime
    until: datetime
    whole: bool = False


@on_wire
@dataclass(frozen=True, slots=True)
class StatementAccount:
    """An account of a statement: its entries are the versions past `after`, up to `through`.

    `opening` and the amounts of these entries add up to `closing`.
    """

    account_id: int
    kind: Annotated[str, Field(examples=["wallet"])]
    asset: Internal[str]
    scope_id: UUID | None
    leg_id: UUID | None
    symbol: str | None
    after: Internal[int]
    through: Internal[int]
    opening: Amount
    closing: Amount


LogType = Literal["recharge", "withdraw", "contract", "commission", "pool_in", "pool_out", "income"]
"""The types of the asset log (specification 004-09, and `income`)."""


@on_wire
@dataclass(frozen=True, slots=True)
class Movement:
    """One change of an account."""

    user_id: UUID
    coin: Annotated[str, Field(examples=["USDT"])]
    amount: Annotated[Amount, Field(description="Signed: money in is positive.")]
    balance_before: Amount
    balance_after: Amount
    ref_no: Annotated[str, Field(examples=["settle:0b8e1f0c-5f0e-8a51-9c1d-3f1f6f0a7f10"])]
    remark: Annotated[str, Field(examples=["settlement"])]
    created_at: datetime


@on_wire
@dataclass(frozen=True, slots=True)
class AssetLogEntry(Movement):
    """One change of a wallet (ASSET_LOG)."""

    type: LogType


@on_wire
@dataclass(frozen=True, slots=True)
class StatementEntry(Movement):
    """An entry of a statement. `type` is the asset log's, which speaks of wallets only."""

    account_id: int
    version: Annotated[
        int, Field(description="Its place among the account's entries, without a gap.")
    ]
    type: LogType | None


class Range(NamedTuple):
    """Versions of an account, past `after` and up to `through`."""

    account_id: int
    after: int
    through: int


class Place(NamedTuple):
    """How far a statement was read: up to an entry, or with version -1 up to before its account."""

    account_id: int
    version: int


START = Place(0, -1)


@on_wire
@dataclass(frozen=True, slots=True)
class StatementSum:
    """All accounts of one kind on a statement."""

    kind: Annotated[str, Field(examples=["wallet"])]
    accounts: int
    entries: int
    opening: Amount
    closing: Amount


@on_wire
@dataclass(frozen=True, slots=True)
class StatementPage:
    """What somebody has over [from, to), page by page.

    `opening` and `closing` are of all accounts together, `summary` of each kind of them, and the
    same on every page: opening + the amounts of all pages = closing. An account is listed on the
    page on which it begins. `owner` is a username or, where that is no user, the kind of owner.
    """

    user_id: UUID
    owner: Annotated[str, Field(examples=["ines"])]
    coin: Annotated[str, Field(examples=["USDT"])]
    since: Annotated[datetime, Field(alias="from")]
    until: Annotated[datetime, Field(alias="to")]
    drawn_up_at: datetime
    opening: Amount
    summary: list[StatementSum]
    accounts: list[StatementAccount]
    entries: list[StatementEntry]
    closing: Amount
    next_cursor: str | None


# An account that was empty before the period and has not moved since tells nothing.
_SECTIONS: LiteralString = (
    " FROM accounts a LEFT JOIN instruments i ON i.id = a.instrument_id"
    " CROSS JOIN LATERAL (SELECT"
    "   version_posted(a.id, %(since)s - interval '1 microsecond') AS after,"
    "   version_posted(a.id, %(until)s - interval '1 microsecond') AS through OFFSET 0) cut"
    " LEFT JOIN entries o ON o.account_id = a.id AND o.version = cut.after"
    " LEFT JOIN entries c ON c.account_id = a.id AND c.version = cut.through"
    " WHERE a.owner_id = %(owner)s AND a.asset = %(asset)s AND a.id >= %(first)s"
    " AND (a.balance <> 0 OR a.last_posted_at >= %(since)s)"
    " AND (%(whole)s OR a.kind = 'wallet')"
    " AND (cut.through > cut.after OR coalesce(c.balance_after, 0) <> 0)"
)


def sections(
    tx: Tx, wanted: StatementWanted, first_account: int = 0, limit: int | None = None
) -> list[StatementAccount]:
    """The accounts of a statement in the order of their ids, from an id on."""
    with tx.cursor(row_factory=class_row(StatementAccount)) as cursor:
        return cursor.execute(
            "SELECT a.id AS account_id, a.kind, a.asset, a.scope_id, a.leg_id, i.symbol,"
            "  cut.after, cut.through, coalesce(o.balance_after, 0) AS opening,"
            "  coalesce(c.balance_after, 0) AS closing"
            + _SECTIONS
            + " ORDER BY a.id LIMIT %(limit)s",
            asdict(wanted) | {"first": first_account, "limit": limit},
        ).fetchall()


def summed(tx: Tx, wanted: StatementWanted) -> list[StatementSum]:
    """The accounts of a statement by their kind: the wallet first, the others by name."""
    with tx.cursor(row_factory=class_row(StatementSum)) as cursor:
        return cursor.execute(
            "SELECT a.kind, count(*)::int AS accounts,"
            "  sum(cut.through - cut.after)::int AS entries,"
            "  sum(coalesce(o.balance_after, 0)) AS opening,"
            "  sum(coalesce(c.balance_after, 0)) AS closing"
            + _SECTIONS
            + " GROUP BY a.kind ORDER BY a.kind <> 'wallet', a.kind",
            asdict(wanted) | {"first": 0},
        ).fetchall()


def statement_page(
    tx: Tx, wanted: StatementWanted, start: Place, limit: int, now: datetime
) -> StatementPage:
    """The next accounts and entries of a statement: at most `limit` of each."""
    owner = require_owner(tx, wanted.owner)
    summary = summed(tx, wanted)
    read = sections(tx, wanted, start.account_id, limit + 1)
    listed, ranges, following = cut(read, start, limit)
    period = (wanted.since, wanted.until)
    return StatementPage(
        wanted.owner,
        owner,
        wanted.asset,
        *period,
        now,
        sum((one.opening for one in summary), Decimal(0)),
        summary,
        listed,
        entries(tx, ranges),
        sum((one.closing for one in summary), Decimal(0)),
        None if following is None else encode_cursor((*period, *following)),
    )


def place_after(cursor: str) -> tuple[datetime, datetime, Place]:
    """The period of a statement, and where its next page begins; code `bad_cursor`."""
    since, until, *place = key_after(cursor, datetime, datetime, int, int)
    return since, until, Place(*place)


def entries(tx: Tx, ranges: Sequence[Range]) -> list[StatementEntry]:
    """The entries of these ranges, in their order."""
    with tx.cursor(row_factory=class_row(StatementEntry)) as cursor:
        return cursor.execute(
            "SELECT e.account_id, e.version, a.owner_id AS user_id, a.asset AS coin,"
            " CASE WHEN a.kind = 'wallet' THEN asset_log_type(j.kind, j.key) END AS type,"
            " e.amount, e.balance_before, e.balance_after, j.key AS ref_no, j.kind AS remark,"
            " j.posted_at AS created_at"
            " FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[])"
            "   WITH ORDINALITY AS r (account_id, after, through, place)"
            " JOIN accounts a ON a.id = r.account_id"
            " JOIN entries e ON e.account_id = r.account_id AND e.version > r.after"
            "   AND e.version <= r.through"
            " JOIN journals j ON j.id = e.journal_id ORDER BY r.place, e.version",
            [list(column) for column in zip(*ranges, strict=True)] or [[], [], []],
        ).fetchall()


def read_entries(database: Database, of: Sequence[StatementAccount]) -> Iterator[StatementEntry]:
    """Every entry of the sections, in their order.

    Each batch has a transaction of its own: a slow reader keeps no connection and no snapshot.
    """
    for batch in slices(Range(one.account_id, one.after, one.through) for one in of):
        with database.read() as tx:
            found = entries(tx, batch)
        yield from found


def require_owner(tx: Tx, owner: UUID) -> str:
    """What an owner is called: a username or, as platform and venues are no users, the kind of
    owner. Code `unknown_owner` for who has no account and is no user.
    """
    row = tx.execute(
        "SELECT coalesce((SELECT username FROM users WHERE id = %(owner)s),"
        " (SELECT owner_kind FROM accounts WHERE owner_id = %(owner)s LIMIT 1))",
        {"owner": owner},
    ).fetchone()
    if row is None or row[0] is None:
        raise unknown("owner", owner, "ownerId")
    return str(row[0])


def printed(tx: Tx, wanted: StatementWanted, now: datetime) -> StatementPage:
    """A whole statement on one page, to be printed.

    Code `statement_too_long` for more than `MOST_PRINTED` entries.
    """
    page = statement_page(tx, wanted, START, MOST_PRINTED, now)
    if page.next_cursor is not None:
        count = sum(one.entries for one in page.summary)
        raise CommendaError(
            "statement_too_long", f"A printed statement has {MOST_PRINTED:,} entries at most"
        ).at("--format", f"{count:,} entries", "write --format csv, or choose a shorter period")
    return page


# --- Pure ------------------------------------------------------------------------------------


def statement_period(
    since: datetime | None, until: datetime | None, now: datetime
) -> tuple[datetime, datetime]:
    """The period of a statement: the last 30 days unless it is said, up to 366, and none to come.

    What is posted later would belong to a period that has not ended, and be on no page of those
    that were read before. Code `bad_period`.
    """
    end = now if until is None else min(until, now)
    begin = end - min(USUAL, end - _EARLIEST) if since is None else since
    if not timedelta(0) <= end - begin <= LONGEST:
        raise CommendaError("bad_period", "A statement is of up to 366 days that are past").at(
            "from", iso(begin), "choose a shorter period, from before to and before now"
        )
    return begin, end


def cut(
    read: Sequence[StatementAccount], start: Place, limit: int
) -> tuple[list[StatementAccount], list[Range], Place | None]:
    """What a page lists of the sections that were `read` from its start on: at most `limit`
    accounts and entries, and where the next page begins. One section more is read than listed.
    """
    listed: list[StatementAccount] = []
    ranges: list[Range] = []
    room = limit
    for section in read[:limit]:
        after = section.after
        if section.account_id == start.account_id and start.version >= 0:
            after = min(max(after, start.version), section.through)
        elif not room:
            return listed, ranges, Place(section.account_id, -1)
        else:
            listed.append(section)
        through = min(section.through, after + room)
        if through > after:
            ranges.append(Range(section.account_id, after, through))
        room -= through - after
        if through < section.through:
            return listed, ranges, Place(section.account_id, through)
    more = Place(read[limit].account_id, -1) if len(read) > limit else None
    return listed, ranges, more


def slices(ranges: Iterable[Range], size: int = BATCH) -> Iterator[list[Range]]:
    """The ranges in lists of up to `size` versions each; a range that is longer is divided."""
    batch: list[Range] = []
    room = size
    for account, first, last in ranges:
        after = first
        while after < last:
            through = min(last, after + room)
            batch.append(Range(account, after, through))
            room -= through - after
            after = through
            if not room:
                yield batch
                batch, room = [], size
    if batch:
        yield batch

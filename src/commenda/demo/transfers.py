"""Transfers of the demo's customers: asked for, shown by a bank, and decided by two of the staff.

Some whose money comes by bank write the payment's reference with it. The bank's statement of the
next day then proves it, one operator reads that in, and the day after the other one says yes. Some
write nothing, so that both operators decide, a day apart. The rest sends nothing: those wait for
whoever tries the demo, and expire after three days. Now and then the bank takes back a payment that
was credited already: an alert that stays open, for whoever looks after it.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID
from xml.etree.ElementTree import Element, tostring

from commenda.funding import (
    DEPOSIT,
    RULES,
    FundingOrder,
    StatementKind,
    StatementOrder,
    payment_reference,
    read_in,
    request_funding,
)
from commenda.identity import PERMISSIONS, Principal, Role
from commenda.kit import ids
from commenda.kit.db import Tx
from commenda.kit.errors import CommendaError
from commenda.kit.money import plain
from commenda.ledger import Author
from commenda.operations import approve_and_carry_out
from commenda.simulate import ASSET, Scenario

PROVED, PAID = 0.4, 0.7
"""The part that writes the reference, and the part that pays at all."""
OPERATORS = ("demo-operator", "demo-operator-2")
ACCOUNT = "DE89370400440532013000"
CURRENCIES = ("USD=USDT",)
"""The demo's bank keeps dollars, which stand for USDT at par."""
STRANGE_EVERY = 7
"""Days from one transfer that nobody asked for to the next."""
STRANGE = Decimal("321.50")
TAKEN_BACK_EVERY = 20
"""Days from one payment to the next that the bank takes back; the first after six days."""


def operators(tx: Tx) -> list[Principal]:
    """The demo's two operators, the first one first."""
    rows = tx.execute(
        "SELECT id FROM users WHERE username = ANY (%s) ORDER BY username", (list(OPERATORS),)
    ).fetchall()
    return [
        Principal(user, Role.OPERATOR, PERMISSIONS[Role.OPERATOR], None, False) for (user,) in rows
    ]


class Waiting(NamedTuple):
    """A deposit that waits for words."""

    id: UUID
    user_id: UUID
    username: str
    amount: Decimal
    approval_id: UUID
    days: int
    """Midnights since it was asked for."""
    given: list[UUID]
    """Whose words it has, the reader's of a bank record among them."""
    proved: bool


def ask(tx: Tx, author: Author, investor: UUID, amount: Decimal) -> None:
    """Ask, as this customer and once, for a deposit that the staff decides."""
    who = Principal(investor, Role.INVESTOR, PERMISSIONS[Role.INVESTOR], None, False)
    order = FundingOrder(amount=amount, asset=ASSET, reference=f"transfer {investor.hex[:8]}")
    request_funding(
        tx, who, order, "transfer", author.now, paper=False, large=amount, currencies=CURRENCIES
    )


def decide(tx: Tx, author: Author, scenario: Scenario) -> list[UUID]:
    """Give the words that are due and read the bank's new statement in; whose money was credited.

    There is one word for each midnight, so that a tick that is repeated gives none twice. Words of
    somebody who tries the demo count among them.
    """
    staff = operators(tx)
    credited, paid = [], []
    for one in _waiting(tx, author):
        fate = ids.uniform(scenario.secret, "transfers", one.id)
        due: list[Principal] = []
        if one.proved:  # the first operator's word is the record
            due = staff[1:] if one.days > 1 else []
        elif fate < PROVED:
            paid += [one] if one.days else []
        elif fate < PAID:
            others = [who for who in staff if who.user_id not in one.given]
            due = others[: max(0, one.days - len(one.given))]
        credited += [one.user_id for who in due if _approve(tx, author, one, who)]
    _read_statement(tx, author, staff[0], paid, (author.now - scenario.start).days)
    return credited


def _approve(tx: Tx, author: Author, one: Waiting, who: Principal) -> bool:
    """Whether the money is there now; False where it takes another, or the house says no."""
    try:
        with tx.transaction():
            return approve_and_carry_out(tx, one.approval_id, who, author.now).outcome is not None
    except CommendaError:
        return False


def _waiting(tx: Tx, author: Author) -> list[Waiting]:
    rows = tx.execute(
        "SELECT r.id, r.user_id, u.username, r.amount, r.approval_id,"
        "  (%(now)s AT TIME ZONE 'UTC')::date - (r.created_at AT TIME ZONE 'UTC')::date,"
        "  array_remove(array_agg(v.user_id), NULL),"
        "  coalesce(bool_or(v.basis = 'bank_record'), false)"
        " FROM approvals a JOIN funding_requests r ON r.approval_id = a.id"
        " JOIN users u ON u.id = r.user_id"
        " LEFT JOIN approval_votes v ON v.approval_id = a.id AND v.voided_at IS NULL"
        " WHERE a.kind = %(kind)s AND a.status = 'requested' AND a.expires_at > %(now)s"
        " GROUP BY r.id, u.username ORDER BY r.sequence",
        {"now": author.now, "kind": DEPOSIT},
    ).fetchall()
    return [Waiting(*row) for row in rows]


def _read_statement(
    tx: Tx, author: Author, reader: Principal, paid: Sequence[Waiting], day: int
) -> None:
    """Read in, as this operator, what the bank booked today, where it booked anything."""
    booked = author.now.date().isoformat()
    entries = [
        _entry(booked, f"C{one.id.hex[:12]}", one.amount, one.username, payment_reference(one.id))
        for one in paid
    ]
    if day % STRANGE_EVERY == STRANGE_EVERY - 1:
        name, said = "Marco Anonimo", "for the savings, thanks"
        entries.append(_entry(booked, f"X{day}", STRANGE, name, said))
    if day % TAKEN_BACK_EVERY == 6:
        entries += _taken_back(tx, booked, day)
    if not entries:
        return
    content = camt053(f"DEMO-{booked}", entries)
    order = StatementOrder(kind=StatementKind.CAMT053, content=content)
    read_in(tx, Author(reader.actor, RULES, author.now), reader.user_id, order, CURRENCIES)


def _taken_back(tx: Tx, booked: str, day: int) -> list[Element]:
    """The bank's reversal of the latest payment that was credited; none where there is none, or
    where a repeated tick has it already."""
    row = tx.execute(
        "SELECT e.amount, e.counterparty, e.reference FROM bank_entries e"
        " JOIN funding_requests r ON r.id = e.request_id"
        " WHERE e.status = 'matched' AND e.direction = 'credit' AND r.status = 'done'"
        "  AND NOT EXISTS (SELECT FROM bank_entries WHERE entry_ref = %s)"
        " ORDER BY e.sequence DESC LIMIT 1",
        (f"R{day}",),
    ).fetchone()
    return [] if row is None else [_entry(booked, f"R{day}", *row, taken_back=True)]


def camt053(name: str, entries: Sequence[Element]) -> str:
    """A statement of the demo's account as a bank sends it: ISO 20022, camt.053.001.08."""
    account = tag("Acct", tag("Id", tag("IBAN", ACCOUNT)))
    statement = tag("Stmt", tag("Id", name), account, *entries)
    body = tag("BkToCstmrStmt", tag("GrpHdr", tag("MsgId", name)), statement)
    space = "urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"
    return tostring(tag("Document", body, xmlns=space), "unicode", xml_declaration=True)


def tag(name: str, *children: Element | str, **attributes: str) -> Element:
    """An element with its text, or with elements in it."""
    made = Element(name, attributes)
    for child in children:
        if isinstance(child, str):
            made.text = child
        else:
            made.append(child)
    return made


def _entry(
    booked: str, named: str, amount: Decimal, payer: str, said: str, *, taken_back: bool = False
) -> Element:
    details = tag(
        "TxDtls",
        tag("RltdPties", tag("Dbtr", tag("Pty", tag("Nm", payer)))),
        tag("RmtInf", tag("Ustrd", said)),
    )
    return tag(
        "Ntry",
        tag("Amt", plain(amount), Ccy="USD"),
        tag("CdtDbtInd", "DBIT" if taken_back else "CRDT"),
        tag("RvslInd", "true" if taken_back else "false"),
        tag("Sts", tag("Cd", "BOOK")),
        tag("BookgDt", tag("Dt", booked)),
        tag("AcctSvcrRef", named),
        tag("NtryDtls", details),
    )

"""Bank statements as files. The camt.053 below is written by hand after the ISO 20022 message
definition (camt.053.001.08); what it says is written out beside it."""

from __future__ import annotations

import time
from contextlib import suppress
from datetime import date
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commenda.funding.bank import MOST_ENTRIES, Entry, read_statement
from commenda.funding.model import payment_reference
from commenda.kit.errors import CommendaError

D = Decimal


def camt(*entries: str, version: str = "08", head: str = "") -> str:
    return (
        f'<?xml version="1.0" encoding="ISO-8859-1"?>{head}'
        f'<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.{version}"><BkToCstmrStmt>'
        "<GrpHdr><MsgId>M1</MsgId></GrpHdr><Stmt><Id>S-17</Id>"
        "<Acct><Id><IBAN>DE89370400440532013000</IBAN></Id></Acct>"
        f"{''.join(entries)}</Stmt></BkToCstmrStmt></Document>"
    )


def ntry(
    amount: str = "700.00",
    way: str = "CRDT",
    ref: str = "<AcctSvcrRef>B-1</AcctSvcrRef>",
    details: str = "",
    status: str = "<Sts><Cd>BOOK</Cd></Sts>",
    more: str = "",
) -> str:
    return (
        f'<Ntry><Amt Ccy="EUR">{amount}</Amt><CdtDbtInd>{way}</CdtDbtInd>{more}{status}'
        f"<BookgDt><Dt>2026-01-17</Dt></BookgDt>{ref}{details}</Ntry>"
    )


PAID = (
    "<NtryDtls><TxDtls><Refs><EndToEndId>NOTPROVIDED</EndToEndId></Refs>"
    "<RltdPties><Dbtr><Pty><Nm>Ines Müller</Nm></Pty></Dbtr></RltdPties>"
    "<RmtInf><Ustrd>bank-1</Ustrd><Strd><CdtrRefInf><Ref>RF18539007547034</Ref></CdtrRefInf></Strd>"
    "</RmtInf></TxDtls></NtryDtls>"
)
ONE = Entry(
    "DE89370400440532013000",
    "B-1",
    date(2026, 1, 17),
    "credit",
    D(700),
    "EUR",
    "RF18539007547034\nbank-1",
    "Ines Müller",
    False,
)


def test_a_camt_entry_is_read_with_all_that_was_written() -> None:
    assert read_statement(camt(ntry(details=PAID)), "camt053") == [ONE]


def test_an_older_version_says_the_same_in_other_words() -> None:
    older = PAID.replace("<Pty>", "").replace("</Pty>", "")
    text = camt(ntry(details=older, status="<Sts>BOOK</Sts>"), version="02")
    assert read_statement(text, "camt053") == [ONE]


def test_what_is_not_booked_yet_is_left_out() -> None:
    assert read_statement(camt(ntry(status="<Sts><Cd>PDNG</Cd></Sts>")), "camt053") == []


def test_a_reversal_and_a_debit_are_told_apart() -> None:
    text = camt(ntry(way="DBIT", more="<RvslInd>true</RvslInd>"), ntry(way="DBIT"))
    told = [(one.direction, one.reversal) for one in read_statement(text, "camt053")]
    assert told == [("debit", True), ("debit", False)]


def part(amount: str, end_to_end: str) -> str:
    return (
        f"<TxDtls><Refs><EndToEndId>{end_to_end}</EndToEndId></Refs>"
        f'<Amt Ccy="EUR">{amount}</Amt></TxDtls>'
    )


def test_payments_that_are_booked_as_one_are_several_entries() -> None:
    details = f"<NtryDtls>{part('450.10', 'A')}{part('249.90', 'B')}</NtryDtls>"
    found = read_statement(camt(ntry(details=details)), "camt053")
    assert [(one.entry_ref, one.amount, one.reference) for one in found] == [
        ("B-1/1", D("450.10"), "A"),
        ("B-1/2", D("249.90"), "B"),
    ]
    wrong = f"<NtryDtls>{part('450.10', 'A')}{part('249.91', 'B')}</NtryDtls>"
    with pytest.raises(CommendaError, match="sum to its amount"):
        read_statement(camt(ntry(details=wrong)), "camt053")


def test_an_entry_without_the_banks_name_takes_the_statements() -> None:
    text = camt(ntry(ref="<NtryRef>3</NtryRef>"))
    assert [one.entry_ref for one in read_statement(text, "camt053")] == ["S-17/3"]


BOMB = (
    '<!DOCTYPE d [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">'
    '<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;">]>'
)
OUTSIDE = '<!DOCTYPE d [<!ENTITY a SYSTEM "file:///etc/passwd">]>'


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        (camt(ntry(), head=BOMB), "no document type"),
        (camt(ntry(), head=OUTSIDE), "no document type"),
        (camt(ntry(), head='<!DOCTYPE d SYSTEM "http://localhost/x.dtd">'), "no document type"),
        (camt("<a>" * 40 + "</a>" * 40), "as deep as this"),
        (camt("<a>"), "as it is"),
        ("", "as it is"),
        ("<Document/>", "has a Stmt"),
        (camt(ntry(amount="7,00")), "digits 0-9"),
        (camt(ntry(amount="١٢")), "digits 0-9"),
        (camt(ntry(amount="1_0")), "digits 0-9"),
        (camt(ntry(amount="1e3")), "digits 0-9"),
        (camt(ntry(amount="0.00")), "above 0"),
        (camt(ntry(amount="-5")), "digits 0-9"),
        (camt(ntry(amount="x", details=f"<NtryDtls>{PAID * 2}</NtryDtls>")), "digits 0-9"),
        (camt(ntry(way="BOTH")), "CRDT or DBIT"),
        (camt(ntry(ref="")), "entry_ref"),
        (camt(ntry().replace("2026-01-17", "2026-02-30")), "no such day"),
        (camt(ntry().replace("EUR", "€")), "a currency"),
    ],
)
def test_what_is_no_statement_is_refused(text: str, hint: str) -> None:
    with pytest.raises(CommendaError) as caught:
        read_statement(text, "camt053")
    assert caught.value.code == "bad_statement"
    assert hint in str(caught.value.hint)


def test_a_statement_is_bounded_in_size_and_entries() -> None:
    begun = time.monotonic()
    for text in ("x" * (16 * 1024 * 1024 + 1), camt(ntry() * (MOST_ENTRIES + 1))):
        with pytest.raises(CommendaError) as caught:
            read_statement(text, "camt053")
        assert caught.value.code == "statement_too_large"
    assert time.monotonic() - begun < 20


HEADER = "entry_reference,booked_on,amount,currency,reference"


def test_a_csv_says_the_same_by_its_columns() -> None:
    text = f"\ufeff{HEADER},counterparty,reversal\nB-1,2026-01-17,700.00,EUR,bank-1,Ines Müller,\n"
    text += 'B-2,2026-01-18,-700,EUR,"bank-1, back",,true\n'
    first, second = read_statement(text, "csv", "DE89370400440532013000")
    assert (first.entry_ref, first.amount, first.direction) == ("B-1", D(700), "credit")
    assert (first.reference, first.counterparty) == ("bank-1", "Ines Müller")
    assert (second.amount, second.direction, second.reversal) == (D(700), "debit", True)
    assert second.reference == "bank-1, back"
    semicolons = text.replace('"bank-1, back"', "bank-1").replace(",", ";")
    assert read_statement(semicolons, "csv", first.account)[0] == first


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("", "add amount, booked_on"),
        ("a,b\n1,2\n", "add amount, booked_on"),
        (f"{HEADER}\nB-1,2026-01-17,700\n", "as many fields"),
        (f"{HEADER}\nB-1,2026-01-17,700,EUR,x,y,z\n", "as many fields"),
        (f"{HEADER}\nB-1,17.01.2026,700,EUR,x\n", "2026-01-17"),
        (f"{HEADER}\nB-1,2026-01-17,--7,EUR,x\n", "digits 0-9"),
        (f"{HEADER}\nB-1,2026-01-17,１２,EUR,x\n", "digits 0-9"),
        (f"{HEADER}\n,2026-01-17,7,EUR,x\n", "entry_ref"),
        (f"{HEADER},reversal\nB-1,2026-01-17,7,EUR,x,maybe\n", "true or false"),
        (f'{HEADER}\nB-1,2026-01-17,7,EUR,"x\n', "one entry a line"),
    ],
)
def test_a_csv_that_is_none_is_refused_with_its_line(text: str, hint: str) -> None:
    with pytest.raises(CommendaError) as caught:
        read_statement(text, "csv", "ours")
    assert caught.value.code == "bad_statement"
    assert hint in str(caught.value.hint)


@given(st.text(max_size=400), st.sampled_from(["camt053", "csv"]))
def test_nothing_that_is_sent_is_more_than_refused(text: str, kind: str) -> None:
    with suppress(CommendaError):
        read_statement(text, kind, "ours")


@given(st.uuids())
def test_a_payment_reference_is_one_of_iso_11649(request: UUID) -> None:
    """Valid where the letters, moved behind and read as numbers (A is 10), leave 1 modulo 97; the
    standard's own example is RF18539007547034."""

    def remainder(reference: str) -> int:
        turned = reference[4:] + reference[:4]
        value = 0
        for letter in turned:
            digit = int(letter) if letter.isdigit() else ord(letter) - ord("A") + 10
            value = (value * (10 if digit < 10 else 100) + digit) % 97
        return value

    assert remainder("RF18539007547034") == 1
    made = payment_reference(request)
    assert remainder(made) == 1
    assert len(made) == 21

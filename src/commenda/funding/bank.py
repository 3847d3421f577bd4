"""Bank statements as files: camt.053 of ISO 20022 (XML) and CSV, read within bounds.

XML comes from outside: a document type, and with it any entity, is refused, as is whatever is
larger, deeper or longer than a statement is. Nothing of a file that is refused is kept.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from xml.etree.ElementTree import Element, TreeBuilder  # built here, not parsed: see _tree
from xml.parsers import expat

from commenda.kit.errors import CommendaError

LARGEST_STATEMENT = 16 * 1024 * 1024
MOST_ENTRIES = 20_000
_DEEPEST = 24
_AMOUNT = re.compile(r"[0-9]{1,18}(\.[0-9]{1,18})?")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_NO_REFERENCE = frozenset({"NOTPROVIDED", "NONREF"})
COLUMNS = ("entry_reference", "booked_on", "amount", "currency", "reference")
OPTIONAL = ("account", "counterparty", "reversal")


@dataclass(frozen=True, slots=True)
class Entry:
    """One booking on an account of ours."""

    account: str
    entry_ref: str
    booked_on: date
    direction: str
    """`credit` came in, `debit` went out; of a reversal, what the reversal itself does."""
    amount: Decimal
    currency: str
    reference: str
    """All that whoever paid wrote, a line for each part."""
    counterparty: str
    reversal: bool


def read_statement(text: str, kind: str, account: str = "") -> list[Entry]:
    """The booked entries of a statement; `account` where a CSV file does not say whose it is.

    Codes `statement_too_large`, `bad_statement` (naming the entry and what is wrong with it).
    """
    if len(text) > LARGEST_STATEMENT:
        raise CommendaError("statement_too_large", "A statement has at most 16 MB").at(
            "content", len(text), "split it by day"
        )
    read = _camt(text) if kind == "camt053" else _csv(text, account)
    entries = []
    for entry in read:
        entries.append(entry)
        if len(entries) > MOST_ENTRIES:
            raise CommendaError(
                "statement_too_large", f"A statement has at most {MOST_ENTRIES} entries"
            ).at("content", hint="split it by day")
    return entries


def _bad(where: str, value: object, hint: str) -> CommendaError:
    return CommendaError("bad_statement", "This statement cannot be read").at(where, value, hint)


def _entry(where: str, direction: str, fields: dict[str, str], reversal: bool) -> Entry:
    """An entry of texts that were read, each as strict as what is posted from it."""
    amount, day = fields["amount"], fields["booked_on"][:10]
    if not _AMOUNT.fullmatch(amount) or not Decimal(amount):
        raise _bad(where, amount, "an amount has digits 0-9 and one point, and is above 0")
    if not _DAY.fullmatch(day):
        raise _bad(where, day, "a day is written as in 2026-01-17")
    try:
        booked_on = date.fromisoformat(day)
    except ValueError:
        raise _bad(where, day, "there is no such day") from None
    if not re.fullmatch("[A-Z0-9]{1,12}", fields["currency"]):
        raise _bad(where, fields["currency"][:20], "a currency is written as in EUR")
    for name, most in (("account", 64), ("entry_ref", 100)):
        if not 0 < len(fields[name]) <= most or not fields[name].isprintable():
            raise _bad(where, fields[name][:100], f"an {name} of 1 to {most} letters is needed")
    return Entry(
        fields["account"],
        fields["entry_ref"],
        booked_on,
        direction,
        Decimal(amount),
        fields["currency"],
        _clean(fields["reference"], 1_000),
        _clean(fields["counterparty"], 200),
        reversal,
    )


def _clean(text: str, most: int) -> str:
    return "".join(letter for letter in text if letter.isprintable() or letter == "\n")[:most]


# --- CSV -----------------------------------------------------------------------------------------


def _csv(text: str, account: str) -> Iterator[Entry]:
    text = text.removeprefix("\ufeff")
    separator = ";" if text.partition("\n")[0].count(";") > 2 else ","
    rows = csv.DictReader(io.StringIO(text), delimiter=separator, strict=True)
    try:
        missing = set(COLUMNS) - set(rows.fieldnames or ())
        if missing:
            raise _bad(
                "header", ", ".join(rows.fieldnames or ()), f"add {', '.join(sorted(missing))}"
            )
        for row in rows:
            yield _csv_entry(f"line {rows.line_num}", row, account)
    except csv.Error as error:
        raise _bad(f"line {rows.line_num}", str(error), "write one entry a line") from error


def _csv_entry(where: str, row: dict[str, str | None], account: str) -> Entry:
    if None in row or None in (row[name] for name in COLUMNS):
        raise _bad(where, "", "each line has as many fields as the header")
    cells = {name: (row.get(name) or "").strip() for name in COLUMNS + OPTIONAL}
    signed = cells["amount"]
    said = cells["reversal"].lower()
    if said not in ("", "true", "false"):
        raise _bad(where, said, "reversal is true or false")
    return _entry(
        where,
        "debit" if signed.startswith("-") else "credit",
        cells
        | {"amount": signed.removeprefix("-"), "entry_ref": cells["entry_reference"]}
        | {"account": cells["account"] or account},
        said == "true",
    )


# --- camt.053 ------------------------------------------------------------------------------------


def _tree(text: str) -> Element:
    """The document's elements, by their names without namespace."""
    builder, depth = TreeBuilder(), 0
    parser = expat.ParserCreate(namespace_separator="}")

    def begin(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > _DEEPEST:
            raise _bad("content", name, "no statement is as deep as this")
        builder.start(name.rpartition("}")[2], attributes)

    def end(name: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(name.rpartition("}")[2])

    def refuse(*_: object) -> None:
        raise _bad("content", "<!DOCTYPE", "a statement declares no document type or entities")

    parser.StartElementHandler = begin
    parser.EndElementHandler = end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    try:
        parser.Parse(text.encode("utf-8", "replace"), True)
    except expat.ExpatError as error:
        said = expat.ErrorString(error.code)
        raise _bad(
            "content", f"line {error.lineno}: {said}", "send the bank's file as it is"
        ) from None
    return builder.close()


def _camt(text: str) -> Iterator[Entry]:
    # What stands before the root may name another encoding; the text is decoded already.
    found = False
    for statement in _tree(re.sub(r"^\s*<\?xml[^>]*\?>", "", text.removeprefix("\ufeff"))).iter(
        "Stmt"
    ):
        found = True
        account = _text(statement, "Acct/Id/IBAN", "Acct/Id/Othr/Id")
        named = _text(statement, "Id")
        for number, booking in enumerate(statement.iterfind("Ntry"), 1):
            yield from _bookings(booking, account, named, f"entry {number} of {named}")
    if not found:
        raise _bad("content", "", "a camt.053 document has a Stmt")


def _bookings(booking: Element, account: str, statement: str, where: str) -> Iterator[Entry]:
    """The entry, or its parts where several payments are booked as one."""
    if _text(booking, "Sts/Cd", "Sts") != "BOOK":
        return  # pending: it comes again when it is booked
    direction = {"CRDT": "credit", "DBIT": "debit"}.get(_text(booking, "CdtDbtInd"), "")
    if not direction:
        raise _bad(where, _text(booking, "CdtDbtInd"), "CdtDbtInd is CRDT or DBIT")
    reversal = _text(booking, "RvslInd") in ("true", "1")
    total = booking.find("Amt")
    if total is None or not _AMOUNT.fullmatch((total.text or "").strip()):
        raise _bad(where, "Amt", "an amount has digits 0-9 and one point, and is above 0")
    named = _text(booking, "AcctSvcrRef")
    if not named and (own := _text(booking, "NtryRef")):
        named = f"{statement}/{own}"
    common = {"account": account, "booked_on": _text(booking, "BookgDt/Dt", "BookgDt/DtTm")}
    parts = booking.findall("NtryDtls/TxDtls")
    amounts = [_part_amount(part) for part in parts]
    whole = len(parts) < 2 or None in amounts
    if not whole and sum(Decimal(one.text or "") for one in amounts if one is not None) != Decimal(
        total.text or ""
    ):
        raise _bad(where, total.text, "the parts of an entry sum to its amount")
    for number, part in enumerate([booking] if whole else parts, 1):
        amount = total if whole else amounts[number - 1]
        assert amount is not None
        details = part if not whole else (parts[0] if len(parts) == 1 else booking)
        reference = named or _text(details, "Refs/AcctSvcrRef")
        fields = {
            "amount": (amount.text or "").strip(),
            "currency": amount.get("Ccy", total.get("Ccy", "")),
            "entry_ref": reference if whole else f"{reference}/{number}",
            "reference": "\n".join(_written(details)),
            "counterparty": _counterparty(details, direction),
        }
        yield _entry(where, direction, common | fields, reversal)


def _part_amount(part: Element) -> Element | None:
    found = part.find("Amt")
    found = part.find("AmtDtls/TxAmt/Amt") if found is None else found
    return found if found is not None and _AMOUNT.fullmatch((found.text or "").strip()) else None


def _written(details: Element) -> Iterable[str]:
    ends = ("Refs/EndToEndId", "RmtInf/Strd/CdtrRefInf/Ref", "RmtInf/Ustrd")
    for path in ends:
        for one in details.iterfind(path):
            text = " ".join((one.text or "").split())
            if text and text not in _NO_REFERENCE:
                yield text


def _counterparty(details: Element, direction: str) -> str:
    side = "Dbtr" if direction == "credit" else "Cdtr"
    return _text(details, f"RltdPties/{side}/Nm", f"RltdPties/{side}/Pty/Nm")


def _text(element: Element, *paths: str) -> str:
    """The text at the first of these paths that has one."""
    for path in paths:
        found = (element.findtext(path) or "").strip()
        if found:
            return found
    return ""

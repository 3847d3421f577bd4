"""Figures as people read them: money, rates and moments out of the report's plain data."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

Figure = str | int | float | Decimal | None


def money(value: Figure, decimals: int = 2, *, signed: bool = False) -> str:
    """An amount with thousands separators; '-' where there is none."""
    if value is None:
        return "-"
    sign = "+" if signed and Decimal(value) else ""
    return f"{Decimal(value):{sign},.{decimals}f}"


def percent(value: Figure, decimals: int = 2, *, signed: bool = True) -> str:
    """A fraction in percent; '-' where there is none."""
    if value is None:
        return "-"
    return f"{Decimal(value) * 100:{'+' if signed else ''}.{decimals}f}%"


def rate(value: float) -> str:
    """A mark of an axis in percent, as short as it can be."""
    return f"{round(value * 100, 6):,.10g}%"


def whole(value: float) -> str:
    """A mark of an axis of counts; nothing stands between two counts."""
    return f"{value:,.0f}" if value == int(value) else ""


def change(value: Figure) -> str:
    """A return with its sign and an arrow, so that it reads without colour."""
    return "-" if value is None else f"{arrow(value)} {percent(value)}"


def gain(value: Figure) -> str:
    """An amount with its sign and an arrow."""
    return "-" if value is None else f"{arrow(value)} {money(value, signed=True)}"


def arrow(value: Figure) -> str:
    return {"up": "▲", "down": "▼"}.get(tone(value), "–")


def tone(value: Figure) -> str:
    """The class of a gain's colour."""
    amount = Decimal(value or 0)
    return "up" if amount > 0 else "down" if amount < 0 else "quiet"


def moment(value: str) -> datetime:
    return datetime.fromisoformat(value).astimezone(UTC)


def minute(value: str) -> str:
    return f"{moment(value):%Y-%m-%d %H:%M}"


def day(value: str) -> str:
    return f"{moment(value):%Y-%m-%d}"


def short(text: str, most: int = 44) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"

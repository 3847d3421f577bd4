"""Markup out of text: whatever is not markup yet is escaped where it enters."""

from __future__ import annotations

import html


class Markup(str):
    """Text that is HTML (or SVG) already."""

    __slots__ = ()


def join(*parts: object) -> Markup:
    """The parts one after another; None is nothing, and plain text is escaped."""
    return Markup("".join(_safe(part) for part in parts if part is not None))


def tag(name: str, *children: object, **attributes: object) -> Markup:
    """One element. `class_` is class, `aria_label` is aria-label; None leaves an attribute out."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{html.escape(str(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Markup(f"<{name}{written}>{join(*children)}</{name}>")


def _safe(part: object) -> str:
    return part if isinstance(part, Markup) else html.escape(str(part))

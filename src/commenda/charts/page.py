"""What stands around the charts: the page, its sections, cards, key figures and tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib import resources

from commenda.charts.shown import tone
from commenda.charts.svg import Caption
from commenda.charts.words import LANGUAGES, Words
from commenda.kit.markup import Markup, join, tag

HALF, WIDE = 556.0, 1160.0
TALL = 240.0

Cell = str | int | Markup
Head = tuple[str, bool]
"""A column's name, and whether it holds figures."""

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
"""Nothing is fetched from anywhere."""


def html_page(title: str, mains: Iterable[Markup]) -> str:
    """The whole page: a `main` for each of LANGUAGES, of which the style sheet shows one.

    Without a script it is in Chinese and follows the reader's light or dark theme.
    """
    head = tag(
        "head",
        Markup('<meta charset="utf-8">'),
        Markup(f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'),
        Markup('<meta name="viewport" content="width=device-width, initial-scale=1">'),
        Markup('<meta name="color-scheme" content="light dark">'),
        tag("title", title),
        tag("style", _own_file("page.css")),
    )
    body = tag("body", *mains, tag("script", _own_file("page.js")))
    return f"<!doctype html>\n{tag('html', head, body, lang=LANGUAGES[0])}\n"


def _own_file(name: str) -> Markup:
    """A file of this package, as it is: it holds nothing from outside."""
    return Markup(resources.files("commenda.charts").joinpath(name).read_text("utf-8"))


def section(words: Words, key: str, *parts: Markup | None) -> Markup:
    """A heading and its cards."""
    ident = f"{words.language}-{key}-section"
    return tag(
        "section",
        tag("h2", words.say(key), id=ident),
        tag("div", *parts, class_="cards"),
        aria_labelledby=ident,
    )


def buttons(words: Words) -> Markup:
    """The page's switches: language, theme, colours of gains."""
    keys = {"lang": "language", "theme": "theme", "market": "colours"}
    return tag(
        "div",
        *(
            tag("button", words.say(text), type="button", data_switch=key)
            for key, text in keys.items()
        ),
        class_="buttons",
    )


def badge(text: str, sound: bool) -> Markup:
    mark = "✓" if sound else "✗"
    return tag("span", f"{mark} {text}", class_=f"badge {'sound' if sound else 'unsound'}")


def fact(name: str, figure: str, note: str, kind: str | None = None) -> Markup:
    """A key figure: its name, itself, and what it is."""
    return tag(
        "div",
        tag("dt", name),
        tag("dd", figure, class_=join("num figure ", kind or "")),
        tag("dd", note, class_="note"),
        class_="card",
    )


# --- charts ----------------------------------------------------------------------------------


def figure(words: Words, key: str, drawing: Markup, summary: str, basis: str, wide: bool) -> Markup:
    """A card with a chart: title, what it says, the chart, and what its figures rest on."""
    return tag(
        "figure",
        tag("figcaption", tag("h3", words.say(key)), tag("p", summary)),
        tag("div", drawing, class_="plot", tabindex="0", role="group", aria_label=words.say(key)),
        tag("p", f"{basis} · {words.say(f'{key}_method')}", class_="basis"),
        class_="card wide" if wide else "card",
    )


def caption(words: Words, key: str, summary: str) -> Caption:
    return Caption(f"{words.language}-{key}", words.say(key), summary)


def empty(words: Words, key: str, why: str) -> Markup:
    """A chart that has nothing to show says so."""
    return tag(
        "figure",
        tag("figcaption", tag("h3", words.say(key))),
        tag("p", words.say(why), class_="none"),
        class_="card",
    )


# --- tables ----------------------------------------------------------------------------------


def table(
    title: str,
    heads: Sequence[Head],
    rows: Sequence[Sequence[Cell]],
    *,
    wide: bool = True,
    note: str | None = None,
) -> Markup:
    kind = "card wide" if wide else "card"
    basis = None if note is None else tag("p", note, class_="basis")
    return tag("section", tag("h3", title), _grid(title, heads, rows), basis, class_=kind)


def folded(
    words: Words, title: str, heads: Sequence[Head], rows: Sequence[Sequence[Cell]]
) -> Markup:
    count = tag("span", words.say("rows", count=len(rows)), class_="note")
    return tag(
        "details",
        tag("summary", tag("h3", title), count),
        _grid(title, heads, rows),
        class_="card wide",
    )


def coloured(value: str | float | None, written: str) -> Markup:
    """A gain or a loss in its colour; its sign and arrow are in the text."""
    return tag("span", written, class_=tone(value))


def headings(words: Words, names: str, figures: str) -> list[Head]:
    """Columns of names and, after them, of figures."""
    return [(words.say(key), False) for key in names.split()] + [
        (words.say(key), True) for key in figures.split()
    ]


def _grid(title: str, heads: Sequence[Head], rows: Sequence[Sequence[Cell]]) -> Markup:
    head = tag("tr", *(tag("th", name, scope="col", class_=_kind(num)) for name, num in heads))
    body = (
        tag(
            "tr",
            *(
                tag("td", cell, class_=_kind(num))
                for cell, (_, num) in zip(row, heads, strict=True)
            ),
        )
        for row in rows
    )
    grid = tag("table", tag("thead", head), tag("tbody", *body))
    return tag("div", grid, class_="scroll", tabindex="0", role="group", aria_label=title)


def _kind(numeric: bool) -> str | None:
    return "num" if numeric else None

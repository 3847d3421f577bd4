"""A reader of the HTML pages that the tests look at."""

from __future__ import annotations

from html.parser import HTMLParser

VOID = {"meta"}


class Reader(HTMLParser):
    """Checks that every element is closed, and gathers the text of each language."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.language = ""
        self.texts: dict[str, list[str]] = {}
        self.idents: list[str] = []
        self.elements: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.elements.append(tag)
        self.idents += [found["id"] or ""] if "id" in found else []
        if tag == "main":
            self.language = found["lang"] or ""
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
        if tag == "main":
            self.language = ""

    def handle_data(self, data: str) -> None:
        if self.language and data.strip():
            self.texts.setdefault(self.language, []).append(data)

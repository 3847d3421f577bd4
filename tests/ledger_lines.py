"""What is read of a journal."""

from __future__ import annotations

from book import Book


def first(book: Book) -> int:
    return int(book.rows("SELECT min(id) FROM journals")[0][0])

"""The floors of the service's figures: FastAPI, a thread pool, a pool of connections, bare SQL.

No sign-in, no limits, no logs, no metrics, no business: what the framework and the database
themselves leave to spend. `/one-query` reads; `/orders` writes, in one durable transaction, with as
many statements and rows as a subscription, into a table of one index without rules or references.
"""

from __future__ import annotations

import sys
from decimal import Decimal
from uuid import UUID

import uvicorn
from fastapi import FastAPI
from psycopg_pool import ConnectionPool
from pydantic import BaseModel

TABLE = """
    CREATE TABLE bare_rows (id bigserial PRIMARY KEY, key text, amount numeric, document text);
    GRANT SELECT, INSERT, UPDATE ON bare_rows TO commenda_app;
    GRANT USAGE ON SEQUENCE bare_rows_id_seq TO commenda_app;
"""
INSERT = (
    "INSERT INTO bare_rows (key, amount, document)"
    " SELECT %s, %s, %s FROM generate_series(1, %s) RETURNING id"
)
LONG = "".join(f'{{"creatorId": "{UUID(int=n**9)}", "score": "{n / 7}"}}' for n in range(110))
"""As long as what is kept of a draw: 9,000 characters."""


class Order(BaseModel):
    productId: UUID  # noqa: N815 - as on the wire
    amount: Decimal


def main(database_url: str, port: int) -> None:
    pool = ConnectionPool(database_url, min_size=8, max_size=8, open=True)
    app = FastAPI()

    @app.get("/healthz")
    def healthz() -> dict[str, bool]:
        return {"ok": True}

    @app.get("/one-query")
    def one_query() -> dict[str, int]:
        with pool.connection() as connection:
            row = connection.execute("SELECT count(*) FROM products").fetchone()
        return {"products": row[0] if row else 0}

    @app.post("/orders", status_code=201)
    def order(body: Order) -> dict[str, int]:
        key, amount = str(body.productId), body.amount
        with pool.connection() as connection, connection.transaction():
            claim = connection.execute(INSERT, (key, amount, None, 1)).fetchone()
            connection.execute("SELECT * FROM products WHERE id = %s", (key,)).fetchone()
            connection.execute(INSERT, (key, amount, None, 3)).fetchone()  # journal and entries
            connection.execute(INSERT, (key, amount, None, 8)).fetchone()  # what was ordered
            connection.execute(INSERT, (key, amount, LONG, 1)).fetchone()  # what was drawn, and why
            connection.execute("UPDATE bare_rows SET key = 'done' WHERE id = %s", claim)
        return {"order": claim[0] if claim else 0}

    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning", access_log=False)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))

"""The baseline of the service's figures: FastAPI, a thread pool, a pool of connections, one query.

No sign-in, no limits, no logs, no metrics, no business: what the framework itself leaves to spend.
"""

from __future__ import annotations

import sys

import uvicorn
from fastapi import FastAPI
from psycopg_pool import ConnectionPool


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

    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning", access_log=False)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))

-- Backtests that were kept: what each was run from, what it came to, and enough to prove a rerun.
--
-- Of the tables that 002-01 names, `market_data` is market_datasets and its files, and
-- `performance_metrics` is no table of its own: the metrics of a run stand with the run, in
-- `report`, for they mean nothing without the inputs beside them.

CREATE TABLE backtests (
    id             uuid PRIMARY KEY,  -- derived from the inputs and from who keeps them
    strategy       text NOT NULL,
    version        text NOT NULL,
    code_hash      text NOT NULL,
    data_sha256    text NOT NULL CHECK (data_sha256 ~ '^[0-9a-f]{64}$'),
    funding_sha256 text CHECK (funding_sha256 ~ '^[0-9a-f]{64}$'),  -- NULL: none was charged
    engine_hash    text NOT NULL,
    seed           bigint,
    -- Everything the result depends on; the columns above are readings of it, to search by.
    inputs         jsonb NOT NULL,
    -- What is shown: figures, and series of the least and greatest value of each pixel column.
    report         jsonb NOT NULL,
    -- The exact result: every bit of the equity by its digest, every fill as it was.
    equity_sha256  text NOT NULL CHECK (equity_sha256 ~ '^[0-9a-f]{64}$'),
    fills          bytea NOT NULL,
    created_by     text NOT NULL,
    created_at     timestamptz NOT NULL,
    seconds        double precision NOT NULL CHECK (seconds >= 0)
);
CREATE INDEX backtests_by_time ON backtests (created_at DESC, id DESC);
CREATE INDEX backtests_by_person ON backtests (created_by, created_at DESC, id DESC);

-- A kept run is never changed: another run is another row.
GRANT SELECT, INSERT ON backtests TO commenda_app;

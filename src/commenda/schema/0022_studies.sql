-- Studies of strategies, and the ledger of every configuration that was ever evaluated.

CREATE TABLE studies (
    id               uuid PRIMARY KEY,
    strategy         text NOT NULL,
    version          text NOT NULL,
    reference        text NOT NULL,          -- what the strategy is found by again: a name, or a file
    source_hash      text NOT NULL CHECK (source_hash ~ '^[0-9a-f]{64}$'),
    data_name        text NOT NULL,
    data_hash        text NOT NULL CHECK (data_hash ~ '^[0-9a-f]{64}$'),  -- of the bars
    funding_hash     text CHECK (funding_hash ~ '^[0-9a-f]{64}$'),        -- null: none was charged
    data             jsonb NOT NULL,         -- where the bars and funding are read again from
    interval_seconds integer NOT NULL CHECK (interval_seconds > 0),
    bars             integer NOT NULL CHECK (bars > 0),
    purge            integer NOT NULL CHECK (purge >= 0),
    space            jsonb NOT NULL,         -- each dimension as it is written
    fixed            jsonb NOT NULL,
    plan             jsonb NOT NULL,         -- sampler, seed, objectives, walk, costs
    state            text NOT NULL DEFAULT 'running'
        CHECK (state IN ('running', 'complete', 'cancelled', 'failed')),
    reason           text,
    asked_by         text NOT NULL,
    created_at       timestamptz NOT NULL,
    finished_at      timestamptz,
    result           jsonb,
    CHECK ((state = 'running') = (finished_at IS NULL)),
    CHECK ((state = 'complete') = (result IS NOT NULL))
);
CREATE INDEX studies_of_strategy ON studies (strategy, data_hash);
CREATE INDEX studies_by_time ON studies (created_at DESC, id DESC);

-- One configuration of one study. `params` has every parameter of the strategy, so that two studies
-- that reach the same configuration count it once. PostgreSQL's NaN has no place in it.
CREATE TABLE study_trials (
    study_id uuid NOT NULL REFERENCES studies,
    number   integer NOT NULL CHECK (number >= 0),
    params   jsonb NOT NULL,
    state    text NOT NULL DEFAULT 'running'
        CHECK (state IN ('running', 'complete', 'pruned', 'failed')),
    "values" double precision[] NOT NULL DEFAULT '{}',
    rungs    double precision[] NOT NULL DEFAULT '{}',   -- what pruning looked at
    folds    double precision[] NOT NULL DEFAULT '{}',   -- four figures for each
    sharpe   double precision CHECK (sharpe <> 'NaN'),   -- of one bar; null: returns do not vary
    skew     double precision CHECK (skew <> 'NaN'),
    kurtosis double precision CHECK (kurtosis <> 'NaN'),
    bars     integer NOT NULL DEFAULT 0,                 -- that ran
    trades   integer NOT NULL DEFAULT 0,
    periods  bytea,                                      -- returns, little-endian float64
    reason   text,
    seconds  double precision NOT NULL DEFAULT 0,
    PRIMARY KEY (study_id, number),
    CHECK ((state = 'failed') = (reason IS NOT NULL))
);

GRANT SELECT, INSERT, UPDATE (state, reason, finished_at, result) ON studies TO commenda_app;
-- What was tried stays tried: no row of the ledger is ever taken back.
GRANT SELECT, INSERT,
    UPDATE (state, "values", rungs, folds, sharpe, skew, kurtosis, bars, trades, periods, reason,
            seconds) ON study_trials TO commenda_app;

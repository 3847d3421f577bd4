-- A living operation: whose clock it goes by, the open tick, schedules, workers, live prices.

-- driven: moved by a replay. wall: it is wall time. paced: `pace` business seconds in a second of
-- wall time, for a demo; `quick_until` is reached without waiting.
ALTER TABLE business_clock
    ADD COLUMN mode text NOT NULL DEFAULT 'driven' CHECK (mode IN ('driven', 'wall', 'paced')),
    ADD COLUMN pace numeric CHECK (pace > 0),
    ADD COLUMN quick_until timestamptz,
    ADD COLUMN advanced_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    ADD CONSTRAINT only_paced_has_a_pace CHECK ((mode = 'paced') = (pace IS NOT NULL));

-- What time the business has: wall time, or what its clock was moved to.
CREATE FUNCTION business_now() RETURNS timestamptz LANGUAGE sql STABLE
RETURN coalesce((SELECT CASE mode WHEN 'wall' THEN clock_timestamp() ELSE now_at END
                 FROM business_clock), clock_timestamp());

-- The tick that was begun and not finished, and which of its jobs are done.
CREATE TABLE open_tick (
    single    boolean PRIMARY KEY DEFAULT true CHECK (single),
    at        timestamptz NOT NULL,
    jobs_done text[] NOT NULL DEFAULT '{}'
);

CREATE TABLE schedules (
    name       text PRIMARY KEY,
    every      interval NOT NULL CHECK (every > interval '0'),
    next_at    timestamptz NOT NULL,   -- business time
    last_at    timestamptz,
    last_error text,
    failures   integer NOT NULL DEFAULT 0  -- in a row
);

CREATE TABLE workers (
    id         text PRIMARY KEY,
    started_at timestamptz NOT NULL,   -- wall time, as all of this table
    seen_at    timestamptz NOT NULL,
    stopped_at timestamptz,
    leads      boolean NOT NULL DEFAULT false,
    tick_at    timestamptz             -- business time of the last tick it finished
);

-- Closed bars of the live market and the latest mark of each instrument: what processes without
-- a feed of their own read.
CREATE TABLE market_bars (
    instrument_id smallint NOT NULL REFERENCES instruments,
    ts            timestamptz NOT NULL,    -- open
    interval_seconds integer NOT NULL,
    open          double precision NOT NULL,
    high          double precision NOT NULL,
    low           double precision NOT NULL,
    close         double precision NOT NULL,
    volume        double precision NOT NULL,
    PRIMARY KEY (instrument_id, ts)
);
CREATE TABLE market_marks (
    instrument_id smallint PRIMARY KEY REFERENCES instruments,
    price         numeric(38,18) NOT NULL,
    as_of         timestamptz NOT NULL,
    source        text NOT NULL
);

-- A target that a closed bar led to; published at the next open, after the tick's other work.
ALTER TABLE shared_flows ADD COLUMN pending_target numeric(38,18);
CREATE INDEX trading_signals_open ON trading_signals (created_at) WHERE status <> 'processed';

-- What the overview reads: a day's books, the latest settlements and alerts.
CREATE INDEX nav_history_by_day ON nav_history (at, scope_id) INCLUDE (capital, nav)
    WHERE leg_id IS NULL;
CREATE INDEX settlements_by_time ON settlements (settled_at DESC, subscription_id);
CREATE INDEX audit_events_alerts ON audit_events (happened_at DESC, id DESC)
    WHERE kind LIKE 'alert.%' OR kind = 'liquidation.failed';

-- The demo's market and people: what they were drawn from.
CREATE TABLE demo_operation (
    single   boolean PRIMARY KEY DEFAULT true CHECK (single),
    scenario text NOT NULL,            -- digest
    begun_at timestamptz NOT NULL      -- business time
);
GRANT SELECT, INSERT, UPDATE ON open_tick, schedules, workers, market_bars, market_marks,
    demo_operation TO commenda_app;
GRANT DELETE ON open_tick, workers, schedules TO commenda_app;

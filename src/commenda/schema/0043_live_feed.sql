-- The live market: which feeds follow what, numbers between the bars, and what is found as it comes.

CREATE TABLE market_feeds (
    name          text NOT NULL,
    instrument_id smallint NOT NULL REFERENCES instruments,
    seen_at       timestamptz NOT NULL,    -- wall time, as all of this table
    stopped_at    timestamptz,             -- it was ended in order
    event_at      timestamptz,             -- the exchange's time of the newest message
    lag_ms        bigint,                  -- this machine's clock less the exchange's, at the least
    book_right    boolean NOT NULL,
    best_bid      double precision,
    best_ask      double precision,
    messages      bigint NOT NULL,         -- since it began
    losses        integer NOT NULL,        -- of its connections
    resyncs       integer NOT NULL,        -- of the book
    distrust      text,                    -- why the data cannot be trusted now
    distrusted_at timestamptz,
    PRIMARY KEY (name, instrument_id),
    CHECK ((distrust IS NULL) = (distrusted_at IS NULL))
) WITH (fillfactor = 50);                  -- each row is written anew every second
GRANT SELECT, INSERT, UPDATE, DELETE ON market_feeds TO commenda_app;

-- What was known at a minute (mark, index, open interest) or settled at a stamp (funding).
CREATE TABLE market_observations (
    instrument_id smallint NOT NULL REFERENCES instruments,
    series        text NOT NULL CHECK (series IN ('mark', 'index', 'open_interest', 'funding')),
    ts            timestamptz NOT NULL,
    value         numeric(38,18) NOT NULL CHECK (value <> 'NaN'),
    PRIMARY KEY (instrument_id, series, ts)
);
GRANT SELECT, INSERT ON market_observations TO commenda_app;

-- A finding is of an imported series or of an instrument's live market; of that, one however many
-- feeds tell of it.
ALTER TABLE market_quality_findings
    ALTER COLUMN dataset_id DROP NOT NULL,
    ADD COLUMN instrument_id smallint REFERENCES instruments,
    ADD CONSTRAINT market_quality_findings_of CHECK ((dataset_id IS NULL) <> (instrument_id IS NULL)),
    DROP CONSTRAINT market_quality_findings_kind_check,
    ADD CONSTRAINT market_quality_findings_kind_check CHECK (kind IN
        ('gap', 'duplicate', 'out_of_order', 'impossible_bar', 'zero_volume', 'late_stamp', 'stale',
         'sequence_break', 'crossed_book', 'price_jump', 'clock_skew', 'candle_differs'));
CREATE UNIQUE INDEX market_quality_findings_live
    ON market_quality_findings (instrument_id, kind, at) WHERE instrument_id IS NOT NULL;
CREATE INDEX market_quality_findings_by_time
    ON market_quality_findings (at, id) WHERE instrument_id IS NOT NULL;

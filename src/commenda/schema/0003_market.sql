-- Instruments, the market data imported for them, and what was wrong with it.

CREATE TABLE instruments (
    id               smallint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    venue            text NOT NULL CHECK (venue ~ '^[a-z0-9]+(_[a-z0-9]+)*$'),
    symbol           text NOT NULL CHECK (symbol ~ '^[A-Z0-9]+$'),
    kind             text NOT NULL CHECK (kind IN ('linear_perpetual', 'spot')),
    base             text NOT NULL,
    quote            text NOT NULL,
    -- PostgreSQL sorts NaN above every number, so a lower bound alone would let it in.
    tick             numeric(38,18) NOT NULL CHECK (tick > 0 AND tick < 'NaN'),
    lot              numeric(38,18) NOT NULL CHECK (lot > 0 AND lot < 'NaN'),
    minimum_notional numeric(38,18) NOT NULL CHECK (minimum_notional >= 0 AND minimum_notional < 'NaN'),
    -- Fractions of the notional; a rebate is negative.
    maker_fee        numeric(38,18) NOT NULL CHECK (maker_fee BETWEEN -1 AND 1),
    taker_fee        numeric(38,18) NOT NULL CHECK (taker_fee BETWEEN -1 AND 1),
    maximum_leverage smallint NOT NULL CHECK (maximum_leverage >= 1),
    simulated        boolean NOT NULL,
    UNIQUE (venue, symbol),
    CHECK (simulated = (venue = 'simulated'))
);
GRANT SELECT, INSERT, UPDATE ON instruments TO commenda_app;

-- One row for each series on disk. Funding has no interval of its own: the exchange changes it.
CREATE TABLE market_datasets (
    id               integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    instrument_id    smallint NOT NULL REFERENCES instruments,
    series           text NOT NULL CHECK (series IN ('candles', 'funding', 'mark')),
    interval_seconds integer NOT NULL CHECK (interval_seconds >= 0),
    simulated        boolean NOT NULL,
    first_ts         timestamptz NOT NULL,
    last_ts          timestamptz NOT NULL,
    rows             integer NOT NULL CHECK (rows > 0),
    sha256           text NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    path             text NOT NULL,
    imported_at      timestamptz NOT NULL,
    UNIQUE (instrument_id, series, interval_seconds),
    CHECK (first_ts <= last_ts),
    CHECK ((series = 'funding') = (interval_seconds = 0))
);
GRANT SELECT, INSERT, UPDATE ON market_datasets TO commenda_app;

CREATE TABLE market_quality_findings (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    dataset_id integer NOT NULL REFERENCES market_datasets ON DELETE CASCADE,
    kind       text NOT NULL CHECK (kind IN
        ('gap', 'duplicate', 'out_of_order', 'impossible_bar', 'zero_volume', 'late_stamp')),
    at         timestamptz NOT NULL,
    details    text NOT NULL
);
CREATE INDEX market_quality_findings_by_dataset ON market_quality_findings (dataset_id, at);
GRANT SELECT, INSERT, DELETE ON market_quality_findings TO commenda_app;

-- The business clock and the record of who did what.

GRANT USAGE ON SCHEMA public TO commenda_app;

CREATE TABLE business_clock (
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    now_at timestamptz NOT NULL
);
GRANT SELECT, INSERT, UPDATE ON business_clock TO commenda_app;

CREATE TABLE audit_events (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    happened_at    timestamptz NOT NULL,
    kind           text NOT NULL,
    actor          text NOT NULL,
    subject        text NOT NULL,
    correlation_id uuid NOT NULL,
    result         text NOT NULL,
    details        jsonb NOT NULL DEFAULT '{}',
    -- A step repeated after a crash records its event once.
    UNIQUE (kind, subject, happened_at, result)
);
CREATE INDEX audit_events_by_correlation ON audit_events (correlation_id);
GRANT SELECT, INSERT ON audit_events TO commenda_app;

CREATE TABLE users (
    id         uuid PRIMARY KEY,
    username   text NOT NULL UNIQUE,
    role       text NOT NULL CHECK (role IN ('investor', 'creator', 'operator')),
    created_at timestamptz NOT NULL
);
GRANT SELECT, INSERT ON users TO commenda_app;

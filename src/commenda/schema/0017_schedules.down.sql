DROP TABLE schedule_runs, schedules;
CREATE TABLE schedules (
    name       text PRIMARY KEY,
    every      interval NOT NULL CHECK (every > interval '0'),
    next_at    timestamptz NOT NULL,   -- business time
    last_at    timestamptz,
    last_error text,
    failures   integer NOT NULL DEFAULT 0  -- in a row
);
GRANT SELECT, INSERT, UPDATE, DELETE ON schedules TO commenda_app;

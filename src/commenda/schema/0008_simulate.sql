-- How far a replay has come. A tick's steps that depend on more than their own natural keys are
-- marked here in their own transaction, so that a killed tick is taken up where it was.

CREATE TABLE replays (
    single      boolean PRIMARY KEY DEFAULT true CHECK (single),
    scenario    text NOT NULL,     -- digest
    tick        bigint,            -- the last whole tick (epoch seconds)
    open_tick   bigint,            -- the tick whose steps are listed
    steps_done  text[] NOT NULL DEFAULT '{}',
    begun_at    timestamptz NOT NULL
);
GRANT SELECT, INSERT, UPDATE ON replays TO commenda_app;

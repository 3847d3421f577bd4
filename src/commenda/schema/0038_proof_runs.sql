-- Runs of `verify --chain` that somebody asked for over HTTP: how far each is, and what it found.

CREATE TABLE proof_runs (
    id          uuid PRIMARY KEY,
    asked_by    text NOT NULL,
    asked_at    timestamptz NOT NULL,                -- business time
    state       text NOT NULL DEFAULT 'running'
        CHECK (state IN ('running', 'clean', 'broken', 'failed')),
    steps       integer NOT NULL CHECK (steps > 0),  -- rules and chains to go through
    lines       jsonb NOT NULL DEFAULT '[]',         -- each that is done: rule, rows, findings, seconds
    found       jsonb NOT NULL DEFAULT '[]',         -- the first findings, each whole
    findings    bigint NOT NULL DEFAULT 0,           -- how many in all
    rows        jsonb,                               -- how many there were to be held against the rules
    anchors     jsonb,                               -- where the chains ended when they were walked
    reason      text,                                -- why it failed
    finished_at timestamptz,                         -- business time
    CHECK ((state = 'running') = (finished_at IS NULL)),
    CHECK ((state = 'failed') = (reason IS NOT NULL))
);
-- One at a time: each reads every table whole.
CREATE UNIQUE INDEX proof_runs_open ON proof_runs ((true)) WHERE state = 'running';
CREATE INDEX proof_runs_by_time ON proof_runs (asked_at DESC, id DESC);
GRANT SELECT, INSERT, UPDATE (state, lines, found, findings, rows, anchors, reason, finished_at)
    ON proof_runs TO commenda_app;

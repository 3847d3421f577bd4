-- What limits left of what was asked for: one row for each cause and limit, and in each execution
-- what it wanted.

CREATE TABLE risk_findings (
    number        bigint GENERATED ALWAYS AS IDENTITY,  -- in the order of their making
    limit_id      uuid NOT NULL REFERENCES risk_limits,
    cause         text NOT NULL,  -- of the orders, as theirs
    cause_id      uuid NOT NULL,
    instrument_id smallint NOT NULL REFERENCES instruments,
    cut           integer NOT NULL CHECK (cut >= 0),      -- requests of which something was left
    refused       integer NOT NULL CHECK (refused >= 0),  -- and of which nothing was
    wanted        numeric(38,18) NOT NULL CHECK (wanted > 0),  -- notional of these requests
    granted       numeric(38,18) NOT NULL CHECK (granted >= 0 AND granted < wanted),
    found_at      timestamptz NOT NULL,
    PRIMARY KEY (limit_id, cause_id, instrument_id, cause)
);
CREATE INDEX risk_findings_by_number ON risk_findings (number DESC);
GRANT SELECT, INSERT, UPDATE ON risk_findings TO commenda_app;

ALTER TABLE signal_executions
    ADD COLUMN wanted   numeric(38,18),  -- where a limit left less of it: what was planned
    ADD COLUMN limit_id uuid;            -- the limit that did

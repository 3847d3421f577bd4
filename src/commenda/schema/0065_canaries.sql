-- Flows that try other parameters beside the flow that they are for, with a part of its capital.
ALTER TABLE shared_flows ADD COLUMN canary_of uuid REFERENCES shared_flows;  -- NULL: a flow of its own

CREATE TABLE canaries (
    id             uuid PRIMARY KEY,
    flow_id        uuid NOT NULL REFERENCES shared_flows,         -- the incumbent
    canary_flow_id uuid NOT NULL UNIQUE REFERENCES shared_flows,
    study_id       uuid NOT NULL REFERENCES studies,              -- which found the parameters
    params         jsonb NOT NULL,
    terms_version  integer NOT NULL,  -- the incumbent's terms that it is held against
    capital        numeric(38,18) NOT NULL CHECK (capital > 0),
    began_at       timestamptz NOT NULL,
    begun_by       uuid NOT NULL UNIQUE REFERENCES decisions,
    ended_at       timestamptz,
    outcome        text CHECK (outcome IN ('promoted', 'back', 'undone')),
    ended_by       uuid REFERENCES decisions,
    FOREIGN KEY (flow_id, terms_version) REFERENCES flow_terms (flow_id, version),
    CHECK ((ended_at IS NULL) = (outcome IS NULL) AND (ended_at IS NULL) = (ended_by IS NULL))
);
CREATE UNIQUE INDEX one_canary_beside_a_flow ON canaries (flow_id) WHERE ended_at IS NULL;
GRANT SELECT, INSERT, UPDATE (ended_at, outcome, ended_by) ON canaries TO commenda_app;

-- How far a new version of a strategy has come: each stage with when it was entered and left.
CREATE TABLE strategy_stages (
    version_id  uuid NOT NULL REFERENCES strategy_versions,
    number      integer NOT NULL CHECK (number > 0),
    stage       text NOT NULL CHECK (stage IN
        ('conformance', 'failed', 'paper', 'shadow', 'canary', 'full')),
    entered_at  timestamptz NOT NULL,
    left_at     timestamptz CHECK (left_at >= entered_at),
    decision_id uuid NOT NULL REFERENCES decisions,
    PRIMARY KEY (version_id, number)
);
CREATE UNIQUE INDEX one_stage_of_a_version ON strategy_stages (version_id) WHERE left_at IS NULL;
GRANT SELECT, INSERT, UPDATE (left_at) ON strategy_stages TO commenda_app;

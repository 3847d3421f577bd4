-- The machine's own decisions: what each ability may do by itself, what it decided on what evidence,
-- how far each decision went, and what it led to.

-- Dated rows of one shape; the last of an (ability, strategy) is in force. '' is the platform.
CREATE TABLE ability_settings (
    id             uuid PRIMARY KEY,
    ability        text NOT NULL,
    strategy       text NOT NULL,
    version        integer NOT NULL CHECK (version > 0),
    mode           text NOT NULL CHECK (mode IN ('off', 'recommending', 'acting')),
    budget         integer NOT NULL CHECK (budget >= 0),  -- actions a day
    needs_approval boolean NOT NULL,
    terms          jsonb NOT NULL,  -- those that differ from the ability's own
    valid_from     timestamptz NOT NULL,
    ended_at       timestamptz,
    set_by         text NOT NULL,
    set_by_id      uuid REFERENCES users,  -- who is asked for what it wants to do: others approve
    approval_id    uuid REFERENCES approvals,
    reason         text NOT NULL,
    UNIQUE (ability, strategy, version)
);
CREATE UNIQUE INDEX ability_settings_in_force ON ability_settings (ability, strategy)
    WHERE ended_at IS NULL;
GRANT SELECT, INSERT ON ability_settings TO commenda_app;
GRANT UPDATE (ended_at) ON ability_settings TO commenda_app;

-- A decision is made once for its trigger; its state is its last step's.
CREATE TABLE decisions (
    id          uuid PRIMARY KEY,
    sequence    bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    ability     text NOT NULL,
    rule        text NOT NULL,     -- the version of the rule that decided
    target_kind text NOT NULL,     -- flow, portfolio, strategy, instrument, scope
    target      text NOT NULL,
    called      text NOT NULL,     -- what people know the target by
    strategy    text,              -- whose settings count, beside the platform's
    evidence    jsonb NOT NULL,    -- all that the rule was told
    terms       jsonb NOT NULL,
    action      text NOT NULL,
    change      jsonb NOT NULL,    -- what is to be done
    because     jsonb NOT NULL,    -- [{code, ...figures}]
    cause_id    uuid REFERENCES decisions,
    state       text NOT NULL CHECK (state IN
        ('recommended', 'waiting', 'refused', 'rejected', 'done', 'measured', 'undone')),
    steps       integer NOT NULL DEFAULT 1,
    decided_at  timestamptz NOT NULL,
    acted_at    timestamptz,
    approval_id uuid REFERENCES approvals,
    effect      jsonb
);
CREATE INDEX decisions_by_target ON decisions (target, ability, sequence DESC);
CREATE INDEX decisions_by_ability ON decisions (ability, sequence DESC);
CREATE INDEX decisions_by_cause ON decisions (cause_id) WHERE cause_id IS NOT NULL;
CREATE INDEX decisions_to_measure ON decisions (ability, acted_at) WHERE state = 'done';
GRANT SELECT, INSERT ON decisions TO commenda_app;
GRANT UPDATE (state, steps, acted_at, approval_id, effect) ON decisions TO commenda_app;

CREATE TABLE decision_steps (
    decision_id uuid NOT NULL REFERENCES decisions,
    number      integer NOT NULL CHECK (number > 0),
    state       text NOT NULL,
    at          timestamptz NOT NULL,
    actor       text NOT NULL,
    details     jsonb NOT NULL,
    PRIMARY KEY (decision_id, number)
);
GRANT SELECT, INSERT ON decision_steps TO commenda_app;

-- What a decision made: a study, terms of a flow, a rebalance, a signal, a book.
CREATE TABLE decision_links (
    decision_id uuid NOT NULL REFERENCES decisions,
    kind        text NOT NULL,
    ref         text NOT NULL,
    PRIMARY KEY (decision_id, kind, ref)
);
CREATE INDEX decision_links_by_ref ON decision_links (ref);
GRANT SELECT, INSERT ON decision_links TO commenda_app;

-- Up to which event of the trail each ability has looked for one that wakes it.
CREATE TABLE ability_wakes (
    ability text PRIMARY KEY,
    seen    bigint NOT NULL
);
GRANT SELECT, INSERT, UPDATE ON ability_wakes TO commenda_app;

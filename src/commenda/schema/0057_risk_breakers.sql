-- Breakers: what stops the opening of positions, of whom, why, and since when.

-- One row for each trigger of each subject that ever opened; `kill` is a person's. Its state is what
-- senders go by; each change is a row of its history.
CREATE TABLE risk_breakers (
    id         uuid PRIMARY KEY,
    level      text NOT NULL
        CHECK (level IN ('platform', 'venue', 'instrument', 'strategy', 'flow', 'creator', 'scope')),
    subject    text NOT NULL,  -- '' for the platform
    measure    text NOT NULL,  -- 'kill', or what was breached
    state      text NOT NULL CHECK (state IN ('closed', 'open', 'half_open')),
    effect     text NOT NULL CHECK (effect IN ('no_entries', 'cancel', 'reduce', 'flatten')),
    opened_at  timestamptz NOT NULL,
    opened_by  text NOT NULL,
    reason     text NOT NULL,
    limit_id   uuid,           -- what was breached, where it is a limit
    evidence   jsonb NOT NULL DEFAULT '{}',
    openings   integer NOT NULL DEFAULT 1,   -- ever
    relapses   integer NOT NULL DEFAULT 0,   -- in a row: each doubles the wait
    calm_since timestamptz,    -- since when what was measured is back; NULL while it is not
    changed_at timestamptz NOT NULL,
    version    integer NOT NULL DEFAULT 1,
    UNIQUE (level, subject, measure),
    CHECK ((level = 'platform') = (subject = ''))
);
-- What each sender asks before it sends.
CREATE INDEX risk_breakers_standing ON risk_breakers (state) WHERE state <> 'closed';

CREATE TABLE risk_breaker_changes (
    breaker_id uuid NOT NULL REFERENCES risk_breakers,
    version    integer NOT NULL,
    state      text NOT NULL,
    effect     text NOT NULL,
    at         timestamptz NOT NULL,
    actor      text NOT NULL,
    reason     text NOT NULL,
    evidence   jsonb NOT NULL,
    PRIMARY KEY (breaker_id, version)
);
GRANT SELECT, INSERT ON risk_breakers, risk_breaker_changes TO commenda_app;
GRANT UPDATE (state, effect, opened_at, opened_by, reason, limit_id, evidence, openings, relapses,
    calm_since, changed_at, version) ON risk_breakers TO commenda_app;

-- What a leg asks of an order is cut to what it closes where it may not open: until it is sent.
ALTER TABLE allocations ADD COLUMN held_back text;  -- why less is asked than was
GRANT UPDATE (requested, held_back) ON allocations TO commenda_app;
GRANT UPDATE (quantity) ON orders TO commenda_app;

-- What books give up while a breaker that reduces or flattens is open: what each leg may keep of an
-- instrument at most, signed; and the orders that see to it, try by try.
CREATE TABLE risk_reductions (
    breaker_id    uuid NOT NULL REFERENCES risk_breakers,
    version       integer NOT NULL,  -- of the breaker
    leg_id        uuid NOT NULL REFERENCES legs,
    instrument_id smallint NOT NULL REFERENCES instruments,
    keep          numeric(38,18) NOT NULL,
    PRIMARY KEY (breaker_id, version, leg_id, instrument_id)
);
CREATE TABLE risk_reduction_tries (
    id         uuid PRIMARY KEY,  -- the cause of its orders
    breaker_id uuid NOT NULL REFERENCES risk_breakers,
    version    integer NOT NULL,
    attempt    integer NOT NULL,
    begun_at   timestamptz NOT NULL,
    next_at    timestamptz NOT NULL,
    ended_at   timestamptz,
    UNIQUE (breaker_id, version, attempt)
);
CREATE INDEX risk_reduction_tries_open ON risk_reduction_tries (begun_at) WHERE ended_at IS NULL;
GRANT SELECT, INSERT ON risk_reductions TO commenda_app;
GRANT SELECT, INSERT ON risk_reduction_tries TO commenda_app;
GRANT UPDATE (ended_at, next_at) ON risk_reduction_tries TO commenda_app;
ALTER TABLE orders
    DROP CONSTRAINT orders_cause_check,
    ADD CONSTRAINT orders_cause_check
        CHECK (cause IN ('signal', 'liquidation', 'withdrawal', 'forced', 'reduction'));

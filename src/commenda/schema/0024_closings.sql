-- One closing for the books of all products: asked for, really closed, paid out.

-- A book's kind belongs to its product.
ALTER TABLE scopes DROP CONSTRAINT scopes_kind_check;

CREATE TABLE closings (
    id            uuid PRIMARY KEY,  -- of a whole book: its scope
    scope_id      uuid NOT NULL REFERENCES scopes,
    subject       uuid NOT NULL,                   -- what its events are about: a subscription
    trigger       text NOT NULL CHECK (trigger IN ('investor', 'sweep', 'operator', 'margin')),
    requested_at  timestamptz NOT NULL,
    attempts      integer NOT NULL DEFAULT 0,      -- that failed
    next_retry_at timestamptz,
    reason        text,                            -- why the last one did
    closed_at     timestamptz,                     -- the last position was really closed
    paid_at       timestamptz,
    equity        numeric(38,18),                  -- what was left, and paid out
    journal_id    bigint REFERENCES journals,      -- NULL where there was nothing left to post
    CHECK ((closed_at IS NULL) = (next_retry_at IS NOT NULL)),
    CHECK (closed_at IS NOT NULL OR paid_at IS NULL),
    CHECK ((paid_at IS NULL) = (equity IS NULL))
) WITH (fillfactor = 70);
CREATE INDEX closings_by_scope ON closings (scope_id);
CREATE INDEX closings_due ON closings (next_retry_at) WHERE closed_at IS NULL;
CREATE INDEX closings_unpaid ON closings (id) WHERE closed_at IS NOT NULL AND paid_at IS NULL;

CREATE TABLE closing_attempts (
    batch_id   uuid NOT NULL,                      -- cause of the orders that close it
    closing_id uuid NOT NULL REFERENCES closings,
    attempt    integer NOT NULL,
    begun_at   timestamptz NOT NULL,
    outcome    text CHECK (outcome IN ('closed', 'failed')),
    reason     text,
    PRIMARY KEY (batch_id, closing_id)
);
CREATE INDEX closing_attempts_open ON closing_attempts (batch_id) WHERE outcome IS NULL;
CREATE INDEX closing_attempts_by_closing ON closing_attempts (closing_id);
GRANT SELECT, INSERT, UPDATE ON closings, closing_attempts TO commenda_app;

INSERT INTO closings (id, scope_id, subject, trigger, requested_at, attempts, next_retry_at,
        reason, closed_at, paid_at, equity, journal_id)
    SELECT s.id, s.id, s.id, s.liquidation_door, s.liquidation_requested_at,
        s.liquidation_attempts, s.next_retry_at, s.failure_reason, s.liquidated_at, s.settled_at,
        t.equity, t.journal_id
    FROM managed_subscriptions s LEFT JOIN settlements t ON t.subscription_id = s.id
    WHERE s.liquidation_requested_at IS NOT NULL
    UNION ALL
    SELECT x.scope_id, x.scope_id, x.subscription_id, 'investor', x.requested_at, x.attempts,
        x.next_retry_at, x.reason, x.closed_at, x.closed_at, x.paid - x.shortfall, x.journal_id
    FROM copy_exits x;
INSERT INTO closing_attempts (batch_id, closing_id, attempt, begun_at, outcome, reason)
    SELECT a.batch_id, a.subscription_id, a.attempt, b.begun_at,
        CASE a.outcome WHEN 'LIQUIDATED' THEN 'closed' WHEN 'LIQUIDATING' THEN 'failed' END,
        a.reason
    FROM liquidation_attempts a JOIN liquidation_batches b ON b.id = a.batch_id
    UNION ALL
    SELECT a.batch_id, a.scope_id, a.attempt, x.requested_at, a.outcome, a.reason
    FROM copy_exit_attempts a JOIN copy_exits x ON x.scope_id = a.scope_id;

ALTER TABLE managed_subscriptions
    DROP COLUMN liquidation_requested_at,
    DROP COLUMN liquidation_door,
    DROP COLUMN liquidation_attempts,
    DROP COLUMN next_retry_at,
    DROP COLUMN failure_reason,
    DROP COLUMN liquidated_at;
ALTER TABLE settlements DROP COLUMN journal_id;
DROP TABLE liquidation_attempts, liquidation_batches, copy_exit_attempts, copy_exits;

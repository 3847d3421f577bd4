ALTER TABLE settlements ADD COLUMN journal_id bigint REFERENCES journals;
UPDATE settlements t SET journal_id = c.journal_id FROM closings c WHERE c.id = t.subscription_id;
ALTER TABLE managed_subscriptions
    ADD COLUMN liquidation_requested_at timestamptz,
    ADD COLUMN liquidation_door text
        CHECK (liquidation_door IN ('investor', 'sweep', 'operator', 'margin')),
    ADD COLUMN liquidation_attempts integer NOT NULL DEFAULT 0,
    ADD COLUMN next_retry_at timestamptz,
    ADD COLUMN failure_reason text,
    ADD COLUMN liquidated_at timestamptz;
UPDATE managed_subscriptions s SET liquidation_requested_at = c.requested_at,
        liquidation_door = c.trigger, liquidation_attempts = c.attempts,
        next_retry_at = c.next_retry_at, failure_reason = c.reason, liquidated_at = c.closed_at
    FROM closings c WHERE c.id = s.id;

CREATE TABLE liquidation_batches (
    id             uuid PRIMARY KEY,
    begun_at       timestamptz NOT NULL,
    concluded_at   timestamptz
);
CREATE TABLE liquidation_attempts (
    batch_id        uuid NOT NULL REFERENCES liquidation_batches,
    subscription_id uuid NOT NULL REFERENCES managed_subscriptions,
    attempt         integer NOT NULL,
    outcome         text,
    reason          text,
    PRIMARY KEY (batch_id, subscription_id)
);
CREATE INDEX liquidation_attempts_by_subscription ON liquidation_attempts (subscription_id);
INSERT INTO liquidation_batches (id, begun_at, concluded_at)
    SELECT a.batch_id, min(a.begun_at),
        CASE WHEN bool_and(a.outcome IS NOT NULL) THEN min(a.begun_at) END
    FROM closing_attempts a JOIN managed_subscriptions s ON s.id = a.closing_id GROUP BY a.batch_id;
INSERT INTO liquidation_attempts (batch_id, subscription_id, attempt, outcome, reason)
    SELECT a.batch_id, a.closing_id, a.attempt,
        CASE a.outcome WHEN 'closed' THEN 'LIQUIDATED' WHEN 'failed' THEN 'LIQUIDATING' END,
        a.reason
    FROM closing_attempts a JOIN managed_subscriptions s ON s.id = a.closing_id;

CREATE TABLE copy_exits (
    scope_id        uuid PRIMARY KEY REFERENCES scopes,
    subscription_id uuid NOT NULL UNIQUE REFERENCES flow_subscriptions,
    requested_at    timestamptz NOT NULL,
    attempts        integer NOT NULL DEFAULT 0,
    next_retry_at   timestamptz,
    reason          text,
    closed_at       timestamptz,
    paid            numeric(38,18),
    shortfall       numeric(38,18),
    journal_id      bigint REFERENCES journals,
    CHECK ((closed_at IS NULL) = (next_retry_at IS NOT NULL)),
    CHECK ((closed_at IS NULL) = (paid IS NULL) AND (paid IS NULL) = (shortfall IS NULL))
);
CREATE INDEX copy_exits_due ON copy_exits (next_retry_at) WHERE closed_at IS NULL;
CREATE TABLE copy_exit_attempts (
    batch_id uuid NOT NULL,
    scope_id uuid NOT NULL REFERENCES copy_exits,
    attempt  integer NOT NULL,
    outcome  text CHECK (outcome IN ('closed', 'failed')),
    reason   text,
    PRIMARY KEY (batch_id, scope_id)
);
CREATE INDEX copy_exit_attempts_open ON copy_exit_attempts (batch_id) WHERE outcome IS NULL;
CREATE INDEX copy_exit_attempts_by_scope ON copy_exit_attempts (scope_id);
-- A copy that is closed and not paid out yet was never seen by the last version: it tries again.
INSERT INTO copy_exits
    SELECT c.scope_id, c.subject, c.requested_at, c.attempts,
        CASE WHEN c.paid_at IS NULL THEN coalesce(c.next_retry_at, c.closed_at) END,
        CASE WHEN c.paid_at IS NULL THEN c.reason END, c.paid_at,
        CASE WHEN c.paid_at IS NOT NULL THEN greatest(c.equity, 0) END,
        CASE WHEN c.paid_at IS NOT NULL THEN greatest(-c.equity, 0) END, c.journal_id
    FROM closings c JOIN scopes s ON s.id = c.scope_id WHERE s.kind IN ('copy', 'vault');
INSERT INTO copy_exit_attempts
    SELECT a.batch_id, a.closing_id, a.attempt, a.outcome, a.reason
    FROM closing_attempts a JOIN copy_exits x ON x.scope_id = a.closing_id;
GRANT SELECT, INSERT, UPDATE ON liquidation_batches, liquidation_attempts, copy_exits,
    copy_exit_attempts TO commenda_app;
DROP TABLE closing_attempts, closings;
ALTER TABLE scopes ADD CONSTRAINT scopes_kind_check
    CHECK (kind IN ('managed', 'copy', 'vault', 'house'));

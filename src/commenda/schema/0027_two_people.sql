-- Two people are two people: who stands behind whose account, what each of several deciders said,
-- accounts by invitation; recovery codes; where withdrawals go, and what the bank says came in.

-- --- Whose hands ---------------------------------------------------------------------------------

-- What an event says of two accounts, NULL where it says nothing.
CREATE FUNCTION tie_kind(kind text, details jsonb) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE kind WHEN 'user.created' THEN 'made'
                     WHEN 'user.invited' THEN 'invited'
                     WHEN 'user.approved' THEN 'approved'
                     WHEN 'user.reset' THEN 'reset'
                     WHEN 'user.password_changed' THEN 'reset'
                     WHEN 'second_factor' THEN 'reset'
                     WHEN 'user.changed' THEN  -- a customer's role or status ties nobody
                         CASE WHEN details ->> 'role' NOT IN ('investor', 'creator')
                              THEN 'changed' END
           END
$$;
-- The user in an actor such as 'admin:<id>'; NULL where nobody signed in acted.
CREATE FUNCTION tie_hand(actor text) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN split_part(actor, ':', 2) ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
                THEN split_part(actor, ':', 2)::uuid END
$$;

-- Who made, invited, changed, approved or reset whose account. Read off the audit events by the
-- database itself: the application can neither forget one nor write another.
CREATE TABLE ties (
    user_id uuid NOT NULL REFERENCES users,
    by_id   uuid NOT NULL REFERENCES users,
    kind    text NOT NULL CHECK (kind IN ('made', 'invited', 'reset', 'changed', 'approved')),
    since   timestamptz NOT NULL,
    PRIMARY KEY (user_id, by_id, kind),
    CHECK (user_id <> by_id)
);
CREATE INDEX ties_by_hand ON ties (by_id);
GRANT SELECT ON ties TO commenda_app;

-- The same, derived from all events again: `verify` compares the two.
CREATE VIEW told_ties AS
SELECT u.id AS user_id, h.id AS by_id, tie_kind(e.kind, e.details) AS kind,
       min(e.happened_at) AS since
FROM audit_events e
JOIN users u ON u.id = tie_hand('user:' || e.subject)
JOIN users h ON h.id = tie_hand(e.actor)
WHERE e.kind IN ('user.created', 'user.invited', 'user.approved', 'user.changed', 'user.reset',
                 'user.password_changed', 'second_factor')
  AND tie_kind(e.kind, e.details) IS NOT NULL AND u.id <> h.id
GROUP BY 1, 2, 3;
GRANT SELECT ON told_ties TO commenda_app;
INSERT INTO ties SELECT * FROM told_ties;

CREATE FUNCTION keep_tie() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO ties
        SELECT u.id, h.id, tie_kind(NEW.kind, NEW.details), NEW.happened_at
        FROM users u, users h
        WHERE u.id = tie_hand('user:' || NEW.subject) AND h.id = tie_hand(NEW.actor) AND u.id <> h.id
        ON CONFLICT (user_id, by_id, kind) DO UPDATE SET since = least(ties.since, excluded.since);
    RETURN NULL;
END $$;
CREATE TRIGGER audit_events_tie AFTER INSERT ON audit_events FOR EACH ROW
WHEN (NEW.kind IN ('user.created', 'user.invited', 'user.approved', 'user.changed', 'user.reset',
                   'user.password_changed', 'second_factor')
      AND tie_kind(NEW.kind, NEW.details) IS NOT NULL AND tie_hand(NEW.actor) IS NOT NULL)
EXECUTE FUNCTION keep_tie();

-- --- How many decide -----------------------------------------------------------------------------

-- What a customer asked for takes two of the staff; what one of the staff asked for, another one.
ALTER TABLE approvals ADD COLUMN needed smallint NOT NULL DEFAULT 1 CHECK (needed IN (1, 2));
UPDATE approvals a SET needed = 2 FROM users u
    WHERE u.id = a.requested_by AND u.role IN ('investor', 'creator') AND a.status = 'requested';
CREATE TABLE approval_votes (
    approval_id uuid NOT NULL REFERENCES approvals,
    user_id     uuid REFERENCES users,      -- NULL: a bank record that was read at the machine
    basis       text NOT NULL CHECK (basis IN ('decision', 'bank_record')),
    given_at    timestamptz NOT NULL,
    voided_at   timestamptz,                -- the bank took the record back
    UNIQUE NULLS NOT DISTINCT (approval_id, user_id),
    CHECK (user_id IS NOT NULL OR basis = 'bank_record')
);
INSERT INTO approval_votes SELECT id, decided_by, 'decision', decided_at FROM approvals
    WHERE status = 'approved';
GRANT SELECT, INSERT, UPDATE (voided_at) ON approval_votes TO commenda_app;

-- --- Accounts by invitation ----------------------------------------------------------------------

ALTER TABLE users DROP CONSTRAINT users_status_check;
ALTER TABLE users
    ADD CONSTRAINT users_status_check CHECK (status IN ('active', 'disabled', 'waiting')),
    ADD COLUMN totp_pending bytea;          -- a new factor until its first code confirms it
UPDATE users SET totp_pending = totp_secret, totp_secret = NULL, totp_last_step = NULL
    WHERE NOT totp_confirmed AND totp_secret IS NOT NULL;
CREATE TABLE invitations (
    id            uuid PRIMARY KEY,
    user_id       uuid NOT NULL REFERENCES users,
    purpose       text NOT NULL CHECK (purpose IN ('join', 'reset')),
    token_hash    bytea NOT NULL UNIQUE,
    invited_by    uuid REFERENCES users,    -- NULL: at the machine
    created_at    timestamptz NOT NULL,     -- wall time, as for sessions
    expires_at    timestamptz NOT NULL,
    password_hash text,                     -- chosen, until the factor is confirmed
    totp_secret   bytea,
    closed_at     timestamptz               -- taken up, or replaced by a newer one
);
CREATE INDEX invitations_by_user ON invitations (user_id);
GRANT SELECT, INSERT, UPDATE ON invitations TO commenda_app;

CREATE TABLE recovery_codes (
    code_hash bytea PRIMARY KEY,
    user_id   uuid NOT NULL REFERENCES users,
    made_at   timestamptz NOT NULL,
    used_at   timestamptz
);
CREATE INDEX recovery_codes_by_user ON recovery_codes (user_id);
GRANT SELECT, INSERT, UPDATE, DELETE ON recovery_codes TO commenda_app;

-- --- Where money goes, and what the bank says came in --------------------------------------------

ALTER TABLE funding_requests
    ADD COLUMN address    text,             -- of a withdrawal: where it goes
    ADD COLUMN not_before timestamptz,      -- an address that is new is not paid to before
    ADD CHECK (address IS NULL OR direction = 'withdrawal'),
    ADD CHECK (not_before IS NULL OR address IS NOT NULL);
CREATE INDEX funding_requests_waiting ON funding_requests (not_before)
    WHERE status = 'pending' AND approval_id IS NULL;

CREATE TABLE bank_entries (
    id           uuid PRIMARY KEY,
    sequence     bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    account      text NOT NULL,             -- ours, as the bank names it
    entry_ref    text NOT NULL,             -- the bank's own name for the entry
    booked_on    date NOT NULL,
    direction    text NOT NULL CHECK (direction IN ('credit', 'debit')),
    amount       numeric(38,18) NOT NULL CHECK (amount > 0),
    currency     text NOT NULL,
    reference    text NOT NULL,             -- all that the payer wrote
    counterparty text NOT NULL,
    reversal     boolean NOT NULL,
    status       text NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'matched', 'reversed')),
    request_id   uuid UNIQUE REFERENCES funding_requests,
    reverses     uuid UNIQUE REFERENCES bank_entries,
    imported_by  uuid REFERENCES users,     -- NULL: at the machine
    imported_at  timestamptz NOT NULL,
    UNIQUE (account, entry_ref),
    CHECK (status <> 'matched' OR request_id IS NOT NULL),
    CHECK (reverses IS NULL OR reversal)
);
CREATE INDEX bank_entries_open ON bank_entries (direction, amount) WHERE status = 'open';
GRANT SELECT, INSERT, UPDATE (status, request_id, reverses) ON bank_entries TO commenda_app;

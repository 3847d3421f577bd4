-- Sign-in: passwords, second factors, sessions, API keys, throttling; and decisions by two people.

ALTER TABLE users DROP CONSTRAINT users_role_check;
ALTER TABLE users
    ADD CONSTRAINT users_role_check CHECK
        (role IN ('investor', 'creator', 'operator', 'risk', 'auditor', 'admin')),
    ADD COLUMN status text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'disabled')),
    ADD COLUMN password_hash text,          -- NULL: cannot sign in
    ADD COLUMN totp_secret bytea,           -- sealed with the master key
    ADD COLUMN totp_confirmed boolean NOT NULL DEFAULT false,
    ADD COLUMN totp_last_step bigint;       -- a code is taken once
GRANT UPDATE ON users TO commenda_app;

-- One row for each sign-in. A refresh token is used once; used again, it ends the session.
CREATE TABLE sessions (
    id            uuid PRIMARY KEY,
    user_id       uuid NOT NULL REFERENCES users,
    refresh_hash  bytea NOT NULL UNIQUE,
    second_factor boolean NOT NULL,
    user_agent    text NOT NULL DEFAULT '',
    address       text NOT NULL DEFAULT '',
    created_at    timestamptz NOT NULL,
    refreshed_at  timestamptz NOT NULL,
    expires_at    timestamptz NOT NULL,
    ended_at      timestamptz,
    end_reason    text
);
CREATE INDEX sessions_by_user ON sessions (user_id);
CREATE INDEX sessions_ended ON sessions (ended_at) WHERE ended_at IS NOT NULL;
-- Refresh tokens that were used: what shows that one was stolen.
CREATE TABLE used_refresh_tokens (
    refresh_hash bytea PRIMARY KEY,
    session_id   uuid NOT NULL REFERENCES sessions,
    used_at      timestamptz NOT NULL
);
CREATE INDEX used_refresh_tokens_by_session ON used_refresh_tokens (session_id);
GRANT SELECT, INSERT, UPDATE ON sessions TO commenda_app;
GRANT SELECT, INSERT, DELETE ON used_refresh_tokens TO commenda_app;

CREATE TABLE api_keys (
    id            uuid PRIMARY KEY,
    user_id       uuid NOT NULL REFERENCES users,
    name          text NOT NULL,
    secret_hash   bytea NOT NULL UNIQUE,
    scopes        text[] NOT NULL,
    second_factor boolean NOT NULL,         -- what its maker's session had
    created_at    timestamptz NOT NULL,
    expires_at    timestamptz,
    revoked_at    timestamptz
);
CREATE UNIQUE INDEX api_keys_by_name ON api_keys (user_id, name) WHERE revoked_at IS NULL;
GRANT SELECT, INSERT, UPDATE ON api_keys TO commenda_app;

-- Attempts to sign in that did not succeed (yet), by name and by address, as digests: people type
-- passwords where names belong. Wall time.
CREATE TABLE login_throttle (
    subject       text PRIMARY KEY,
    failures      integer NOT NULL,
    blocked_until timestamptz,
    failed_at     timestamptz NOT NULL
);
GRANT SELECT, INSERT, UPDATE, DELETE ON login_throttle TO commenda_app;

-- Four eyes: asked for by one person, decided by another, once; carried out with the decision.
CREATE TABLE approvals (
    id             uuid PRIMARY KEY,
    sequence       bigint GENERATED ALWAYS AS IDENTITY UNIQUE, -- the order of the list
    kind           text NOT NULL,
    subject        text NOT NULL,
    payload        jsonb NOT NULL,
    correlation_id uuid NOT NULL,
    status         text NOT NULL DEFAULT 'requested'
        CHECK (status IN ('requested', 'approved', 'rejected', 'expired')),
    requested_by   uuid NOT NULL REFERENCES users,
    requested_at   timestamptz NOT NULL,
    expires_at     timestamptz NOT NULL,
    decided_by     uuid REFERENCES users,
    decided_at     timestamptz,
    reason         text,
    outcome        jsonb,
    CHECK (decided_by <> requested_by),
    CHECK ((status IN ('approved', 'rejected')) = (decided_by IS NOT NULL))
);
CREATE INDEX approvals_by_status ON approvals (status, sequence);
CREATE INDEX approvals_by_subject ON approvals (kind, subject);
CREATE INDEX approvals_by_expiry ON approvals (expires_at) WHERE status = 'requested';
GRANT SELECT, INSERT, UPDATE ON approvals TO commenda_app;

-- Keys to accounts at exchanges. What is sealed opens with the master key alone, and is forgotten
-- when a key is removed; the row stays, because books and the trail name the account.

CREATE TABLE venue_keys (
    id          uuid PRIMARY KEY,
    account     text NOT NULL CHECK (account ~ '^[a-z0-9]+(_[a-z0-9]+)*:[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$'),
    address     text,                     -- NULL: the exchange's own
    hint        text NOT NULL,            -- the last characters of the key, by which people know it
    sealed      bytea,                    -- key and secret
    state       text NOT NULL CHECK (state IN ('waiting', 'active', 'removed')),
    added_by    text NOT NULL,            -- as named in the audit trail
    added_at    timestamptz NOT NULL,     -- business time, as the others
    approval_id uuid REFERENCES approvals,
    active_at   timestamptz,
    removed_at  timestamptz,
    checked_at  timestamptz,
    checks      jsonb NOT NULL DEFAULT '[]',
    CHECK ((state = 'removed') = (sealed IS NULL)),
    CHECK ((state = 'removed') = (removed_at IS NOT NULL))
);
-- One that counts and one that waits to take its place.
CREATE UNIQUE INDEX venue_keys_one ON venue_keys (account, state) WHERE state <> 'removed';
CREATE INDEX venue_keys_account ON venue_keys (account, added_at);
GRANT SELECT, INSERT, UPDATE (sealed, state, approval_id, active_at, removed_at, checked_at, checks)
    ON venue_keys TO commenda_app;

-- Audit events say under which rules and for which request; a sealer chains them with keyed digests.

ALTER TABLE audit_events
    ADD COLUMN rule_version text NOT NULL DEFAULT '',
    ADD COLUMN request_id text NOT NULL DEFAULT '',
    ADD COLUMN transaction_id xid8 NOT NULL DEFAULT pg_current_xact_id(),
    -- Transaction ids begin again where a backup is restored; its restorer sets the next default.
    ADD COLUMN era smallint NOT NULL DEFAULT 0;
CREATE INDEX audit_events_in_order ON audit_events (era, transaction_id, id);
CREATE INDEX audit_events_by_time ON audit_events (happened_at, id);
CREATE INDEX audit_events_by_subject ON audit_events (subject, happened_at, id);
CREATE INDEX audit_events_by_actor ON audit_events (actor, happened_at, id);

-- Sealed in the order of (era, transaction, id), once no older transaction can add an event any
-- more: nobody who records an event waits for the chain.
CREATE TABLE audit_seals (
    sequence       bigint PRIMARY KEY,
    row_id         bigint NOT NULL UNIQUE REFERENCES audit_events,
    era            smallint NOT NULL,
    transaction_id xid8 NOT NULL,
    digest         bytea NOT NULL,
    sealed_at      timestamptz NOT NULL
);
GRANT SELECT, INSERT ON audit_seals TO commenda_app;

-- A process tells by it whether it fits this database.
GRANT SELECT ON schema_migrations TO commenda_app;

-- Audit events say under which rules and for which request; a sealer chains them with keyed digests.

ALTER TABLE audit_events
    ADD COLUMN rule_version text NOT NULL DEFAULT '',
    ADD COLUMN request_id text NOT NULL DEFAULT '',
    ADD COLUMN transaction_id xid8 NOT NULL DEFAULT pg_current_xact_id();
CREATE INDEX audit_events_by_transaction ON audit_events (transaction_id, id);
CREATE INDEX audit_events_by_time ON audit_events (happened_at, id);
CREATE INDEX audit_events_by_subject ON audit_events (subject);

-- Sealed in the order of (transaction, id), once no older transaction can add an event any more:
-- nobody who records an event waits for the chain.
CREATE TABLE audit_seals (
    sequence       bigint PRIMARY KEY,
    event_id       bigint NOT NULL UNIQUE REFERENCES audit_events,
    transaction_id xid8 NOT NULL,
    digest         bytea NOT NULL,
    sealed_at      timestamptz NOT NULL
);
GRANT SELECT, INSERT ON audit_seals TO commenda_app;

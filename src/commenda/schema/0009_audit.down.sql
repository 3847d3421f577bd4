REVOKE SELECT ON schema_migrations FROM commenda_app;
DROP TABLE audit_seals;
DROP INDEX audit_events_by_actor, audit_events_by_subject, audit_events_by_time,
    audit_events_in_order;
ALTER TABLE audit_events
    DROP COLUMN era, DROP COLUMN transaction_id, DROP COLUMN request_id, DROP COLUMN rule_version;

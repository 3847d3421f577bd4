DROP TABLE audit_seals;
DROP INDEX audit_events_by_subject, audit_events_by_time, audit_events_by_transaction;
ALTER TABLE audit_events DROP COLUMN transaction_id, DROP COLUMN request_id, DROP COLUMN rule_version;

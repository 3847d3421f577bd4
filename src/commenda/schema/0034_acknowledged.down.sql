DROP FUNCTION name_of(text);
DROP FUNCTION name_of(uuid);
DROP INDEX alerts_open_by_time;
ALTER TABLE alerts
    DROP CONSTRAINT alerts_acknowledged,
    DROP COLUMN acknowledged_at, DROP COLUMN acknowledged_by, DROP COLUMN note;

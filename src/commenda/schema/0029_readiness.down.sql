ALTER TABLE workers DROP COLUMN waits_for;
DROP TABLE write_probe;
DELETE FROM audit_events e WHERE e.kind = 'user.taken_over'
  AND NOT EXISTS (SELECT FROM audit_seals s WHERE s.row_id = e.id);

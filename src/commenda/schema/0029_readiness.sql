-- What a look at the operation's health writes, to see that a commit reaches the disk.
CREATE TABLE write_probe (
    single     boolean PRIMARY KEY DEFAULT true CHECK (single),
    written_at timestamptz NOT NULL
);
GRANT SELECT, INSERT, UPDATE ON write_probe TO commenda_app;

-- Why the worker that leads makes no tick; NULL: it does.
ALTER TABLE workers ADD COLUMN waits_for text;

-- `verify` derives what the staff may do from the trail. Whoever became staff before a trail was kept
-- is in it from now on, as found; the way back leaves those of these events that are sealed.
INSERT INTO audit_events (happened_at, kind, actor, subject, correlation_id, result, rule_version,
  details)
SELECT u.created_at, 'user.taken_over', 'system:migration', u.id::text, u.id, u.status, 'identity/1',
  jsonb_build_object('username', u.username, 'role', u.role)
FROM users u
WHERE u.role NOT IN ('investor', 'creator') AND NOT EXISTS (
  SELECT FROM audit_events e WHERE e.subject = u.id::text
    AND e.kind IN ('user.created', 'user.invited', 'user.taken_over'));

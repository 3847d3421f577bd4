-- Somebody has seen an alert and says what is done about it. It stays open until its cause is gone.
ALTER TABLE alerts
    ADD COLUMN acknowledged_at timestamptz,
    ADD COLUMN acknowledged_by text,  -- as named in the audit trail
    ADD COLUMN note            text,
    ADD CONSTRAINT alerts_acknowledged CHECK
        ((acknowledged_at IS NULL) = (acknowledged_by IS NULL)
         AND (acknowledged_at IS NULL) = (note IS NULL));
GRANT UPDATE (acknowledged_at, acknowledged_by, note) ON alerts TO commenda_app;

-- What is open is listed and counted often, and is little.
CREATE INDEX alerts_open_by_time ON alerts (last_at DESC, id DESC) WHERE closed_at IS NULL;

-- The name of a user, and of whoever is behind an actor of the trail (`risk:<user id>`); NULL for a
-- job, a machine, or an owner who is no user.
CREATE FUNCTION name_of(user_id uuid) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE
    RETURN (SELECT u.username FROM users u WHERE u.id = user_id);
CREATE FUNCTION name_of(actor text) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE
    RETURN CASE WHEN actor ~ '^[a-z]+:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
        THEN (SELECT u.username FROM users u WHERE u.id = split_part(actor, ':', 2)::uuid) END;
REVOKE EXECUTE ON FUNCTION name_of(uuid), name_of(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION name_of(uuid), name_of(text) TO commenda_app;

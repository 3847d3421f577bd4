DROP TABLE approvals, login_throttle, api_keys, used_refresh_tokens, sessions;
REVOKE UPDATE ON users FROM commenda_app;
ALTER TABLE users DROP CONSTRAINT users_role_check;
DELETE FROM users WHERE role IN ('risk', 'auditor', 'admin');
ALTER TABLE users
    DROP COLUMN totp_last_step, DROP COLUMN totp_confirmed, DROP COLUMN totp_secret,
    DROP COLUMN password_hash, DROP COLUMN status,
    ADD CONSTRAINT users_role_check CHECK (role IN ('investor', 'creator', 'operator'));

DROP TABLE users;
DROP TABLE audit_events;
DROP TABLE business_clock;
REVOKE USAGE ON SCHEMA public FROM commenda_app;

DROP TABLE idempotency;
DROP FUNCTION post_journals;
DROP FUNCTION lock_accounts;
DROP TABLE entries;
DROP FUNCTION check_new_entries;
DROP TABLE journals;
DROP TABLE accounts;

DROP SCHEMA paper CASCADE;
DROP TABLE nav_history, funding_payments, transfers, allocations, fills, orders, positions, legs, scopes;
DROP FUNCTION check_new_allocations;

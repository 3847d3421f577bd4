-- Refused while a house book exists: what it holds would have no owner.
ALTER TABLE scopes DROP CONSTRAINT scopes_kind_check;
ALTER TABLE scopes ADD CONSTRAINT scopes_kind_check
    CHECK (kind IN ('managed', 'copy', 'vault'));
REVOKE USAGE ON SEQUENCE orders_number_seq FROM commenda_app;
DROP TABLE dust_transfers;

-- What was paid stays paid; the last version knows a subscription only as a whole, so that nothing
-- may be on its way, and what is owed is to be collected first.
DO $$
BEGIN
    IF EXISTS (SELECT FROM closings WHERE amount IS NOT NULL)
       OR EXISTS (SELECT FROM crystallisations) THEN
        RAISE EXCEPTION 'the last version has no partial withdrawals and no periodic shares';
    END IF;
END $$;
DROP VIEW managed_payouts;
DROP INDEX referral_commissions_by_subscription;
ALTER TABLE referral_commissions DROP COLUMN subscription_id;
ALTER TABLE settlements DROP COLUMN collected;
DROP TABLE crystallisation_legs, crystallisations;
ALTER TABLE managed_subscriptions
    DROP COLUMN crystallised_at, DROP COLUMN accrued_until, DROP COLUMN hurdle_left;
ALTER TABLE product_terms DROP COLUMN crystallise_days;
REVOKE UPDATE (capital) ON legs FROM commenda_app;
DROP TABLE closing_lots;
DROP INDEX closings_unpaid, closings_open;
ALTER TABLE closings
    DROP CONSTRAINT closings_retry,
    DROP CONSTRAINT closings_whole,
    DROP CONSTRAINT closings_given_up,
    DROP COLUMN amount,
    DROP COLUMN given_up_at,
    ADD CONSTRAINT closings_check CHECK ((closed_at IS NULL) = (next_retry_at IS NOT NULL));
CREATE INDEX closings_unpaid ON closings (id) WHERE closed_at IS NOT NULL AND paid_at IS NULL;

DROP INDEX referral_commissions_by_payee;
DROP INDEX managed_subscriptions_by_time;
DROP INDEX managed_subscriptions_by_investor;
CREATE INDEX managed_subscriptions_by_investor ON managed_subscriptions (investor_id);
DROP VIEW asset_log;
DROP TABLE funding_requests;

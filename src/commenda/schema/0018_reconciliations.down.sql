CREATE OR REPLACE VIEW asset_log AS
SELECT a.owner_id AS user_id, e.asset AS coin,
       CASE j.kind
           WHEN 'deposit' THEN 'recharge'
           WHEN 'withdrawal' THEN 'withdraw'
           WHEN 'withdrawal_request' THEN 'withdraw'
           WHEN 'withdrawal_return' THEN 'withdraw'
           WHEN 'referral_release' THEN 'commission'
           WHEN 'pool_in' THEN 'pool_in'
           WHEN 'pool_out' THEN 'pool_out'
           WHEN 'income' THEN 'income'
           ELSE 'contract'  -- subscriptions and copies: reserved, given back, settled
       END AS type,
       e.amount, e.balance_before, e.balance_after, j.key AS ref_no, j.kind AS remark,
       j.posted_at AS created_at, e.account_id, e.version
FROM entries e
JOIN accounts a ON a.id = e.account_id AND a.kind = 'wallet'
JOIN journals j ON j.id = e.journal_id;
DROP FUNCTION asset_log_type;
DROP TABLE reconciliation_lines, reconciliations;

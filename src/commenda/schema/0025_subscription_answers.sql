-- What a subscription was answered with is kept as that of any other write: a status and a body.

UPDATE idempotency i SET outcome = jsonb_build_object('status', 201, 'body', jsonb_build_object(
    'subscriptionId', s.id, 'executionScopeId', s.id, 'status', 'RESERVED',
    'productId', s.product_id, 'amount', trim_scale(s.amount)::text))
FROM managed_subscriptions s
WHERE i.operation = 'subscribe' AND i.outcome ->> 'subscriptionId' = s.id::text;

UPDATE idempotency i SET outcome = jsonb_build_object('status', 409, 'body', jsonb_build_object(
    'code', said.code, 'detail', said.detail, 'field', 'amount', 'value', NULL, 'mend', said.mend))
FROM (VALUES
    ('insufficient_custody',
     'What is available in the wallet (money on hold is not), or the authorisation, does not cover'
     ' this amount',
     'bring money in, or authorise a higher limit'),
    ('no_eligible_creator',
     'No creator passes this product''s profile and risk thresholds',
     'choose another product, or wait for creators'),
    ('allocation_capacity',
     'The creators'' limits hold only a part of this amount',
     'subscribe a smaller amount, or wait for more creators')
) AS said (code, detail, mend)
WHERE i.operation = 'subscribe' AND i.outcome ->> 'refused' = said.code;

UPDATE idempotency SET outcome = CASE
    WHEN outcome #> '{body,code}' IS NULL THEN jsonb_build_object(
        'subscriptionId', outcome #> '{body,subscriptionId}', 'status', 'RESERVED')
    ELSE jsonb_build_object('refused', outcome #> '{body,code}') END
WHERE operation = 'subscribe' AND outcome ? 'body';

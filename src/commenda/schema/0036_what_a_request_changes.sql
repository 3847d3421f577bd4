-- A request says what it is about and, once it is decided, what it changed; a cell of the return
-- matrix says which request made it.

ALTER TABLE approvals
    ADD COLUMN about text[] NOT NULL DEFAULT '{}', -- whatever one may look for it by: ids, its subject
    ADD COLUMN changes jsonb;                      -- as they were when it was decided
UPDATE approvals SET about = array_remove(ARRAY[subject, payload->>'userId'], NULL);
CREATE INDEX approvals_about ON approvals USING gin (about);

ALTER TABLE expected_returns ADD COLUMN approval_id uuid REFERENCES approvals;
UPDATE expected_returns e SET approval_id = a.id FROM approvals a
    WHERE a.kind = 'managed.return_matrix' AND a.status = 'approved'
    AND a.subject = e.product_id::text
    AND (a.outcome->>'validFrom')::timestamptz = e.valid_from;

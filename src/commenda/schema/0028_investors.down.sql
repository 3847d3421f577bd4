-- The last version knows hard hurdles only: under them a soft one would be settled otherwise.
DO $$
BEGIN
    IF EXISTS (SELECT FROM product_terms WHERE hurdle_kind <> 'hard') THEN
        RAISE EXCEPTION 'the last version has no soft hurdles';
    END IF;
END $$;
CREATE INDEX audit_events_alerts ON audit_events (happened_at DESC, id DESC)
    WHERE kind LIKE 'alert.%' OR kind = 'liquidation.failed';
DROP TABLE alerts;
ALTER TABLE crystallisation_legs DROP COLUMN unshared;
ALTER TABLE product_terms DROP COLUMN hurdle_kind;

-- The last version takes the maximum of a tier, too.
ALTER TABLE products DROP CONSTRAINT products_bounds;
ALTER TABLE products ADD CONSTRAINT products_check CHECK (maximum >= minimum);
UPDATE products p SET minimum = p.minimum + 0.00000001 FROM products below
WHERE (below.profile, below.term_days, below.asset, below.early_exit)
    = (p.profile, p.term_days, p.asset, p.early_exit)
    AND p.minimum = below.maximum AND p.maximum > p.minimum + 0.00000001;

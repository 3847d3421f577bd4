-- The last version takes the maximum of a tier, too.
ALTER TABLE products DROP CONSTRAINT products_bounds;
ALTER TABLE products ADD CONSTRAINT products_check CHECK (maximum >= minimum);
UPDATE products p SET minimum = p.minimum + 0.00000001 FROM products below
WHERE (below.profile, below.term_days, below.asset, below.early_exit)
    = (p.profile, p.term_days, p.asset, p.early_exit)
    AND p.minimum = below.maximum AND p.maximum > p.minimum + 0.00000001;

-- A tier takes amounts from its minimum up to, but not including, its maximum: the next one begins
-- there, and not a unit later.
ALTER TABLE products DROP CONSTRAINT products_check;
UPDATE products p SET minimum = below.maximum FROM products below
WHERE (below.profile, below.term_days, below.asset, below.early_exit)
    = (p.profile, p.term_days, p.asset, p.early_exit)
    AND p.minimum = below.maximum + 0.00000001;
UPDATE products SET maximum = maximum + 0.00000001 WHERE maximum = minimum;
ALTER TABLE products ADD CONSTRAINT products_bounds CHECK (maximum > minimum);

-- Above a soft hurdle the share is of all profit; until it is passed, each leg's gains wait.
ALTER TABLE product_terms
    ADD COLUMN hurdle_kind text NOT NULL DEFAULT 'hard' CHECK (hurdle_kind IN ('hard', 'soft'));
ALTER TABLE crystallisation_legs ADD COLUMN unshared numeric(38,18) NOT NULL DEFAULT 0;

-- The order blotter reads the latest orders first.
CREATE INDEX orders_by_number ON orders (number);

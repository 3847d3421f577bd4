-- A simulated market has a spot market beside it, of which nobody takes a price for a record either.

ALTER TABLE instruments DROP CONSTRAINT instruments_check;
ALTER TABLE instruments ADD CONSTRAINT instruments_check
    CHECK (simulated = (venue IN ('simulated', 'simulated_spot')));

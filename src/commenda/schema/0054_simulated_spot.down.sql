UPDATE instruments SET simulated = false WHERE venue = 'simulated_spot';
ALTER TABLE instruments DROP CONSTRAINT instruments_check;
ALTER TABLE instruments ADD CONSTRAINT instruments_check CHECK (simulated = (venue = 'simulated'));

ALTER TABLE workers DROP COLUMN waits_for;
DROP TABLE write_probe;

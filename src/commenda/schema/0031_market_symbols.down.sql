-- Refused while an instrument has a symbol that only the wider rule allows.
ALTER TABLE instruments DROP CONSTRAINT instruments_symbol_check;
ALTER TABLE instruments ADD CONSTRAINT instruments_symbol_check CHECK (symbol ~ '^[A-Z0-9]+$');

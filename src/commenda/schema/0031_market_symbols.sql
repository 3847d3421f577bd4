-- Symbols of any script, and of delivery contracts (BTCUSDT_250627). What is one, the application
-- says; what could leave a path or an address is refused here too.
ALTER TABLE instruments DROP CONSTRAINT instruments_symbol_check;
ALTER TABLE instruments ADD CONSTRAINT instruments_symbol_check
    CHECK (symbol !~ '[[:cntrl:][:space:]a-z/\\.%?#&=:]' AND char_length(symbol) BETWEEN 1 AND 40);

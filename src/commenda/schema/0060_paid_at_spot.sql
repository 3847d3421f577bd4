-- At spot nothing is lent: who copies parts of trades buys no more than up to 0.99 of what the book is
-- worth (`kernel.SPOT_MOST`), also where what it holds has risen since.

DO $$
DECLARE
    told text := pg_get_functiondef('plan_executions'::regproc);
BEGIN
    told := replace(told, 'lot           numeric;',
        'lot           numeric; most numeric;');
    told := replace(told, 'lot := (SELECT i.step FROM instruments i WHERE i.id = signal.instrument_id)',
        'SELECT i.step, CASE i.kind WHEN ''spot'' THEN 0.99 END INTO lot, most
        FROM instruments i WHERE i.id = signal.instrument_id');
    told := replace(told, 'SELECT e.*, CASE',
        'SELECT e.*, least(CASE');
    told := replace(told, 'signal.previous_target * lot) * lot END AS wanted',
        'signal.previous_target * lot) * lot END, CASE WHEN most IS NOT NULL AND NOT e.closes THEN
                    greatest(0, div(most * e.equity, signal.reference_price * lot) * lot - e.held)
                END) AS wanted');
    EXECUTE told;
END $$;

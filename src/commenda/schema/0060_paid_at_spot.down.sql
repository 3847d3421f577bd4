DO $$
DECLARE
    told text := pg_get_functiondef('plan_executions'::regproc);
BEGIN
    told := replace(told, 'lot           numeric; most numeric;',
        'lot           numeric;');
    told := replace(told, 'SELECT i.step, CASE i.kind WHEN ''spot'' THEN 0.99 END INTO lot, most
        FROM instruments i WHERE i.id = signal.instrument_id',
        'lot := (SELECT i.step FROM instruments i WHERE i.id = signal.instrument_id)');
    told := replace(told, 'SELECT e.*, least(CASE',
        'SELECT e.*, CASE');
    told := replace(told, 'signal.previous_target * lot) * lot END, CASE WHEN most IS NOT NULL AND NOT e.closes THEN
                    greatest(0, div(most * e.equity, signal.reference_price * lot) * lot - e.held)
                END) AS wanted',
        'signal.previous_target * lot) * lot END AS wanted');
    EXECUTE told;
END $$;

-- Strategies on live bars: of which length a flow's bars are, and when its waiting target was decided.

ALTER TABLE shared_flows
    ADD COLUMN interval_seconds integer CHECK (interval_seconds > 0),  -- NULL: the market's own
    ADD COLUMN pending_at timestamptz;  -- when the bar closed that decided pending_target

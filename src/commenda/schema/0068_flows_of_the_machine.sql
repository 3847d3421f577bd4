-- Whether a flow's creator lets the machine change its parameters and stops.
ALTER TABLE shared_flows ADD COLUMN automatic boolean NOT NULL DEFAULT false;

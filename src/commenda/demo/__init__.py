"""The living demo: a simulated market that never ends, creators, and people who come and go."""

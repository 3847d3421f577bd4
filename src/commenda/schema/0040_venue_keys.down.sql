DROP TABLE venue_keys;

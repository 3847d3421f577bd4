DROP TABLE venue_contacts;

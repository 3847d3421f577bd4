DROP FUNCTION room_to_subscribe;
DROP TRIGGER followers_are_counted ON flow_subscriptions;
DROP TRIGGER changes_of_followers_are_counted ON flow_subscriptions;
DROP FUNCTION count_new_followers;
DROP FUNCTION count_changed_followers;
DROP TABLE followed_capital;

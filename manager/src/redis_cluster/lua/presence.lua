-- What is known of a user's presence.
-- KEYS: the user's routes. Returns how long they are still known in ms (less than 0 where they are not), and
-- what the hash has.
return {redis.call('PTTL', KEYS[1]), redis.call('HVALS', KEYS[1])}

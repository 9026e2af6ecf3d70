-- Notes an incarnation in the list, and drops those whose lease ended long ago.
-- KEYS: the list. ARGV: incarnation, ttl in ms, how long ended ones stay in ms.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZADD', KEYS[1], string.format('%.0f', now + ARGV[2]), ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now - ARGV[3]))

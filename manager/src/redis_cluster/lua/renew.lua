-- Takes or renews a lease.
-- KEYS: the lease. ARGV: a new life, the lease, ttl in ms.
-- Returns the life of the lease: the new one only if there was none.
local before = redis.call('GET', KEYS[1])
local life = before and string.match(before, '^%d+ (%S+) ') or ARGV[1]
redis.call('SET', KEYS[1], '1 ' .. life .. ' ' .. ARGV[2], 'PX', ARGV[3])
return life

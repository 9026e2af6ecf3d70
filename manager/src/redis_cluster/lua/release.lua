-- Removes a route, if it still has its epoch. The user stays known for as long as a route would be: by a field
-- that is no device, since Redis forgets a hash without fields. When that was is told by what the key has left.
-- KEYS: the user's routes. ARGV: device, epoch, lifetime in ms. Returns how many were removed.
local route = redis.call('HGET', KEYS[1], ARGV[1])
if route and string.match(route, '^%d+ (%d+) ') == ARGV[2] then
  redis.call('HSET', KEYS[1], '', '')
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
  return redis.call('HDEL', KEYS[1], ARGV[1])
end
return 0

-- Removes a route, if it still has its epoch.
-- KEYS: the user's routes. ARGV: device, epoch. Returns how many were removed.
local route = redis.call('HGET', KEYS[1], ARGV[1])
if route and string.match(route, '^%d+ (%d+) ') == ARGV[2] then
  return redis.call('HDEL', KEYS[1], ARGV[1])
end
return 0

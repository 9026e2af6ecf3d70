-- Keeps a route from expiring, if it still has its epoch.
-- KEYS: the user's routes. ARGV: device, epoch, lifetime in ms.
-- Returns nothing if there is none, '' if it is held, else the route that replaced it.
local route = redis.call('HGET', KEYS[1], ARGV[1])
if route and string.match(route, '^%d+ (%d+) ') == ARGV[2] then
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
  return ''
end
return route

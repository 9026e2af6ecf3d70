-- Makes a connection the holder of a device.
-- KEYS: the user's routes. ARGV: device, lowest epoch, the route, lifetime in ms, most routes, and, where
-- it is to give way, the epoch above which what is there stays.
-- Returns the epoch, or nothing if it gave way, and what was there before.
local routes, device, epoch = KEYS[1], ARGV[1], tonumber(ARGV[2])

local function epoch_of(value)
  return tonumber(string.match(value, '^%d+ (%d+) ')) or 0
end

local before = redis.call('HGET', routes, device)
if before and ARGV[6] and epoch_of(before) > tonumber(ARGV[6]) then
  return {false, before}
elseif before then
  epoch = math.max(epoch, epoch_of(before) + 1)
elseif redis.call('HLEN', routes) >= tonumber(ARGV[5]) then
  local all, oldest, lowest = redis.call('HGETALL', routes), nil, nil
  for i = 1, #all, 2 do
    local other = epoch_of(all[i + 1])
    if not oldest or other < lowest or (other == lowest and all[i] < oldest) then
      oldest, lowest = all[i], other
    end
  end
  redis.call('HDEL', routes, oldest)
end

-- '%.0f', because Lua writes large numbers with an exponent.
local written = string.format('%.0f', epoch)
redis.call('HSET', routes, device, '1 ' .. written .. ' ' .. ARGV[3])
redis.call('PEXPIRE', routes, ARGV[4])
return {written, before}

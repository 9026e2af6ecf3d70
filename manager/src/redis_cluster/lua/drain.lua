-- Takes tokens from a bucket that holds one second's worth. In thousandths, so that all numbers are
-- whole; src/drain.rs does the same.
-- KEYS: the bucket. ARGV: tokens wanted, tokens a second. Returns the tokens given.
local want, rate = tonumber(ARGV[1]), tonumber(ARGV[2])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local bucket = redis.call('HMGET', KEYS[1], 'thousandths', 'at')
local thousandths = tonumber(bucket[1] or rate * 1000)
local passed = math.max(0, math.min(1000, now - (bucket[2] or now)))
thousandths = math.min(rate * 1000, thousandths + passed * rate)

local given = math.min(want, math.floor(thousandths / 1000))
redis.call('HSET', KEYS[1],
  'thousandths', string.format('%.0f', thousandths - given * 1000),
  'at', string.format('%.0f', now))
-- After a second without a call it is full again, which is what an absent bucket is.
redis.call('PEXPIRE', KEYS[1], 2000)
return given

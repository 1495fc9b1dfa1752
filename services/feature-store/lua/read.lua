-- One look at positions and logs, all of one moment.
-- KEYS: the positions hash of each unit, then each log.
-- ARGV: number of units, then how many partitions each has, then how many bytes of each log are known.
-- Returns an array of its positions for each unit (nil = none yet), then for each log what follows the bytes that are known.
local units = tonumber(ARGV[1])
local found = {}
for i = 1, units do
  local partitions = {}
  for p = 1, tonumber(ARGV[1 + i]) do
    partitions[p] = p - 1
  end
  found[i] = redis.call('HMGET', KEYS[i], unpack(partitions))
end
for i = units + 1, #KEYS do
  found[i] = redis.call('GETRANGE', KEYS[i], ARGV[1 + i], -1)
end
return found

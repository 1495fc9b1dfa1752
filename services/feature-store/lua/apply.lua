-- Appends records to logs and moves the positions of units, if all units still stand where the caller believes.
-- KEYS: the positions hash of each unit, then the log of each append, then the bucket set of each append, then the bucket index of each append.
-- ARGV: number of units, number of appends, partition, then for each unit the expected and the next position ('' = none yet), then for each append its bytes, its entity and its bucket.
-- Returns 1 when applied, 0 when a unit stands elsewhere.
local units = tonumber(ARGV[1])
local appends = tonumber(ARGV[2])
local partition = ARGV[3]
for i = 1, units do
  local current = redis.call('HGET', KEYS[i], partition) or ''
  if current ~= ARGV[2 + 2 * i] then
    return 0
  end
end
local base = 3 + 2 * units
for i = 1, appends do
  local at = base + 3 * (i - 1)
  redis.call('APPEND', KEYS[units + i], ARGV[at + 1])
  redis.call('SADD', KEYS[units + appends + i], ARGV[at + 2])
  redis.call('ZADD', KEYS[units + 2 * appends + i], ARGV[at + 3], ARGV[at + 3])
end
for i = 1, units do
  redis.call('HSET', KEYS[i], partition, ARGV[3 + 2 * i])
end
return 1

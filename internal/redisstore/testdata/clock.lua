-- The clock of tests: Redis's own, moved on by what the test has set.
local function now()
  local t = redis.call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000) + tonumber(redis.call('GET', KEYS[1] .. 'offset') or '0')
end

-- Milliseconds since 1970 by the clock of Redis: the only clock that all processes share.
local function now()
  local t = redis.call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
end

-- What the steps of a tenant's budget share. KEYS[1] is the prefix of the tenant's own keys, which lie in one slot. Names after it:
--   d:DAY       hash: tokens settled on a day in Beijing: t (by all) and u:USER
--   turns       hash: turn -> "FENCE TOKENS USER", its reservation
--   held        hash: the sums of these: t and u:USER
--   ends        zset: turn by the end of its reservation
--   settled     zset: "TURN:FENCE" that was settled, by the time that this is forgotten
local HOLD = 172800000 -- longer than any reservation: turns, held and ends are forgotten together

local function user(u) return 'u:' .. u end

local function unhold(field, tokens)
  if redis.call('HINCRBY', B .. 'held', field, '-' .. tokens) <= 0 then redis.call('HDEL', B .. 'held', field) end
end

-- free ends a turn's reservation if it was made under this fence or an earlier one.
local function free(turn, fence)
  local held = redis.call('HGET', B .. 'turns', turn)
  if not held then return end
  local by, tokens, whose = string.match(held, '^(%d+) (%d+) (.*)$')
  if fence and tonumber(by) > tonumber(fence) then return end
  unhold('t', tokens)
  unhold(user(whose), tokens)
  redis.call('HDEL', B .. 'turns', turn)
  redis.call('ZREM', B .. 'ends', turn)
end

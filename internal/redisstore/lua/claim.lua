-- claim: KEYS prefix; ARGV owner, most to claim, lease ms, turns of history -> a view for each
local owner, most = ARGV[1], tonumber(ARGV[2])
must()
if most <= 0 then return {} end
local convs = redis.call('ZRANGEBYSCORE', B .. 'ready', '-inf', int(now()), 'LIMIT', 0, most)
if #convs == 0 then return {} end

local deadline = now() + tonumber(ARGV[3])
local present = redis.call('ZSCORE', B .. 'owners', owner)
if not present or tonumber(present) < deadline then redis.call('ZADD', B .. 'owners', int(deadline), owner) end
local out = {}
for _, conv in ipairs(convs) do
  redis.call('ZREM', B .. 'ready', conv)
  if redis.call('EXISTS', B .. 'm:' .. conv) == 1 then
    local c = B .. 'c:' .. conv
    local fence = int(redis.call('HINCRBY', B .. 'n', 'fence', 1))
    redis.call('HSET', c, 'v', '1', 'owner', owner, 'fence', fence)
    if redis.call('HEXISTS', c, 'parts') == 0 then redis.call('HINCRBY', c, 'att', 1) end
    redis.call('HSET', B .. 'o:' .. owner, conv, fence)
    redis.call('PEXPIRE', B .. 'o:' .. owner, WEEK + 2 * DAY)
    if redis.call('PTTL', B .. 'm:' .. conv) < 0 then keep(conv, now()) end -- taken in by an older release
    out[#out + 1] = view(conv, ARGV[4])
  end
end
return out

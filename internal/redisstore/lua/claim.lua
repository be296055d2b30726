-- claim: KEYS prefix; ARGV owner, most to claim, lease ms -> a view for each
local owner, most = ARGV[1], tonumber(ARGV[2])
must()
if most <= 0 then return {} end
local t = now()
local convs = redis.call('ZRANGEBYSCORE', B .. 'ready', '-inf', int(t), 'LIMIT', 0, most)
if #convs == 0 then return {} end

local deadline = t + tonumber(ARGV[3])
local present = redis.call('ZSCORE', B .. 'owners', owner)
if not present or tonumber(present) < deadline then redis.call('ZADD', B .. 'owners', int(deadline), owner) end
local out = {}
for _, conv in ipairs(convs) do
  redis.call('ZREM', B .. 'ready', conv)
  local left = redis.call('PTTL', B .. 'm:' .. conv)
  if left ~= -2 then -- there is a mailbox
    local c = B .. 'c:' .. conv
    local fence = int(redis.call('HINCRBY', B .. 'n', 'fence', 1))
    local was = redis.call('HMGET', c, 'np', 'att')
    local att = tonumber(was[2] or '0')
    if not was[1] then att = att + 1 end
    redis.call('HSET', c, 'v', '1', 'owner', owner, 'fence', fence, 'att', int(att))
    redis.call('HSET', B .. 'o:' .. owner, conv, fence)
    if left == -1 then keep(conv, t) end -- taken in by an older release
    out[#out + 1] = view(conv)
  end
end
outlive('o:' .. owner)
return out

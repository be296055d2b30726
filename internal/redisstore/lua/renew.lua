-- renew: KEYS prefix; ARGV owner, lease ms -> {1 if the lease lives, the newest fence, how many it holds, conversation, fence, …of those
-- stopped}
-- A lease that ran out and that nobody reaped is alive: no one else can have taken anything.
local owner = ARGV[1]
must()
local out = { 0, redis.call('HGET', B .. 'n', 'fence') or '0', redis.call('HLEN', B .. 'o:' .. owner) }
if not redis.call('ZSCORE', B .. 'owners', owner) then return out end
redis.call('ZADD', B .. 'owners', int(now() + tonumber(ARGV[2])), owner)
outlive('o:' .. owner)
out[1] = 1
for _, conv in ipairs(redis.call('HKEYS', B .. 'stops')) do
  local fence = redis.call('HGET', B .. 'o:' .. owner, conv)
  if fence then
    out[#out + 1] = conv
    out[#out + 1] = fence
  end
end
return out

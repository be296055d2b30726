-- reap: KEYS prefix -> how many conversations became ready
local n = 0
for _, owner in ipairs(redis.call('ZRANGEBYSCORE', B .. 'owners', '-inf', int(now()))) do
  for _, conv in ipairs(redis.call('HKEYS', B .. 'o:' .. owner)) do
    disown(conv, owner)
    announce(conv)
    n = n + 1
  end
  redis.call('ZREM', B .. 'owners', owner)
end
return n

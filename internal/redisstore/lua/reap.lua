-- reap: KEYS prefix -> how many conversations became ready
must()
local n, t = 0, now()
for _, owner in ipairs(redis.call('ZRANGEBYSCORE', B .. 'owners', '-inf', int(t))) do
  for _, conv in ipairs(redis.call('HKEYS', B .. 'o:' .. owner)) do
    disown(conv, owner)
    announce(conv)
    n = n + 1
  end
  redis.call('ZREM', B .. 'owners', owner)
end

-- Redis's clock was set back: who came in what is now the future is announced anew. They come before what is postponed.
local later = redis.call('ZRANGEBYSCORE', B .. 'ready', '(' .. int(t), '+inf', 'WITHSCORES', 'LIMIT', 0, 20)
for i = 1, #later, 2 do
  local head = redis.call('LINDEX', B .. 'm:' .. later[i], 0)
  local _, came = parse(head or '')
  if head and came == tonumber(later[i + 1]) then redis.call('ZADD', B .. 'ready', int(t), later[i]) end
end

-- Mailboxes whose time is over. What waits is counted anew: Redis may have forgotten some of them by itself.
local counts = B .. 'n'
local first = redis.call('ZRANGE', B .. 'mail', 0, 0, 'WITHSCORES')
if not first[1] then
  if redis.call('EXISTS', B .. 'ready', B .. 'owners') > 0 then return n end -- an older release's mailboxes
  local left = tonumber(redis.call('HGET', counts, 'waiting') or '0')
  if left ~= 0 then redis.call('HSET', counts, 'waiting', 0) end
  if left > 0 then redis.call('HINCRBY', counts, 'ended', int(left)) end
  return n
end
if tonumber(first[2]) > t then return n end
for _, conv in ipairs(redis.call('ZRANGEBYSCORE', B .. 'mail', '-inf', int(t))) do
  if redis.call('HEXISTS', B .. 'c:' .. conv, 'owner') == 0 then -- else it is being answered
    redis.call('DEL', B .. 'm:' .. conv, B .. 'c:' .. conv)
    redis.call('ZREM', B .. 'ready', conv)
    redis.call('ZREM', B .. 'mail', conv)
  end
end
local waiting = 0
for _, conv in ipairs(redis.call('ZRANGE', B .. 'mail', 0, -1)) do waiting = waiting + redis.call('LLEN', B .. 'm:' .. conv) end
local ended = tonumber(redis.call('HGET', counts, 'waiting') or '0') - waiting
redis.call('HSET', counts, 'waiting', int(waiting))
if ended > 0 then redis.call('HINCRBY', counts, 'ended', int(ended)) end
return n

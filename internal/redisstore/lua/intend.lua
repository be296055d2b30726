-- intend: KEYS prefix; ARGV conversation, owner, fence, the pace's burst, its ms -> {code, ms to wait}
local conv = ARGV[1]
must()
if not holds(conv, ARGV[2], ARGV[3]) then return { FENCED } end
local c, t = B .. 'c:' .. conv, now()
local v = redis.call('HMGET', c, 'np', 'at', 'tat')
if not v[1] then return { MISUSED } end
local at, tat = slot(t, v[3], ARGV[4], ARGV[5])
redis.call('HSET', c, 'tat', int(tat))
if tonumber(v[2]) > t then redis.call('HSET', c, 'at', int(at)) end -- else it may have been sent before
return { GOES_ON, at - t }

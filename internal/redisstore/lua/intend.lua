-- intend: KEYS prefix; ARGV conversation, owner, fence, the pace's burst, its ms -> {code, ms to wait}
local conv = ARGV[1]
must()
local mine, v = holds(conv, ARGV[2], ARGV[3], 'np', 'at', 'tat')
if not mine then return { FENCED } end
if not v[3] then return { MISUSED } end
local c, t = B .. 'c:' .. conv, now()
local at, tat = slot(t, v[5], ARGV[4], ARGV[5])
redis.call('HSET', c, 'tat', int(tat))
if tonumber(v[4]) > t then redis.call('HSET', c, 'at', int(at)) end -- else it may have been sent before
return { GOES_ON, at - t }

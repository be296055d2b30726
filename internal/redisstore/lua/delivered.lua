-- delivered: KEYS prefix; ARGV conversation, owner, fence, turns of history to return, part, the pace's burst, its ms -> {code, view of the next message}
local conv, owner, fence, turns, part = ARGV[1], ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5])
must()
if not holds(conv, owner, fence) then return repeated(conv, owner, fence, turns) end
local v = redis.call('HMGET', B .. 'c:' .. conv, 'np', 'next', 'at', 'tat')
if not v[1] or part < 0 or part > tonumber(v[2]) then return { MISUSED } end
if part < tonumber(v[2]) then return { GOES_ON, wait(v[3]) } end
if part + 1 == tonumber(v[1]) then return finish(conv, owner, fence, turns) end
local t = now()
local at, tat = slot(t, v[4], ARGV[6], ARGV[7])
redis.call('HSET', B .. 'c:' .. conv, 'next', part + 1, 'at', int(at), 'try', 0, 'tat', int(tat))
return { GOES_ON, at - t }

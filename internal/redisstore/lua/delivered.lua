-- delivered: KEYS prefix; ARGV conversation, owner, fence, part, the pace's burst, its ms -> {code, view of the next message}
local conv, owner, fence, part = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
must()
local mine, v = holds(conv, owner, fence, 'np', 'next', 'at', 'tat')
if not mine then return repeated(conv, owner, fence) end
if not v[3] or part < 0 or part > tonumber(v[4]) then return { MISUSED } end
if part < tonumber(v[4]) then return { GOES_ON, wait(v[5]) } end
if part + 1 == tonumber(v[3]) then return finish(conv, owner, fence) end
local t = now()
local at, tat = slot(t, v[6], ARGV[5], ARGV[6])
redis.call('HSET', B .. 'c:' .. conv, 'next', part + 1, 'at', int(at), 'try', 0, 'tat', int(tat))
return { GOES_ON, at - t }

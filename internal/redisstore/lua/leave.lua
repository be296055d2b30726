-- leave: KEYS prefix; ARGV conversation, owner, fence, ms -> 1 if it was held
-- Gives back what its owner cannot read, not to be claimed again before its time. That was no attempt.
local conv, owner = ARGV[1], ARGV[2]
must()
if not holds(conv, owner, ARGV[3]) then return 0 end
local c = B .. 'c:' .. conv
if redis.call('HEXISTS', c, 'parts') == 0 then redis.call('HINCRBY', c, 'att', -1) end
disown(conv, owner)
redis.call('ZADD', B .. 'ready', int(now() + tonumber(ARGV[4])), conv)
outlive('ready')
return 1

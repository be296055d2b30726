-- release: KEYS prefix; ARGV conversation, owner, fence -> 1 if it was held
local conv, owner = ARGV[1], ARGV[2]
must()
if not holds(conv, owner, ARGV[3]) then return 0 end
local c = B .. 'c:' .. conv
if redis.call('HEXISTS', c, 'parts') == 0 then redis.call('HINCRBY', c, 'att', -1) end
disown(conv, owner)
announce(conv)
return 1

-- postpone: KEYS prefix; ARGV conversation, owner, fence, ms, the part may have been shown (1/0), its tries
-- -> 1 if it was held, 0 if not, -1 if there is no reply
local conv, owner = ARGV[1], ARGV[2]
must()
if not holds(conv, owner, ARGV[3]) then return 0 end
local c = B .. 'c:' .. conv
if redis.call('HEXISTS', c, 'np') == 0 then return -1 end
local ms = tonumber(ARGV[4])
local forget, head = redis.call('HGET', c, 'forget'), redis.call('LINDEX', B .. 'm:' .. conv, 0)
if forget and head and parse(head) < tonumber(forget) then ms = 0 end
redis.call('HSET', c, 'try', ARGV[6])
if ARGV[5] == '0' then redis.call('HSET', c, 'at', int(NEVER)) end
disown(conv, owner)
redis.call('ZADD', B .. 'ready', int(now() + ms), conv)
outlive('ready')
return 1

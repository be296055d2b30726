-- relay_ask: KEYS list; ARGV within (ms), most, who asks, id, payload -> the entry, to take it back with; '' if as many wait as may
-- The list outlives its newest request for a while: who asked sees there whether somebody took it.
if redis.call('LLEN', KEYS[1]) >= tonumber(ARGV[2]) then return '' end
local entry = '1 ' .. int(now() + ARGV[1]) .. ' ' .. ARGV[3] .. ' ' .. ARGV[4] .. '\n' .. ARGV[5]
local ms = int(math.max(ARGV[1] + 30000, redis.call('PTTL', KEYS[1])))
redis.call('PEXPIRE', KEYS[1], ms) -- a first write that needs no memory: replies go on their way when Redis is full, too
redis.call('RPUSH', KEYS[1], entry)
redis.call('PEXPIRE', KEYS[1], ms)
return entry

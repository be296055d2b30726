-- keep: KEYS key; ARGV value, ms, only if nothing is kept (1/0) -> what is kept instead, or ''
local kept = ARGV[3] == '1' and redis.call('GET', KEYS[1])
if kept then return kept end
must() -- what is under way goes on when Redis is full, too
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return ''

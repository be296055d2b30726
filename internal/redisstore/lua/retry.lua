-- retry: KEYS prefix; ARGV dead letter, its conversation, its message -> 1 if it waits again as a new message, 0 if it was no dead letter any more
local conv = ARGV[2]
if redis.call('ZREM', B .. 'dead', ARGV[1]) == 0 then return 0 end
local seq = redis.call('HINCRBY', B .. 'n', 'seq', 1)
redis.call('HSET', B .. 'c:' .. conv, 'v', '1', 'last', int(seq))
put(conv, seq, now(), '-', '-', ARGV[3])
return 1

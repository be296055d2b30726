-- relay_push: KEYS list; ARGV ms, entry -> 1
local ms = int(math.max(tonumber(ARGV[1]), redis.call('PTTL', KEYS[1])))
redis.call('PEXPIRE', KEYS[1], ms) -- a first write that needs no memory: replies go on their way when Redis is full, too
redis.call('RPUSH', KEYS[1], ARGV[2])
redis.call('PEXPIRE', KEYS[1], ms)
return 1

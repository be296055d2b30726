-- relay_push: KEYS list; ARGV ms, entry
redis.call('PEXPIRE', KEYS[1], ARGV[1]) -- a first write that needs no memory: replies go on their way when Redis is full, too
redis.call('RPUSH', KEYS[1], ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[1])

-- clients_set: KEYS prefix; ARGV id, document, ms to live
local values, ends = B .. 'values', B .. 'ends'
local t = now()
for _, id in ipairs(redis.call('ZRANGEBYSCORE', ends, '-inf', int(t))) do
  redis.call('HDEL', values, id)
  redis.call('ZREM', ends, id)
end
redis.call('HSET', values, ARGV[1], ARGV[2])
redis.call('ZADD', ends, int(t + tonumber(ARGV[3])), ARGV[1])
for _, key in ipairs({ values, ends }) do
  if redis.call('PTTL', key) < tonumber(ARGV[3]) then redis.call('PEXPIRE', key, ARGV[3]) end
end
return 1

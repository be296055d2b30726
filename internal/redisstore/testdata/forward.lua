#!lua flags=allow-cross-slot-keys
-- Shortens the time to live of every key by ARGV[1] ms.
for _, key in ipairs(redis.call('KEYS', '*')) do
  local ttl = redis.call('PTTL', key)
  if ttl >= 0 then
    if ttl <= tonumber(ARGV[1]) then redis.call('DEL', key) else redis.call('PEXPIRE', key, ttl - ARGV[1]) end
  end
end
return 1

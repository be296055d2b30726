#!lua flags=allow-cross-slot-keys
-- Every key but the test's own, with its time to live in ms.
local out = {}
for _, key in ipairs(redis.call('KEYS', '*')) do
  if not string.find(key, ':offset$') then
    out[#out + 1] = key
    out[#out + 1] = redis.call('PTTL', key)
  end
end
return out

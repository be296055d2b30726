-- clients: KEYS prefix -> id, document, … of those that still live
local out = {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', B .. 'ends', '(' .. int(now()), '+inf')) do
  local v = redis.call('HGET', B .. 'values', id)
  if v then
    out[#out + 1] = id
    out[#out + 1] = v
  end
end
return out

-- format: KEYS the format's key; ARGV what it must be, '' for nothing, to become the second, '' to change nothing -> what it is then
local v = redis.call('GET', KEYS[1]) or ''
if ARGV[2] ~= '' and v == ARGV[1] then
  redis.call('SET', KEYS[1], ARGV[2])
  return ARGV[2]
end
return v

-- feed_append: KEYS stream; ARGV id, payload, ms to live, most entries -> 1 if appended, 0 if that id or a later one is there
redis.call('PEXPIRE', KEYS[1], ARGV[3]) -- a first write that needs no memory: replies go out when it is full
local r = redis.pcall('XADD', KEYS[1], 'MAXLEN', '~', ARGV[4], ARGV[1], 'v', '1', 'p', ARGV[2])
if type(r) == 'table' and r.err then
  if not string.find(r.err, 'equal or smaller', 1, true) then return r end
  r = false
end
redis.call('PEXPIRE', KEYS[1], ARGV[3])
if r then return 1 end
return 0

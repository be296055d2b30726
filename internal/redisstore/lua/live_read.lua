-- live_read: KEYS key; ARGV ms -> the live text; the key's existence tells the writer that somebody reads
local text = redis.call('GET', KEYS[1])
if text then
  redis.call('PEXPIRE', KEYS[1], ARGV[1])
  return text
end
redis.call('SET', KEYS[1], '', 'PX', ARGV[1])
return ''

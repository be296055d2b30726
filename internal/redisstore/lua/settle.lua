-- settle: KEYS prefix; ARGV turn, fence, user, tokens really spent -> 1 if they were counted, 0 if they were before
must()
local t = now()
redis.call('ZREMRANGEBYSCORE', B .. 'settled', '-inf', int(t))
if redis.call('ZADD', B .. 'settled', 'NX', int(t + 3600000), ARGV[1] .. ':' .. ARGV[2]) == 0 then return 0 end
redis.call('PEXPIRE', B .. 'settled', 3600000)
free(ARGV[1], ARGV[2])
if tonumber(ARGV[4]) > 0 then
  local day, left = beijing(t)
  local spent = B .. 'd:' .. day
  redis.call('HINCRBY', spent, 't', ARGV[4])
  redis.call('HINCRBY', spent, user(ARGV[3]), ARGV[4])
  redis.call('PEXPIRE', spent, int(left + 86400000))
end
return 1

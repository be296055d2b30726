-- look: KEYS prefix -> {how many conversations can be claimed, since when the oldest}
local t, ready = int(now()), B .. 'ready'
local n = redis.call('ZCOUNT', ready, '-inf', t)
if n == 0 then return { 0, 0 } end
return { n, redis.call('ZRANGE', ready, 0, 0, 'WITHSCORES')[2] }

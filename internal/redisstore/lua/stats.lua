-- stats: KEYS prefix -> {waiting, running, ready, ms since the oldest ready message was accepted, dead letters, messages forgotten
-- unanswered, postponed}
local t = now()
local running = 0
for _, o in ipairs(redis.call('ZRANGE', B .. 'owners', 0, -1)) do running = running + redis.call('HLEN', B .. 'o:' .. o) end
local oldest = redis.call('ZRANGE', B .. 'ready', 0, 0, 'WITHSCORES')
local age = 0
if oldest[2] then age = math.max(0, t - tonumber(oldest[2])) end
redis.pcall('ZREMRANGEBYSCORE', B .. 'dead', '-inf', int(t)) -- who may only look counts right without it
return {
  redis.call('HGET', B .. 'n', 'waiting') or '0', running, redis.call('ZCOUNT', B .. 'ready', '-inf', int(t)), int(age), redis.call('ZCOUNT', B .. 'dead', '(' .. int(t), '+inf'),
  redis.call('HGET', B .. 'n', 'ended') or '0', redis.call('ZCOUNT', B .. 'ready', '(' .. int(t), '+inf'),
}

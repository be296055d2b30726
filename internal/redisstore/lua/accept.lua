-- accept: KEYS prefix; ARGV conversation, message, is a stop command (1/0), dedupe key, its ms, once key or '', its ms, rate key, limit a
-- minute (0: none), limit of waiting messages (0: none), waiting in the tenant's other shards, channel prefix for stops, the shard's name,
-- nothing before it is to wait (1/0), the seq of the last message of the mailbox or 0, and that and this in one
-- -> {1} seen before, {2} ignored by its once key, {0, seq, shed, 1 if it just became ready, 1 if it is one with the last}
local conv, message, stop = ARGV[1], ARGV[2], ARGV[3] == '1'
local t = now()
if redis.call('EXISTS', B .. ARGV[4]) == 1 then return { 1 } end
redis.call('SET', B .. ARGV[4], '1', 'PX', ARGV[5])
if ARGV[6] ~= '' and not redis.call('SET', B .. ARGV[6], '1', 'PX', ARGV[7], 'NX') then return { 2 } end

-- A sliding minute: the list holds the times of the newest admitted messages, newest first.
local shed = '-'
local limit = tonumber(ARGV[9])
if limit > 0 and not stop then
  local rate = B .. ARGV[8]
  local oldest = redis.call('LINDEX', rate, limit - 1)
  if oldest and t - tonumber(oldest) < 60000 then
    shed = 'rate'
  else
    if redis.call('LPUSH', rate, int(t)) > limit then redis.call('LTRIM', rate, 0, limit - 1) end
    redis.call('PEXPIRE', rate, 60000)
  end
end
local waiting = tonumber(redis.call('HGET', B .. 'n', 'waiting') or '0') + tonumber(ARGV[11])
if shed == '-' and tonumber(ARGV[10]) > 0 and waiting >= tonumber(ARGV[10]) and not stop then shed = 'busy' end

local c = B .. 'c:' .. conv
local seq = redis.call('HINCRBY', B .. 'n', 'seq', 1)
local head = redis.call('LINDEX', B .. 'm:' .. conv, 0)
local flags = '-'
if stop then
  flags = 's'
  if head then
    local v = redis.call('HMGET', c, 'last', 'stop', 'owner', 'fence', 'parts')
    local first, _, command = parse(head)
    local before = tonumber(v[2] or '0') -- stopped already, below this
    if v[5] then first = first + 1 end -- answered already: on its way to the person
    if tonumber(v[1] or '0') >= math.max(first, before) then flags = 'sf' end
    if v[3] and not v[5] and not command and first >= before then
      redis.call('HSET', B .. 'stops', conv, '1')
      outlive('stops')
      -- A user without the right to this channel still stops: renew tells the owner.
      redis.pcall('PUBLISH', ARGV[12] .. v[3], ARGV[13] .. ' ' .. conv .. ' ' .. v[4])
    end
  end
  redis.call('HSET', c, 'v', '1', 'stop', int(seq))
else
  redis.call('HSET', c, 'v', '1', 'last', int(seq))
end
local over
if ARGV[15] ~= '0' and shed == '-' and redis.call('LLEN', B .. 'm:' .. conv) > 1 then
  local last, came = parse(redis.call('LINDEX', B .. 'm:' .. conv, -1))
  if int(last) == ARGV[15] then over, message = came, ARGV[16] end
end
local ready = put(conv, seq, t, shed, flags, message, over)
if ARGV[14] == '1' then
  redis.call('HSET', c, 'forget', int(seq))
  if tonumber(redis.call('ZSCORE', B .. 'ready', conv) or '0') > t then
    redis.call('ZADD', B .. 'ready', int(t), conv)
    ready = true
  end
end
return { 0, int(seq), shed, ready and 1 or 0, over and 1 or 0 }

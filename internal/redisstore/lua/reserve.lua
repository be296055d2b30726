-- reserve: KEYS prefix; ARGV turn, fence, user, tokens, ms to hold them, the tenant's cap, the person's (0: none)
-- -> {0 granted, 1 the rest is held by others, 2 the tenant's cap is spent, 3 the person's is; the end of the day}
local turn, fence, whose, tokens = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
must()
local t = now()
for _, old in ipairs(redis.call('ZRANGEBYSCORE', B .. 'ends', '-inf', int(t))) do free(old) end
local day, left = beijing(t)
local spent, ends = B .. 'd:' .. day, int(t + left)
free(turn, fence) -- an earlier try's, or a dead owner's
if redis.call('HEXISTS', B .. 'turns', turn) == 1 then return { 1, ends } end -- a later owner's
if redis.call('ZSCORE', B .. 'settled', turn .. ':' .. fence) then return { 1, ends } end -- it comes late: nobody would settle it
local was = redis.call('HMGET', spent, 't', user(whose))
local held = redis.call('HMGET', B .. 'held', 't', user(whose))
local function full(i, cap) return cap > 0 and tonumber(was[i] or '0') >= cap end
local function short(i, cap)
  local others = tonumber(held[i] or '0')
  return cap > 0 and others > 0 and tonumber(was[i] or '0') + others + tokens > cap
end
local cap, own = tonumber(ARGV[6]), tonumber(ARGV[7])
if full(2, own) then return { 3, ends } end
if full(1, cap) then return { 2, ends } end
if short(1, cap) or short(2, own) then return { 1, ends } end

redis.call('HSET', B .. 'turns', turn, fence .. ' ' .. int(tokens) .. ' ' .. whose)
redis.call('ZADD', B .. 'ends', int(t + tonumber(ARGV[5])), turn)
redis.call('HINCRBY', B .. 'held', 't', int(tokens))
redis.call('HINCRBY', B .. 'held', user(whose), int(tokens))
for _, key in ipairs({ 'turns', 'held', 'ends' }) do redis.call('PEXPIRE', B .. key, HOLD) end
return { 0, ends }

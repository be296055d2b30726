-- commit: KEYS prefix; ARGV conversation, owner, fence, turns of history to return, turn or '', its bytes, forget the history first
-- (1/0), state or '', parts or '', their number, ms to keep the history, its most turns, its most bytes (0: no limit), reason of a dead
-- letter or '', ms to keep it, the pace's burst, its ms, what was spent (see spend) -> {code, view of the next message}
local conv, owner, fence, turns = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local size, ttl, most, bytes = tonumber(ARGV[6]), tonumber(ARGV[11]), tonumber(ARGV[12]), tonumber(ARGV[13])
must()
if not holds(conv, owner, fence) then return repeated(conv, owner, fence, turns) end
local c, h, s = B .. 'c:' .. conv, B .. 'h:' .. conv, B .. 's:' .. conv
local was = redis.call('HMGET', c, 'np', 'at', 'tat')
if was[1] then return { GOES_ON, wait(was[2]) } end
spend(fence, 18)

if ARGV[7] == '1' or ttl <= 0 then redis.call('DEL', h) end
if ARGV[5] ~= '' and ttl > 0 and most > 0 then
  local total = 0
  local newest = redis.call('LINDEX', h, -1)
  if newest then total = tonumber(string.match(newest, '^%d+ %d+ (%d+)') or 0) end
  total = total + size
  local count = redis.call('LLEN', h) + 1
  while count > 1 and (count > most or (bytes > 0 and total > bytes)) do
    local oldest = redis.call('LPOP', h)
    total = total - tonumber(string.match(oldest, '^%d+ (%d+)') or 0)
    count = count - 1
  end
  if bytes == 0 or total <= bytes then redis.call('RPUSH', h, '1 ' .. int(size) .. ' ' .. int(total) .. '\n' .. ARGV[5]) end
end
if ttl > 0 then redis.call('PEXPIRE', h, ttl) end
if ARGV[8] ~= '' and ttl > 0 then redis.call('SET', s, ARGV[8], 'PX', ttl) else redis.call('DEL', s) end

if ARGV[14] ~= '' then dead(conv, ARGV[14], ARGV[15]) end

if tonumber(ARGV[10]) == 0 then return finish(conv, owner, fence, turns) end
local t = now()
local at, tat = slot(t, was[3], ARGV[16], ARGV[17])
redis.call('HSET', c, 'parts', ARGV[9], 'np', ARGV[10], 'next', 0, 'at', int(at), 'tat', int(tat))
redis.call('HDEL', B .. 'stops', conv)
return { GOES_ON, at - t }

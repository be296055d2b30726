-- commit: KEYS prefix; ARGV conversation, owner, fence, turn or '', its bytes, forget the history first
-- (1/0), state or '', parts or '', their number, ms to keep the history, its most turns, its most bytes (0: no limit), reason of a dead
-- letter or '', ms to keep it, the pace's burst, its ms, what was spent (see spend) -> {code, view of the next message}
local conv, owner, fence = ARGV[1], ARGV[2], ARGV[3]
local size, ttl, most, bytes = tonumber(ARGV[5]), tonumber(ARGV[10]), tonumber(ARGV[11]), tonumber(ARGV[12])
must()
local mine, was = holds(conv, owner, fence, 'np', 'at', 'tat')
if not mine then return repeated(conv, owner, fence) end
local c, h, s = B .. 'c:' .. conv, B .. 'h:' .. conv, B .. 's:' .. conv
if was[3] then return { GOES_ON, wait(was[4]) } end
spend(fence, 17)

if ARGV[6] == '1' or ttl <= 0 then redis.call('DEL', h) end
if ARGV[4] ~= '' and ttl > 0 and most > 0 then
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
  if bytes == 0 or total <= bytes then redis.call('RPUSH', h, '1 ' .. int(size) .. ' ' .. int(total) .. '\n' .. ARGV[4]) end
end
if ttl > 0 then redis.call('PEXPIRE', h, ttl) end
if ARGV[7] ~= '' and ttl > 0 then redis.call('SET', s, ARGV[7], 'PX', ttl) else redis.call('DEL', s) end

if ARGV[13] ~= '' then dead(conv, ARGV[13], ARGV[14]) end

if tonumber(ARGV[9]) == 0 then return finish(conv, owner, fence) end
local t = now()
local at, tat = slot(t, was[5], ARGV[15], ARGV[16])
redis.call('HSET', c, 'parts', ARGV[8], 'np', ARGV[9], 'next', 0, 'at', int(at), 'tat', int(tat))
redis.call('HDEL', B .. 'stops', conv)
return { GOES_ON, at - t }

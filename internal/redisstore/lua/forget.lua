-- forget: KEYS prefix; ARGV conversation, owner, fence, what is in all of the person's dead letters, the person in usage, who takes that place
-- -> {code, turns, parts shown, dead letters, days of usage}: what the conversation's head message had forgotten, by all its attempts
local conv, owner, fence, letters, user, nobody = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6]
must()
if not holds(conv, owner, fence) then return { FENCED } end
local c = B .. 'c:' .. conv
local sums = { 0, 0, 0, 0 }
local before = redis.call('HGET', c, 'gone')
if before then
  for i, n in ipairs({ string.match(before, '^(%d+) (%d+) (%d+) (%d+)$') }) do sums[i] = tonumber(n) end
end
sums[1] = sums[1] + redis.call('LLEN', B .. 'h:' .. conv)
sums[2] = sums[2] + redis.call('XLEN', B .. 'f:' .. conv)
redis.call('DEL', B .. 'h:' .. conv, B .. 's:' .. conv, B .. 'l:' .. conv, B .. 'f:' .. conv)

for _, letter in ipairs(redis.call('ZRANGE', B .. 'dead', 0, -1)) do
  if string.find(letter, letters, 1, true) then sums[3] = sums[3] + redis.call('ZREM', B .. 'dead', letter) end
end

-- Usage becomes nobody's: the tenant's sums stay.
local today = tonumber((beijing(now())))
for day = today - 41, today do
  local usage, cursor, mine = B .. 'u:' .. int(day), '0', {}
  repeat
    local r = redis.call('HSCAN', usage, cursor, 'MATCH', '??:' .. user .. '/*', 'COUNT', 1000)
    cursor = r[1]
    for i = 1, #r[2], 2 do mine[r[2][i]] = r[2][i + 1] end
  until cursor == '0'
  for field, sum in pairs(mine) do
    add(usage, string.sub(field, 1, 3) .. nobody .. string.sub(field, 4 + #user), sum)
    redis.call('HDEL', usage, field)
  end
  if next(mine) then sums[4] = sums[4] + 1 end
end
redis.call('HSET', c, 'gone', int(sums[1]) .. ' ' .. int(sums[2]) .. ' ' .. int(sums[3]) .. ' ' .. int(sums[4]))
return { DONE, int(sums[1]), int(sums[2]), int(sums[3]), int(sums[4]) }

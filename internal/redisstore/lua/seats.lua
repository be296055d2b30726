-- seats: KEYS prefix of the tenant's seats; ARGV owner, seq, limit, runs, need, spare, ms to keep them, 1 if owners whose lease ended hold none
-- -> {what the owner holds, what nobody holds}
-- After the prefix: held, a hash: owner -> "1 SEQ END SEATS". It names processes. Later versions begin alike; what is damaged counts as none.
local key, owner, seq, limit, runs = B .. 'held', ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
must()
local t = now()
local held, last, others = 0, -1, 0
local all = redis.call('HGETALL', key)
for i = 1, #all, 2 do
  local at, ends, n = string.match(all[i + 1], '^%d+ (%d+) (%d+) (%d+)')
  if ends and all[i] == owner then
    held, last = tonumber(n), tonumber(at)
  elseif not ends or tonumber(ends) <= t - DAY or ARGV[8] == '1' and tonumber(ends) <= t then
    redis.call('HDEL', key, all[i])
  else
    others = others + n
  end
end
local free = limit - others
if seq <= last then return { held, free - held } end -- it was carried out before, or comes too late

held = math.max(math.min(held, runs), math.min(tonumber(ARGV[5]), math.max(0, free)))
held = held + math.max(0, math.min(tonumber(ARGV[6]), math.floor((free - held) / 2)))
if held > 0 then
  redis.call('HSET', key, owner, '1 ' .. int(seq) .. ' ' .. int(t + tonumber(ARGV[7])) .. ' ' .. int(held))
  redis.call('PEXPIRE', key, 2 * DAY)
else
  redis.call('HDEL', key, owner)
end
return { held, free - held }

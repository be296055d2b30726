-- take: KEYS key; ARGV burst, every (ms), most (ms) -> {1, ms to wait} a place was taken; {0, ms} it would be later than most
local t = now()
local at, tat = slot(t, redis.call('GET', KEYS[1]) or nil, ARGV[1], ARGV[2])
if at - t > tonumber(ARGV[3]) then return { 0, int(at - t) } end
redis.call('SET', KEYS[1], int(tat), 'PX', int(math.max(1, tat - t)))
return { 1, int(at - t) }

-- take: KEYS key; ARGV burst, every (ms), most (ms) -> {1, ms to wait} a place was taken; {0, ms} it would be later than most
-- GCRA: the key holds when the pace is whole again. Whole in more than an hour: Redis's clock was set back.
local t, burst, every = now(), tonumber(ARGV[1]), tonumber(ARGV[2])
local whole = math.max(t, tonumber(redis.call('GET', KEYS[1]) or '0'))
if whole > t + 3600000 then whole = t end
local at = math.max(t, whole - (burst - 1) * every)
if at - t > tonumber(ARGV[3]) then return { 0, int(at - t) } end
redis.call('DEL', KEYS[1]) -- a first write that needs no memory: what is under way is sent when Redis is full, too
redis.call('SET', KEYS[1], int(whole + every), 'PX', int(whole + every - t))
return { 1, int(at - t) }

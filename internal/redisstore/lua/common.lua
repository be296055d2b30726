-- What the steps share. KEYS[1] is the prefix of a shard's keys, hash tag included: every other key is made from it and so lies in
-- the same slot. Names after the prefix:
--   n           hash: counters fence, seq, waiting, ended (messages forgotten unanswered); never expires, holds nothing personal
--   ready       zset: conversations nobody works on, by the time their first message was accepted, or their reply is due: those of the
--               future are postponed
--   mail        zset: conversations with a mailbox, by the time this is forgotten
--   owners      zset: owner by the end of its lease
--   o:OWNER     hash: conversation -> fence, what OWNER holds
--   stops       hash: conversations whose running message a person stopped
--   dead        zset: dead letters by the time they are forgotten; "2 AT CLAIMS REASON\nENTRY" with ENTRY of the mailbox ("1 AT REASON\n…" before)
--   m:CONV      list: the mailbox; an entry is "1 SEQ ACCEPTED SHED FLAGS\nMESSAGE", FLAGS of s (a stop command), f (it found something), -
--   h:CONV      list: the history; an entry is "1 BYTES TOTAL\nTURN", TOTAL of all entries up to this one
--   s:CONV      string: the conversation's state
--   c:CONV      hash: v, owner, fence, att (claims of the head that had to compute), last (newest message that is no stop), stop (messages
--               below it are stopped), forget (replies to messages below it do not wait); of a committed reply: parts, np, next, at (from when on part next may have been sent),
--               try (its tries so far); tat (when the channel's pace is whole again); of the last step that ended a message: pf, po (its
--               fence and owner) and nf (the fence of the claim that it made); gone: "TURNS SHOWN LETTERS DAYS" that this message had forgotten;
--               letter: the newest message that was kept as a dead letter
--   u:DAY       hash: the usage of a day in Beijing, counted from 1970: OE:USER/PROVIDER/MODEL (O 1: by the tenant's own key, E 1: estimated;
--               USER and PROVIDER escaped as in URLs) -> "CALLS INPUT CACHED OUTPUT REASONING"
--   f:N         bits: claims whose spending was counted, 8192 fences each
--   records     stream, if records are kept: what each call to a provider cost, "r" -> JSON, in the order in which it was counted
-- and, each a key of its own kind that only one step uses: d:, 1: (ids and marks seen), r: (a person's last minute), l:CONV (live text), f:CONV (feed).
-- Outside of shards, each a string that ends by itself, by the channel's own name for it (TENANT%2F…): parley:1:token:, a platform's access token;
-- parley:1:lock:, a lock or a role (…%2Flead); parley:1:memo:, what a channel must know again (a cursor, a card's id); parley:1:pace:, when a
-- budget of calls is whole again. And parley:1:relay:, lists of what replicas ask of whoever has a role, "1 DEADLINE WHO ID\nPAYLOAD", and with :WHO of
-- the answers, "ID\nANSWER".
-- What names a person or holds their words has a time to live, always. owners names processes and, like n, has none.
local B = KEYS[1]

local function int(x) return string.format('%d', x) end

-- must begins a step that has to go on when Redis's memory is full: Redis refuses scripts whose first write needs memory, and no others.
local function must() redis.call('DEL', B) end

-- parse reads an entry of a mailbox. Those of later versions begin alike, "V SEQ ACCEPTED", and those of histories "V BYTES TOTAL", so that a
-- step of this version passes them on; the program that claims them leaves them alone. What is damaged is as if it came first, now.
local function parse(entry)
  local v, seq, at, rest = string.match(entry, '^(%d+) (%d+) (%d+)([^\n]*)')
  if not v then return 0, now(), false end
  return tonumber(seq), tonumber(at), v == '1' and string.find(rest, '%S*s%S*$') ~= nil
end

-- holds says whether owner has the conversation under exactly this fence, and then gives the fields asked for, from 3 on.
local function holds(conv, owner, fence, ...)
  local v = redis.call('HMGET', B .. 'c:' .. conv, 'owner', 'fence', ...)
  return v[1] == owner and v[2] == fence, v
end

-- view is what a claim returns of a conversation that its caller owns, but for the history: its caller reads that next, since what Lua touches
-- it copies and hashes byte by byte. Nobody else writes there meanwhile, or the caller's commit is fenced off.
local function view(conv)
  local v = redis.call('HMGET', B .. 'c:' .. conv, 'fence', 'att', 'parts', 'next', 'at', 'stop', 'try', 'forget')
  local head = redis.call('LINDEX', B .. 'm:' .. conv, 0)
  local seq, _, command = parse(head)
  local stopped, forget = 0, 0
  if v[8] and seq < tonumber(v[8]) then forget = 1 end
  if v[6] and seq < tonumber(v[6]) and not command then stopped = 1 end
  return {
    conv, v[1], v[2] or '1', int(now()), redis.call('LLEN', B .. 'm:' .. conv) - 1, stopped, head,
    redis.call('GET', B .. 's:' .. conv) or '', v[3] or '', v[4] or '0', v[5] or '0', v[7] or '0', forget,
  }
end

-- disown takes the conversation out of its owner's books.
local function disown(conv, owner)
  redis.call('HDEL', B .. 'c:' .. conv, 'owner')
  redis.call('HDEL', B .. 'o:' .. owner, conv)
  redis.call('HDEL', B .. 'stops', conv)
end

-- A mailbox that takes nothing for a week is forgotten by reap. Where nobody runs, Redis forgets it a day later, and then all that names it.
local DAY, WEEK = 86400000, 604800000

-- outlive has a key that many share end after any mailbox that it names. Its time starts anew when half a day of that is gone: less is written.
local function outlive(key)
  if redis.call('PTTL', B .. key) < WEEK + 1.5 * DAY then redis.call('PEXPIRE', B .. key, WEEK + 2 * DAY) end
end

-- keep starts the time of a conversation's mailbox anew.
local function keep(conv, t)
  redis.call('ZADD', B .. 'mail', int(t + WEEK), conv)
  redis.call('PEXPIRE', B .. 'm:' .. conv, WEEK + DAY)
  redis.call('PEXPIRE', B .. 'c:' .. conv, WEEK + 2 * DAY)
  outlive('mail')
  outlive('ready')
end

-- announce makes a conversation claimable, in the order in which people have waited.
local function announce(conv, head)
  head = head or redis.call('LINDEX', B .. 'm:' .. conv, 0)
  if head then
    local _, at = parse(head)
    redis.call('ZADD', B .. 'ready', 'NX', int(at), conv) -- what is postponed stays so
    outlive('ready')
  end
end

-- put appends a message to a mailbox, or puts it in the place of the last, which came at a time over, and says whether its conversation became ready.
local function put(conv, seq, t, shed, flags, message, over)
  local c = B .. 'c:' .. conv
  local head = redis.call('LINDEX', B .. 'm:' .. conv, 0)
  -- A mailbox that Redis forgot leaves a record behind, and a record may name an owner whose books were forgotten.
  if not head then redis.call('HDEL', c, 'parts', 'np', 'next', 'at', 'try', 'att', 'nf', 'gone') end
  local owner = redis.call('HGET', c, 'owner')
  local orphan = owner and (not head or redis.call('HEXISTS', B .. 'o:' .. owner, conv) == 0)
  local entry = '1 ' .. int(seq) .. ' ' .. int(over or t) .. ' ' .. shed .. ' ' .. flags .. '\n' .. message
  if over then
    redis.call('LSET', B .. 'm:' .. conv, -1, entry)
  else
    redis.call('RPUSH', B .. 'm:' .. conv, entry)
    redis.call('HINCRBY', B .. 'n', 'waiting', 1)
  end
  if orphan then disown(conv, owner) end
  if orphan or not head then announce(conv, head or entry) end
  keep(conv, t)
  return not head
end

-- beijing gives the day of a time, and how many ms of it are left.
local function beijing(t)
  local since = t + 28800000
  return int(math.floor(since / 86400000)), 86400000 - since % 86400000
end

local COUNTS = '^(%d+) (%d+) (%d+) (%d+) (%d+)$'

local function plus(old, sum)
  local a, b, c, d, e = string.match(old, COUNTS)
  local v, w, x, y, z = string.match(sum, COUNTS)
  return string.format('%d %d %d %d %d', a + v, b + w, c + x, d + y, e + z)
end

-- add adds to one field of a day's usage.
local function add(usage, field, sum)
  local old = redis.call('HGET', usage, field)
  if old then sum = plus(old, sum) end
  redis.call('HSET', usage, field, sum)
end

-- record keeps what one call cost for ms, and as long takes away what is older.
local function record(ms, entry)
  local stream = B .. 'records'
  redis.call('XADD', stream, 'MINID', '~', int(now() - tonumber(ms)), '*', 'r', entry)
  if redis.call('PTTL', stream) < tonumber(ms) then redis.call('PEXPIRE', stream, int(tonumber(ms) + 86400000)) end
end

-- spend counts what a claim spent, once for each fence. ARGV from first on: a field of the day's usage and what to add to it, and so on;
-- or "+MS" and a record to be kept so long.
local function spend(fence, first)
  if not ARGV[first] then return 0 end
  local n = tonumber(fence)
  local marks = B .. 'f:' .. int(math.floor(n / 8192))
  if redis.call('SETBIT', marks, n % 8192, 1) == 1 then return 0 end
  if redis.call('PTTL', marks) < 43200000 then redis.call('PEXPIRE', marks, 86400000) end
  local day, left = beijing(now())
  local usage, fields, sums, fresh, set = B .. 'u:' .. day, {}, {}, true, {}
  for i = first, #ARGV, 2 do
    local ms = string.match(ARGV[i], '^%+(%d+)$')
    if ms then
      record(ms, ARGV[i + 1])
    else
      fields[#fields + 1], sums[#sums + 1] = ARGV[i], ARGV[i + 1]
    end
  end
  for i, old in ipairs(redis.call('HMGET', usage, unpack(fields))) do
    local sum = sums[i]
    if old then
      fresh = false
      sum = plus(old, sum)
    end
    set[2 * i - 1], set[2 * i] = fields[i], sum
  end
  redis.call('HSET', usage, unpack(set))
  if fresh and redis.call('PTTL', usage) < 0 then redis.call('PEXPIRE', usage, int(left + 3456000000)) end
  return 1
end

-- When a part may have been sent that certainly was not: in the year 9999.
local NEVER = 253370764800000

-- slot takes a place at a channel's pace, GCRA: burst sends at once, then one in every ms (0: no pace). tat is when the pace would be whole
-- again, or nil. It gives when the place is, and the new tat. A clock that was set back, or places that nobody used, delay it by ten at most.
local function slot(t, tat, burst, every)
  burst, every = tonumber(burst), tonumber(every)
  if every <= 0 then return t, t end
  local whole = math.min(math.max(t, tonumber(tat or '0')), t + (burst + 10) * every)
  return math.max(t, whole - (burst - 1) * every), whole + every
end

-- wait is how many ms it is until the intended part may be sent.
local function wait(at)
  at = tonumber(at)
  if at >= NEVER then return 0 end
  return math.max(0, at - now())
end

-- dead keeps the head message as a dead letter for so many ms, once: its commit and whoever gives its reply up may both ask for it.
local function dead(conv, reason, ms)
  local t, letters, c = now(), B .. 'dead', B .. 'c:' .. conv
  local head, claims = redis.call('LINDEX', B .. 'm:' .. conv, 0), redis.call('HGET', c, 'att') or '1'
  if not head then return end
  local seq = int((parse(head)))
  if redis.call('HGET', c, 'letter') == seq then return end
  redis.call('HSET', c, 'letter', seq)
  redis.call('ZREMRANGEBYSCORE', letters, '-inf', int(t))
  redis.call('ZADD', letters, int(t + tonumber(ms)), '2 ' .. int(t) .. ' ' .. claims .. ' ' .. reason .. '\n' .. head)
  redis.call('ZREMRANGEBYRANK', letters, 0, -10001)
  if redis.call('PTTL', letters) < tonumber(ms) then redis.call('PEXPIRE', letters, ms) end
end

-- What commit, delivered, intend and give_up answer; GOES_ON with the ms to wait before the part may be sent.
local FENCED, DONE, GOES_ON, MISUSED = 0, 1, 2, 3

-- finish ends the head message and claims the next one for the same owner, or releases the conversation. The conversation's record stays
-- ten minutes more, so that a repetition of this step is recognised; two seconds if it is of a person who asked to be forgotten.
local function finish(conv, owner, fence)
  local c = B .. 'c:' .. conv
  local gone = redis.call('HEXISTS', c, 'gone') == 1
  redis.call('LPOP', B .. 'm:' .. conv)
  if redis.call('HINCRBY', B .. 'n', 'waiting', -1) < 0 then redis.call('HSET', B .. 'n', 'waiting', 0) end
  redis.call('HDEL', c, 'parts', 'np', 'next', 'at', 'try', 'att', 'nf', 'gone')
  if redis.call('LLEN', B .. 'm:' .. conv) == 0 then
    redis.call('HSET', c, 'pf', fence, 'po', owner)
    disown(conv, owner)
    redis.call('ZREM', B .. 'mail', conv)
    if gone then redis.call('PEXPIRE', c, 2000) else redis.call('PEXPIRE', c, 600000) end
    return { DONE }
  end
  local new = int(redis.call('HINCRBY', B .. 'n', 'fence', 1))
  redis.call('HSET', c, 'pf', fence, 'po', owner, 'fence', new, 'nf', new, 'att', 1)
  redis.call('HSET', B .. 'o:' .. owner, conv, new)
  redis.call('HDEL', B .. 'stops', conv)
  return { DONE, view(conv) }
end

-- repeated answers a step that is not its caller's turn: if the same step was done and its reply was lost, what it answered then, as far
-- as it still holds.
local function repeated(conv, owner, fence)
  local v = redis.call('HMGET', B .. 'c:' .. conv, 'pf', 'po', 'owner', 'fence', 'nf')
  if v[1] ~= fence or v[2] ~= owner then return { FENCED } end
  if v[3] == owner and v[5] and v[4] == v[5] then return { DONE, view(conv) } end
  return { DONE }
end

-- give_up: KEYS prefix; ARGV conversation, owner, fence, turns of history to return, reason, ms to keep the dead letter
-- -> {code, view of the next message}
local conv, owner, fence, turns = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
must()
if not holds(conv, owner, fence) then return repeated(conv, owner, fence, turns) end
dead(conv, ARGV[5], ARGV[6])
return finish(conv, owner, fence, turns)

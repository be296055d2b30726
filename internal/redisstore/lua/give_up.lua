-- give_up: KEYS prefix; ARGV conversation, owner, fence, reason, ms to keep the dead letter -> {code, view of the next message}
local conv, owner, fence = ARGV[1], ARGV[2], ARGV[3]
must()
if not holds(conv, owner, fence) then return repeated(conv, owner, fence) end
dead(conv, ARGV[4], ARGV[5])
return finish(conv, owner, fence)

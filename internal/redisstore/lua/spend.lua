-- spend: KEYS prefix; ARGV fence, what was spent (see spend in common.lua) -> 1 if it was counted, 0 if it was before
must()
return spend(ARGV[1], 2)

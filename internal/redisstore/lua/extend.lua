-- extend: KEYS key; ARGV value, ms -> 1 if that is its value: it lives so much longer
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])

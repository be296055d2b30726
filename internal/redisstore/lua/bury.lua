-- bury: KEYS prefix; ARGV dead letter -> 1 if it was dropped, 0 if it was no dead letter any more
return redis.call('ZREM', B .. 'dead', ARGV[1])

-- Say that a worker is there, and hear whether it is asked to drain. `started` is when it was first heard of.
-- KEYS: presence   ARGV: life in ms, then pairs of field and value   -> 'drain' as it was set | ''
local time = redis.call('TIME')
redis.call('HSETNX', KEYS[1], 'started', time[1] * 1000 + math.floor(time[2] / 1000))
redis.call('HSET', KEYS[1], unpack(ARGV, 2))
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return redis.call('HGET', KEYS[1], 'drain') or ''

-- Ask a worker to drain. One that is gone is not brought back by being asked.
-- KEYS: presence   ARGV: channel of the worker, what is said there   -> 1 | 0 it is gone
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
redis.call('HSET', KEYS[1], 'drain', 1)
redis.call('PUBLISH', ARGV[1], ARGV[2])
return 1

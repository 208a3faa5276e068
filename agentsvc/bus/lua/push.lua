-- Ask for a run, after what the owner has asked for before.
-- KEYS: those of the window, accepting   ARGV: those of the window, run request, note of the session
-- -> requests that wait
redis.call('RPUSH', KEYS[5], ARGV[4])
redis.call('INCR', KEYS[2])
refill()
redis.call('ZREM', KEYS[6], ARGV[5])
return waiting()

-- KEYS: runs, accepting   ARGV: run request, note of the session   -> entry id
local entry = redis.call('XADD', KEYS[1], '*', 'r', ARGV[1])
redis.call('ZREM', KEYS[2], ARGV[2])
return entry

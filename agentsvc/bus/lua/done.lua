-- KEYS: runs   ARGV: group, entry id, and a run request that takes its place ('' for none)
if ARGV[3] ~= '' then redis.call('XADD', KEYS[1], '*', 'r', ARGV[3]) end
redis.call('XACK', KEYS[1], ARGV[1], ARGV[2])
return redis.call('XDEL', KEYS[1], ARGV[2])

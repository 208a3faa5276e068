-- End a request. Another one may take its place: it does not wait outside.
-- KEYS: those of the window   ARGV: those of the window, entry id, and a run request that takes its place ('' for none)
redis.call('XACK', KEYS[1], ARGV[1], ARGV[4])
redis.call('XDEL', KEYS[1], ARGV[4])
redis.call('SREM', KEYS[4], ARGV[4])
if ARGV[5] ~= '' then admit(ARGV[5]) end
return refill()

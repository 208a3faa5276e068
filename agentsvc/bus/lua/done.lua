-- End a request. Another one may take its place: it does not wait outside. One that somebody else has claimed in the
-- meantime is for that one to end.
-- KEYS: those of the window
-- ARGV: those of the window, entry id, a run request that takes its place ('' for none), who has claimed it ('' for anybody)
local claim = redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[4], ARGV[4], 1)[1]
if claim and ARGV[6] ~= '' and claim[2] ~= ARGV[6] then return refill() end
redis.call('XACK', KEYS[1], ARGV[1], ARGV[4])
redis.call('XDEL', KEYS[1], ARGV[4])
redis.call('SREM', KEYS[4], ARGV[4])
if ARGV[5] ~= '' then admit(ARGV[5]) end
return refill()

-- Remove a consumer, unless something is pending for it, which would be lost with it.
-- KEYS: runs   ARGV: group, consumer   -> entries pending for it
local pending = #redis.call('XPENDING', KEYS[1], ARGV[1], '-', '+', 1, ARGV[2])
if pending == 0 then redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], ARGV[2]) end
return pending

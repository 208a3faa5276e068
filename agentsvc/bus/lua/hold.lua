-- Hold something that only one may do, or leave it to nobody for a time.
-- KEYS: who holds it   ARGV: holder, holder from now on, for how many ms   -> 1 | 0 somebody else holds it
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1

-- Remove a member that has not got another time since.
-- KEYS: a sorted set   ARGV: member, its time   -> 1 removed | 0
if redis.call('ZSCORE', KEYS[1], ARGV[1]) ~= ARGV[2] then return 0 end
return redis.call('ZREM', KEYS[1], ARGV[1])

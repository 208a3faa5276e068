-- Put a record that is there into an index; scores are unique, so a page can begin exactly where one ended.
-- KEYS: index, record   ARGV: id, score   -> 1 put in | 0 it was in it, or there is no such record
if redis.call('EXISTS', KEYS[2]) == 0 or redis.call('ZSCORE', KEYS[1], ARGV[1]) then return 0 end
local score = tonumber(ARGV[2])
while redis.call('ZCOUNT', KEYS[1], score, score) > 0 do score = score + 1 end
return redis.call('ZADD', KEYS[1], string.format('%.0f', score), ARGV[1])

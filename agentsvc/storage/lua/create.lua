-- Keep a new record. Scores are unique and grow, whatever the clock does, so a page can begin exactly where one ended.
-- KEYS: record, receipt, index, and the index within another record   ARGV: record, id, life of the receipt in ms
-- -> 1 created | 0 the id is taken
if redis.call('EXISTS', KEYS[2]) == 1 then return 1 end
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
local time = redis.call('TIME')
local score = time[1] * 1000000 + time[2]
local newest = tonumber(redis.call('ZRANGE', KEYS[3], 0, 0, 'REV', 'WITHSCORES')[2])
if newest and score <= newest then score = newest + 1 end
redis.call('SET', KEYS[1], ARGV[1])
for i = 3, #KEYS do redis.call('ZADD', KEYS[i], string.format('%.0f', score), ARGV[2]) end
redis.call('SET', KEYS[2], '', 'PX', ARGV[3])
return 1

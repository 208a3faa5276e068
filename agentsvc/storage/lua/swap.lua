-- Change a record that still is what was read.
-- KEYS: record, receipt   ARGV: what was read, what it becomes, life of the receipt in ms
-- -> 1 changed | 0 gone | what is there instead
if redis.call('EXISTS', KEYS[2]) == 1 then return 1 end
local stored = redis.call('GET', KEYS[1])
if not stored then return 0 end
if stored ~= ARGV[1] then return stored end
redis.call('SET', KEYS[1], ARGV[2])
redis.call('SET', KEYS[2], '', 'PX', ARGV[3])
return 1

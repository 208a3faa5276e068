-- Take the name of a record out of an index when there is no such record.
-- KEYS: index, record   ARGV: member   -> 1 taken out | 0 it is not in it, or the record is there
if redis.call('EXISTS', KEYS[2]) == 1 then return 0 end
return redis.call('ZREM', KEYS[1], ARGV[1])

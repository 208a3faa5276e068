-- One page of an index, newest first, with its records.
-- KEYS: index   ARGV: score to begin below, how many, what the key of a record begins with
-- -> total, ids and scores, one more when there are more, and the records in the same order
local found = redis.call('ZRANGE', KEYS[1], ARGV[1], '-inf', 'BYSCORE', 'REV', 'LIMIT', 0, ARGV[2] + 1, 'WITHSCORES')
local keys = {}
for i = 1, math.min(#found, ARGV[2] * 2), 2 do keys[#keys + 1] = ARGV[3] .. found[i] end
return {redis.call('ZCARD', KEYS[1]), found, #keys > 0 and redis.call('MGET', unpack(keys)) or {}}

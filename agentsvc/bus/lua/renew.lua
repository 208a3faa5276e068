-- KEYS: head   ARGV: fence, lease in ms   -> {1, stop} | {0} the fence is old
local fence, worker, stop = unpack(redis.call('HMGET', KEYS[1], 'fence', 'worker', 'stop'))
if fence ~= ARGV[1] or not worker then return {0} end
local time = redis.call('TIME')
redis.call('HSET', KEYS[1], 'deadline', time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[2])
return {1, stop or ''}

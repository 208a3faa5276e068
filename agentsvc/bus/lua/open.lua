-- Make the head of a session, unless that is about to be removed.
-- KEYS: head   ARGV: owner, agent   -> 1 it is there | 0
if redis.call('HEXISTS', KEYS[1], 'retired') == 1 then return 0 end
local time = redis.call('TIME')
redis.call('HSETNX', KEYS[1], 'at', time[1] * 1000 + math.floor(time[2] / 1000))
redis.call('HSET', KEYS[1], 'owner', ARGV[1], 'agent', ARGV[2])
return 1

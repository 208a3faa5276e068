-- KEYS: a sorted set   ARGV: member   Remembers since when, in ms of the server's clock; the first time counts.
local time = redis.call('TIME')
return redis.call('ZADD', KEYS[1], 'NX', time[1] * 1000 + math.floor(time[2] / 1000), ARGV[1])

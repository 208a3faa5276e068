-- Mark a session that nobody has used for long: its head loses its owner, and nothing can be sent to it any more.
-- KEYS: head, inbox   ARGV: ms without use
-- -> its owner, also when it was marked before | '' it stays
local owner, retired, at, worker, status = unpack(
  redis.call('HMGET', KEYS[1], 'owner', 'retired', 'at', 'worker', 'status'))
if retired then return retired end
if not owner or worker or status == 'running' or redis.call('XLEN', KEYS[2]) > 0 then return '' end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if not at then redis.call('HSET', KEYS[1], 'at', now) end
if not at or now - at < tonumber(ARGV[1]) then return '' end
redis.call('HSET', KEYS[1], 'retired', owner)
redis.call('HDEL', KEYS[1], 'owner')
return owner

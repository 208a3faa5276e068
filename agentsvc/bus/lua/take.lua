-- Take the lease of a session and read everything a run needs. The same token twice is the same grant.
-- KEYS: head, inbox, state, context   ARGV: worker, token, lease in ms, run id
-- -> {'granted', fence, seq, run id, resumed, stop, state, context, inbox, owner, agent} | {'busy', ms left} | {'idle'} | {'gone'}
local owner, agent, worker, deadline, fence, seq, run, after, status, token, stop = unpack(redis.call('HMGET', KEYS[1],
  'owner', 'agent', 'worker', 'deadline', 'fence', 'seq', 'run', 'next', 'status', 'token', 'stop'))
if not owner then return {'gone'} end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local again = worker and token == ARGV[2]
local resumed = status == 'running' and not again
if not again then
  if worker and tonumber(deadline) > now then return {'busy', tonumber(deadline) - now} end
  if not resumed and redis.call('XLEN', KEYS[2]) == 0 then return {'idle'} end
  fence = (tonumber(fence) or 0) + 1
  if not resumed then run = after or ARGV[4] end
  redis.call('HDEL', KEYS[1], 'next')
  redis.call('HSET', KEYS[1], 'worker', ARGV[1], 'token', ARGV[2], 'deadline', now + ARGV[3], 'fence', fence, 'run', run,
    'resumed', resumed and 1 or 0, 'status', 'running')
else
  resumed = redis.call('HGET', KEYS[1], 'resumed') == '1'
end
return {'granted', tonumber(fence), tonumber(seq) or 0, run, resumed and 1 or 0, stop or '', redis.call('GET', KEYS[3]) or '',
  redis.call('LRANGE', KEYS[4], 0, -1), redis.call('XRANGE', KEYS[2], '-', '+'), owner, agent}

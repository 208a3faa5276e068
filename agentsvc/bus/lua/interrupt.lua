-- Ask for an end of the reply in flight, about to begin, or parked.
-- KEYS: head, inbox   ARGV: owner, agent, session id, inbox entry that closes a parked reply, run id
-- -> {'stopping'} | {'accepted', run id} a parked reply waits to be closed | {'idle'} | {'gone'} | {'foreign'}
local owner, agent, worker, status, after = unpack(redis.call('HMGET', KEYS[1], 'owner', 'agent', 'worker', 'status', 'next'))
if not owner then return {'gone'} end
if owner ~= ARGV[1] or agent ~= ARGV[2] then return {'foreign'} end
if worker or status == 'running' or redis.call('XLEN', KEYS[2]) > 0 then
  redis.call('HSET', KEYS[1], 'stop', 1)
  if worker then redis.call('PUBLISH', '{w:' .. worker .. '}', ARGV[3]) end
  return {'stopping'}
end
if not status or status == 'idle' then return {'idle'} end
after = after or ARGV[5]
redis.call('HSET', KEYS[1], 'next', after)
redis.call('XADD', KEYS[2], '*', 'i', ARGV[4])
return {'accepted', after}

-- Ask for an end of the reply in flight, about to begin, or parked. A wish never weakens a stronger one, and is one
-- when it is sent again: it means what it meant before.
-- KEYS: head, inbox, accepted, runs, the hash of the run that is asked for
-- ARGV: owner, agent, session id, inbox entry that closes a parked reply, run id, strength ('step', 'now', 'discard')
-- -> {'stopping'} | {'accepted', run id} a parked reply waits to be closed | {'known', run id} of what waits, of which the
--    queue may not know yet | {'idle'} | {'gone'} | {'foreign'}
local owner, agent, worker, status, after, reply, owed, stop, wish = unpack(
  redis.call('HMGET', KEYS[1], 'owner', 'agent', 'worker', 'status', 'next', 'reply', 'owed', 'stop', 'wish'))
if not owner then return {'gone'} end
if owner ~= ARGV[1] or agent ~= ARGV[2] then return {'foreign'} end
local known = redis.call('HGET', KEYS[3], ARGV[5])
if known then return {'known', known} end
local waiting, running = redis.call('XLEN', KEYS[2]) > 0, worker or status == 'running'
-- A holder without a reply that owes none is about to leave: what it would stop is what somebody says after this.
if running and not reply and not owed and not waiting then return {'idle'} end
if running or waiting then
  local rank = {step = 1, now = 2, discard = 3}
  if wish ~= ARGV[5] and rank[ARGV[6]] > (rank[stop] or 0) then redis.call('HSET', KEYS[1], 'stop', ARGV[6]) end
  redis.call('HSET', KEYS[1], 'wish', ARGV[5])
  if worker then redis.call('PUBLISH', '{w:' .. worker .. '}', ARGV[3]) end
  return running and {'stopping'} or {'known', after or ARGV[5]}
end
if not status or status == 'idle' then return {'idle'} end
if not after then
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  after = ARGV[5]
  redis.call('HSET', KEYS[5], 'status', 'queued', 'cause', 'interrupt', 'created', now)
  redis.call('ZADD', KEYS[4], now, after:match('[^.]*$'))
  redis.call('HSET', KEYS[1], 'next', after)
end
redis.call('HSET', KEYS[3], ARGV[5], after)
redis.call('XADD', KEYS[2], '*', 'i', ARGV[4])
return {'accepted', after}

-- Take in what somebody sends to a session: transcript and inbox together, each message id once, and what has no message
-- once for each run id.
-- KEYS: head, inbox, messages, order, accepted
-- ARGV: owner, agent, run id, inbox entry, then pairs of message id and message
-- -> {'accepted', run id} | {'known', run id} | {'reused', message id} | {'gone'} | {'foreign'}
local owner, agent, worker, run, after, status = unpack(
  redis.call('HMGET', KEYS[1], 'owner', 'agent', 'worker', 'run', 'next', 'status'))
if not owner then return {'gone'} end
if owner ~= ARGV[1] or agent ~= ARGV[2] then return {'foreign'} end
local known, fresh = #ARGV == 4 and redis.call('HGET', KEYS[5], ARGV[3]), 0
for i = 5, #ARGV, 2 do
  local before = redis.call('HGET', KEYS[5], ARGV[i])
  if before then
    known = before
  elseif redis.call('HEXISTS', KEYS[3], ARGV[i]) == 1 then
    return {'reused', ARGV[i]}
  else
    fresh = fresh + 1
  end
  if known and fresh > 0 then return {'reused', ARGV[i]} end
end
if known then return {'known', known} end
if worker or status == 'running' then
  after = run
elseif not after then
  after = ARGV[3]
  redis.call('HSET', KEYS[1], 'next', after)
end
if #ARGV == 4 then redis.call('HSET', KEYS[5], ARGV[3], after) end
for i = 5, #ARGV, 2 do
  redis.call('HSET', KEYS[3], ARGV[i], ARGV[i + 1])
  redis.call('HSET', KEYS[5], ARGV[i], after)
  redis.call('ZADD', KEYS[4], redis.call('HINCRBY', KEYS[1], 'count', 1), ARGV[i])
end
redis.call('XADD', KEYS[2], '*', 'i', ARGV[4])
return {'accepted', after}

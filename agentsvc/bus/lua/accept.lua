-- Take in what somebody sends to a session: transcript and inbox together, each message id once, and what has no message
-- once for each run id. What is known already is accepted again, whatever the policy says.
-- KEYS: head, inbox, messages, order, accepted, runs, the hash of the run that is asked for
-- ARGV: owner, agent, run id, inbox entry, cause, session id, busy policy ('' for what is always taken), entries that may wait,
--       inbox entry that closes a parked reply, then pairs of message id and message
-- -> {'accepted', run id} | {'known', run id} | {'reused', message id} | {'busy'} | {'full'} | {'gone'} | {'foreign'}
local owner, agent, worker, run, after, status, stop, reply, owed, kept = unpack(redis.call('HMGET', KEYS[1],
  'owner', 'agent', 'worker', 'run', 'next', 'status', 'stop', 'reply', 'owed', 'kept'))
if not owner then return {'gone'} end
if owner ~= ARGV[1] or agent ~= ARGV[2] then return {'foreign'} end
local known, fresh = #ARGV == 9 and redis.call('HGET', KEYS[5], ARGV[3]), 0
for i = 10, #ARGV, 2 do
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

local waiting, running = redis.call('XLEN', KEYS[2]), worker or status == 'running'
local parked = not running and status and status ~= 'idle'
local policy = ARGV[7]
if policy == 'reject' and (running or waiting > 0 or parked) then return {'busy'} end
if policy ~= '' and waiting + (tonumber(kept) or 0) >= tonumber(ARGV[8]) then return {'full'} end

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if running then
  after = run
elseif not after then
  after = ARGV[3]
  redis.call('HSET', KEYS[7], 'status', 'queued', 'cause', ARGV[5], 'created', now)
  redis.call('ZADD', KEYS[6], now, after:match('[^.]*$'))
  redis.call('HSET', KEYS[1], 'next', after)
end
redis.call('HSET', KEYS[1], 'at', now)
if #ARGV == 9 then redis.call('HSET', KEYS[5], ARGV[3], after) end
for i = 10, #ARGV, 2 do
  redis.call('HSET', KEYS[3], ARGV[i], ARGV[i + 1])
  redis.call('HSET', KEYS[5], ARGV[i], after)
  redis.call('ZADD', KEYS[4], redis.call('HINCRBY', KEYS[1], 'count', 1), ARGV[i])
end
-- A holder without a reply that owes none is about to leave: there is nothing that this could stop.
if policy == 'interrupt' and (waiting > 0 or (running and (reply or owed))) then
  if stop ~= 'discard' then redis.call('HSET', KEYS[1], 'stop', 'now') end
  if worker then redis.call('PUBLISH', '{w:' .. worker .. '}', ARGV[6]) end
elseif policy == 'interrupt' and parked then
  redis.call('XADD', KEYS[2], '*', 'i', ARGV[9])
end
redis.call('XADD', KEYS[2], '*', 'i', ARGV[4])
return {'accepted', after}

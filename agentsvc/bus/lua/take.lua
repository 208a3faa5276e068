-- Take the lease of a session and read everything a run needs. The same token twice is the same grant.
-- A session that was left unfinished is resumed; each time it was not handed over counts as an attempt that failed, until
-- a reply ends.
-- State and context are left out when they are as the holder of a known token left them.
-- KEYS: head, inbox, state, context, runs
-- ARGV: owner, agent, worker, token, lease in ms, run id, known token ('' for none), cause, what the key of a run begins with
-- -> {'granted', fence, seq, run id, resumed, failed attempts, stop, known, state, context, inbox, the run's ms so far, input
--    and output tokens, reply id, the time in ms} | {'busy', ms left} | {'idle'} | {'gone'} there is no such session, or it is another owner's
local owner, agent, worker, deadline, fence, seq, run, after, status, token, stop = unpack(redis.call('HMGET', KEYS[1],
  'owner', 'agent', 'worker', 'deadline', 'fence', 'seq', 'run', 'next', 'status', 'token', 'stop'))
if owner ~= ARGV[1] or agent ~= ARGV[2] then return {'gone'} end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local again = worker and token == ARGV[4]
local resumed = status == 'running' and not again
local name
if not again then
  if worker and tonumber(deadline) > now then return {'busy', tonumber(deadline) - now} end
  if not resumed and redis.call('XLEN', KEYS[2]) == 0 then return {'idle'} end
  fence = (tonumber(fence) or 0) + 1
  if not resumed then
    run = after or ARGV[6]
    redis.call('HDEL', KEYS[1], 'attempts')
  elseif worker then
    redis.call('HINCRBY', KEYS[1], 'attempts', 1)
  end
  redis.call('HDEL', KEYS[1], 'next')
  redis.call('HSET', KEYS[1], 'worker', ARGV[3], 'token', ARGV[4], 'deadline', now + ARGV[5], 'fence', fence, 'run', run,
    'resumed', resumed and 1 or 0, 'status', 'running')
  name = run:match('[^.]*$')
  local key = ARGV[9] .. name
  redis.call('HSETNX', key, 'cause', ARGV[8])
  if redis.call('HSETNX', key, 'created', now) == 1 then redis.call('ZADD', KEYS[5], now, name) end
  redis.call('HSETNX', key, 'started', now)
  redis.call('HSETNX', key, 'since', now)
  redis.call('HSET', key, 'status', 'running', 'worker', ARGV[3])
  redis.call('HINCRBY', key, 'attempts', 1)
else
  resumed = redis.call('HGET', KEYS[1], 'resumed') == '1'
  name = run:match('[^.]*$')
end
-- An earlier try may have put its own token in the place of the known one: then all is read.
local known = not again and not resumed and token == ARGV[7]
local attempts = tonumber(redis.call('HGET', KEYS[1], 'attempts')) or 0
local since, input, output, reply = unpack(redis.call('HMGET', ARGV[9] .. name, 'since', 'input', 'output', 'reply'))
return {'granted', tonumber(fence), tonumber(seq) or 0, run, resumed and 1 or 0, attempts, stop or '',
  known and 1 or 0, not known and redis.call('GET', KEYS[3]) or '', known and {} or redis.call('LRANGE', KEYS[4], 0, -1),
  redis.call('XRANGE', KEYS[2], '-', '+'), now - (tonumber(since) or now), tonumber(input) or 0, tonumber(output) or 0,
  reply or '', now}

-- How a session stands. A lease is over when its holder has been silent for so long.
-- KEYS: head, inbox
-- -> owner, agent, retired, fence, status, 1 when a lease holds, oldest entry that waits; each '' when there is none
local owner, agent, retired, fence, status, worker, deadline = unpack(redis.call('HMGET', KEYS[1],
  'owner', 'agent', 'retired', 'fence', 'status', 'worker', 'deadline'))
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local held = worker and (tonumber(deadline) or 0) > now
local waiting = redis.pcall('XRANGE', KEYS[2], '-', '+', 'COUNT', 1)
local oldest = not waiting.err and waiting[1]
return {owner or '', agent or '', retired or '', fence or '', status or '', held and 1 or 0, oldest and oldest[1] or ''}

-- Functions for the scripts of the run queue. A few requests of each owner stand in the stream, the others wait outside
-- in the order in which they came, so that no owner stands in front of another one with all that he has.
-- What is outside comes in when a request of its owner is claimed or ends. While something is outside there is one that
-- will be, since nothing is kept out for a request that is not in the stream.
-- KEYS: runs, count of all that is outside; of the owner: ready, active, outside
-- ARGV: group, most requests ready, most requests in play (0: any number)

local pending, last_ms, last_n = 0, 0, 0

local function parts(id)
  local ms, n = string.match(id, '^(%d+)%-(%d+)$')
  return tonumber(ms), tonumber(n)
end

if redis.call('EXISTS', KEYS[1]) == 1 then
  for _, group in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
    local about = {}
    for i = 1, #group, 2 do about[group[i]] = group[i + 1] end
    if about.name == ARGV[1] then
      pending = about.pending
      last_ms, last_n = parts(about['last-delivered-id'])
    end
  end
end

local function stands(id) return #redis.call('XRANGE', KEYS[1], id, id) == 1 end

local function claimed(id)
  local ms, n = parts(id)
  return ms < last_ms or (ms == last_ms and n <= last_n)
end

-- Put a request into the stream.
local function admit(request)
  local id = redis.call('XADD', KEYS[1], '*', 'r', request)
  redis.call('RPUSH', KEYS[3], id)
  redis.call('SADD', KEYS[4], id)
end

-- How many requests of the owner stand in the stream and have not been claimed. Requests are claimed in their order.
local function ready()
  local id = redis.call('LINDEX', KEYS[3], 0)
  while id and (claimed(id) or not stands(id)) do
    redis.call('LPOP', KEYS[3])
    id = redis.call('LINDEX', KEYS[3], 0)
  end
  return redis.call('LLEN', KEYS[3])
end

-- How many requests of the owner are in play. Those that an operator has removed are found one after the other.
local function active()
  local id = redis.call('SRANDMEMBER', KEYS[4])
  while id and not stands(id) do
    redis.call('SREM', KEYS[4], id)
    id = redis.call('SRANDMEMBER', KEYS[4])
  end
  return redis.call('SCARD', KEYS[4])
end

-- Let in what there is room for.
local function refill()
  local free, most, in_play = ARGV[2] - ready(), tonumber(ARGV[3]), active()
  if most > 0 then free = math.min(free, most - in_play) end
  for _ = 1, free do
    local request = redis.call('LPOP', KEYS[5])
    if not request then return end
    admit(request)
    if redis.call('DECR', KEYS[2]) <= 0 then redis.call('DEL', KEYS[2]) end
  end
end

-- How many requests of all owners wait to be claimed.
local function waiting()
  return redis.call('XLEN', KEYS[1]) - pending + (tonumber(redis.call('GET', KEYS[2])) or 0)
end

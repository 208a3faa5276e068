-- A session with its agent and the credentials that its models name.
-- KEYS: session   ARGV: what the keys of agents and of credentials begin with, then the fields of its config that name a model
-- -> session, agent, credentials; nothing when there is no session
local function key(prefix, id)
  return prefix .. id:gsub('[^A-Za-z0-9_.~-]', function(c) return string.format('%%%02X', c:byte()) end)
end
local stored = redis.call('GET', KEYS[1])
if not stored then return {} end
local session = cjson.decode(stored)
local keys, seen = {key(ARGV[1], session.agent_id)}, {}
for i = 3, #ARGV do
  local model = session.config[ARGV[i]]
  local id = type(model) == 'table' and model.credential_id
  if id and not seen[id] then
    seen[id] = true
    keys[#keys + 1] = key(ARGV[2], id)
  end
end
return {stored, unpack(redis.call('MGET', unpack(keys)))}

-- Delete approvals of a session.
-- KEYS: index, index of the session, pending, pending of the session, answered
-- ARGV: what the key of a record begins with, id of the session, how many at most   -> how many were deleted
local ids = redis.call('ZRANGE', KEYS[2], 0, ARGV[3] - 1)
for _, id in ipairs(ids) do
  redis.call('DEL', ARGV[1] .. id)
  for i = 1, 4 do redis.call('ZREM', KEYS[i], id) end
  redis.call('ZREM', KEYS[5], ARGV[2] .. ':' .. id)
end
return #ids

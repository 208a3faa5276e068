-- Forget a session: its run stops at the next write, its streams end.
-- KEYS: head, runs, log, replies, inbox, state, context, messages, order, accepted, channel
-- ARGV: session id, what the key of a run begins with   -> keys removed
local worker = redis.call('HGET', KEYS[1], 'worker')
for _, name in ipairs(redis.call('ZRANGE', KEYS[2], 0, -1)) do redis.call('DEL', ARGV[2] .. name) end
local removed = redis.call('DEL', unpack(KEYS))
redis.call('SPUBLISH', KEYS[11], 'end')
if worker then redis.call('PUBLISH', '{w:' .. worker .. '}', ARGV[1]) end
return removed

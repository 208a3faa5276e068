-- Forget a session: its run stops at the next write, its streams end.
-- KEYS: head, log, replies, inbox, state, context, messages, order, accepted, channel   ARGV: session id   -> keys removed
local worker = redis.call('HGET', KEYS[1], 'worker')
local removed = redis.call('DEL', unpack(KEYS))
redis.call('SPUBLISH', KEYS[10], 'end')
if worker then redis.call('PUBLISH', '{w:' .. worker .. '}', ARGV[1]) end
return removed

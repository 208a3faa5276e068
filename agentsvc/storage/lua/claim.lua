-- Claim an idempotency key, or learn what became of it.
-- KEYS: the key   ARGV: token of the claim, fingerprint of the request, life of the claim in ms
-- -> {'claimed'} | {'answered', answer} | {'busy'} | {'reused'} it stands for another request
local token, fingerprint, answer = unpack(redis.call('HMGET', KEYS[1], 'token', 'fingerprint', 'answer'))
if token and fingerprint ~= ARGV[2] then return {'reused'} end
if answer then return {'answered', answer} end
if token and token ~= ARGV[1] then return {'busy'} end
redis.call('HSET', KEYS[1], 'token', ARGV[1], 'fingerprint', ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return {'claimed'}

-- End a claim: keep its answer, or free the key when there is none.
-- KEYS: the key   ARGV: token of the claim, fingerprint of the request, answer ('' for none), life of the answer in ms
-- -> 1 settled | 0 the claim had run out and somebody else has the key
local token = redis.call('HGET', KEYS[1], 'token')
if token and token ~= ARGV[1] then return 0 end
if ARGV[3] == '' then
  redis.call('DEL', KEYS[1])
else
  redis.call('HSET', KEYS[1], 'token', ARGV[1], 'fingerprint', ARGV[2], 'answer', ARGV[3])
  redis.call('PEXPIRE', KEYS[1], ARGV[4])
end
return 1

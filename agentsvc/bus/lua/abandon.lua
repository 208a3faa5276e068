-- Delete a key of a session that is no more.
-- KEYS: head, the key   -> 1 deleted | 0 it is gone, or the session is there
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
return redis.call('UNLINK', KEYS[2])

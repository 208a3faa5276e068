-- Delete a record and take it out of its indexes; which record it lies within is read from it, where it can be read.
-- KEYS: record, receipt, index, and the index within another record when that is known
-- ARGV: id, life of the receipt in ms, field that names the record it lies within, what its index begins with
-- -> 1 deleted | 0 there is none
if redis.call('EXISTS', KEYS[2]) == 1 then return 1 end
for i = 3, #KEYS do redis.call('ZREM', KEYS[i], ARGV[1]) end
local stored = redis.call('GET', KEYS[1])
if not stored then return 0 end
redis.call('DEL', KEYS[1])
local readable, record = pcall(cjson.decode, stored)
local within = readable and type(record) == 'table' and record[ARGV[3]]
if type(within) == 'string' then
  local encoded = within:gsub('[^A-Za-z0-9_.~-]', function(c) return string.format('%%%02X', c:byte()) end)
  redis.call('ZREM', ARGV[4] .. encoded, ARGV[1])
end
redis.call('SET', KEYS[2], '', 'PX', ARGV[2])
return 1

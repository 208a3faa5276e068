-- Let in what there is room for now that requests of the owner have been claimed.
-- KEYS and ARGV: those of the window
return refill()

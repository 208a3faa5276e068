-- KEYS and ARGV: those of the window, of no owner   -> requests that wait
return waiting()

-- GET /health/live: the HTTP stack alone, without token, body or database. Only the line of results is added.
local folder = debug.getinfo(1, "S").source:match("^@(.*/)") or "./"
dofile(folder .. "customers.lua")
wrk.path = "/health/live"

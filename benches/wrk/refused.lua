-- The same PUT as put.lua but for a country of one letter: token, JSON and validation, then 422 before the database.
-- What Actix and the rules of the contract cost without any database; every answer must be 422.
local folder = debug.getinfo(1, "S").source:match("^@(.*/)") or "./"
COUNTRY = "X"
dofile(folder .. "put.lua")
customers.expects_errors = true

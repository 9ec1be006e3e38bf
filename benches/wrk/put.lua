-- PUT of a random customer's whole profile, with the customer's own token, email and names and a new street and city:
--   TOKENS=tokens.tsv wrk -t2 -c64 -d10s --latency -s benches/wrk/put.lua http://127.0.0.1:8080
-- `customers` is global: wrk counts on a script that returns nothing, and the scripts that vary this one need it.
local folder = debug.getinfo(1, "S").source:match("^@(.*/)") or "./"
customers = dofile(folder .. "customers.lua")

local BODY = {
   '{"email":"',
   '","first_name":"',
   '","date_of_birth":"1990-01-15","address":{"street_address":"',
   ' Oak Avenue","postal_code":54321,"city":"Los Angeles ',
   '","state":"California","country":"' .. (COUNTRY or "United States") .. '"}}',
}
-- The street's nine digits and the city's four: the length is known before they are drawn.
local fixed = 9 + 4 + #table.concat(BODY)
local NAMES = '","last_name":"'
local head_end

function customers.start()
   customers.open()
   head_end = "\r\nHost: " .. wrk.headers["Host"] .. "\r\nContent-Type: application/json\r\nContent-Length: "
end

--- Adds the names between the quotes of the first and of the last; the customer's own here. Where they are of one
--- length `names_length` tells it.
function customers.add_names(first, last, line_end)
   customers.add_column(first, last)
   customers.add(NAMES)
   customers.add_column(last, line_end)
end

function request()
   local id, token, email, first, last, line_end = customers.pick()
   local names_length = customers.names_length or customers.column_length(first, line_end) - 1 + #NAMES
   customers.begin()
   customers.add("PUT /api/v1/customers/")
   customers.add_column(id, token)
   customers.add("/ HTTP/1.1\r\nAuthorization: Bearer ")
   customers.add_column(token, email)
   customers.add(head_end)
   customers.add(tostring(fixed + customers.column_length(email, first) + names_length))
   customers.add("\r\n\r\n")
   customers.add(BODY[1])
   customers.add_column(email, first)
   customers.add(BODY[2])
   customers.add_names(first, last, line_end)
   customers.add(BODY[3])
   customers.add(tostring(math.random(100000000, 999999999)))
   customers.add(BODY[4])
   customers.add(tostring(math.random(1000, 9999)))
   customers.add(BODY[5])
   return customers.finish()
end

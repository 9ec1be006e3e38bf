-- GET of a random customer with the customer's own token:
--   TOKENS=tokens.tsv wrk -t2 -c64 -d10s --latency -s benches/wrk/get.lua http://127.0.0.1:8080
local folder = debug.getinfo(1, "S").source:match("^@(.*/)") or "./"
local customers = dofile(folder .. "customers.lua")

local tail

function customers.start()
   customers.open()
   tail = "\r\nHost: " .. wrk.headers["Host"] .. "\r\n\r\n"
end

function request()
   local id, token, email = customers.pick()
   customers.begin()
   customers.add("GET /api/v1/customers/")
   customers.add_column(id, token)
   customers.add("/ HTTP/1.1\r\nAuthorization: Bearer ")
   customers.add_column(token, email)
   customers.add(tail)
   return customers.finish()
end

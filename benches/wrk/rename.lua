-- put.lua with a new name: NAME=common renames to "John Doe", NAME=fresh to a name that nobody had.
-- What a slug costs must not depend on how many hold the name.
local folder = debug.getinfo(1, "S").source:match("^@(.*/)") or "./"
dofile(folder .. "put.lua")

if os.getenv("NAME") == "common" then
   function customers.add_names()
      customers.add('John","last_name":"Doe')
   end
   customers.names_length = #'John","last_name":"Doe'
else
   function customers.add_names()
      customers.add(('Fresh %09d","last_name":"Name'):format(math.random(0, 999999999)))
   end
   customers.names_length = #'Fresh 123456789","last_name":"Name'
end

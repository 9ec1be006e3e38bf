-- What the wrk scripts share: a random customer per request, from the file that `clientele seed --tokens FILE` writes
-- (one `id<TAB>token<TAB>email<TAB>first_name<TAB>last_name` line a customer), and one line of results at the end.
--
-- wrk shares the cores with what it measures, so this is built to cost little: the file is mapped, not read (a
-- million customers start as fast as ten, and wrk's threads share the pages), and a request is written into one buffer.

local ffi = require("ffi")
ffi.cdef [[
int open(const char *path, int flags, ...);
int64_t lseek(int fd, int64_t offset, int whence);
void *mmap(void *address, size_t length, int protection, int flags, int fd, int64_t offset);
const char *memchr(const char *text, int byte, size_t length);
]]

local TAB, NEWLINE = 9, 10
local customers = {}

local data, size
local buffer, capacity = ffi.new("char[16384]"), 16384
local length = 0

--- Maps the tokens file that the variable TOKENS names.
function customers.open()
   local path = os.getenv("TOKENS") or "tokens.tsv"
   local fd = ffi.C.open(path, 0)
   if fd < 0 then
      error("no tokens file " .. path .. ": TOKENS must name what `clientele seed --tokens FILE` wrote", 0)
   end
   size = tonumber(ffi.C.lseek(fd, 0, 2))
   if size == 0 then
      error(path .. " is empty", 0)
   end
   local SHARED, READ = 1, 1
   local address = ffi.C.mmap(nil, size, READ, SHARED, fd, 0)
   if ffi.cast("intptr_t", address) == -1 then
      error("cannot map " .. path, 0)
   end
   data = ffi.cast("const char *", address)
   if data[size - 1] ~= NEWLINE then
      error(path .. " does not end with a line break", 0)
   end
end

--- A random line: the five columns of a customer, each as start and end. Lines are about equally long, so that the
--- line after a random byte is a fair draw.
function customers.pick()
   local start = 0
   local guess = math.random(0, size - 1)
   local line_end = ffi.C.memchr(data + guess, NEWLINE, size - guess) - data
   if line_end + 1 < size then
      start = tonumber(line_end) + 1
   end
   local left = size - start
   local id = data + start
   local token = ffi.C.memchr(id, TAB, left) + 1
   local email = ffi.C.memchr(token, TAB, left) + 1
   local first = ffi.C.memchr(email, TAB, left) + 1
   local last = ffi.C.memchr(first, TAB, left) + 1
   return id, token, email, first, last, ffi.C.memchr(last, NEWLINE, left) + 1
end

--- Begins a request.
function customers.begin()
   length = 0
end

--- Appends a Lua string.
function customers.add(text)
   ffi.copy(buffer + length, text, #text)
   length = length + #text
end

--- Appends the column between its start and the start of the next.
function customers.add_column(start, next_start)
   local bytes = next_start - start - 1
   ffi.copy(buffer + length, start, bytes)
   length = length + tonumber(bytes)
end

--- The request.
function customers.finish()
   assert(length <= capacity)
   return ffi.string(buffer, length)
end

--- The length of a column in bytes.
function customers.column_length(start, next_start)
   return tonumber(next_start - start) - 1
end

-- wrk calls the global functions below -------------------------------------------------------------------------------

local threads = {}

function setup(thread)
   table.insert(threads, thread)
   thread:set("seed", os.time() * 1000 + #threads)
end

statuses = {}

-- wrk itself counts every status above 399. Which ones they were costs a call into Lua per reply, so it is asked for.
if (os.getenv("STATUSES") or "") ~= "" then
   function response(status)
      statuses[status] = (statuses[status] or 0) + 1
   end
end

function init()
   math.randomseed(seed)
   customers.start()
end

--- What a script does when its thread starts; put.lua and get.lua set their own.
function customers.start() end

--- The sum over wrk's threads of a table of numbers, global in each.
function customers.sum(name)
   local sums = {}
   for _, thread in ipairs(threads) do
      for key, count in pairs(thread:get(name)) do
         sums[key] = (sums[key] or 0) + count
      end
   end
   return sums
end

-- What the code of an error says about how the load was set up.
local CAUSES = {
   token_expired = "the tokens in %s have expired: write new ones with `clientele seed`",
   token_invalid = "the tokens in %s were made with another secret than that of the service on this port, or another "
      .. "service already has the port",
   not_found = "the service on this port has none of the customers in %s: it uses another database than `seed` did, or "
      .. "another service already has the port",
   database_unavailable = "the service cannot reach its database: its log says why",
   overloaded = "the service is overloaded, or its database does not answer: its log says which",
}

--- Why most answers were errors: gets one customer as a client would, and reads the answer.
local function explain()
   customers.open()
   local id, token, email = customers.pick()
   local function column(start, next_start)
      return ffi.string(start, customers.column_length(start, next_start))
   end
   local pipe = io.popen(("curl -s -m 5 -w '\n%%{http_code}' -H 'Authorization: Bearer %s' %s://%s:%s/api/v1/customers/%s/"):format(
      column(token, email), wrk.scheme, wrk.host, wrk.port, column(id, token)))
   local body, status = pipe:read("*a"):match("^(.*)\n(%d+)$")
   pipe:close()
   local code = body and body:match('"code":"([%w_]+)"')
   if CAUSES[code] then
      return CAUSES[code]:format(os.getenv("TOKENS") or "tokens.tsv")
   elseif status == "200" then
      return "a GET of a customer is answered; STATUSES=1 counts each status of what was sent here"
   elseif (status or "000") == "000" then
      return "unknown, because curl got no answer"
   elseif not code then
      return "what answers there is not Clientele: another program already has the port"
   end
   return ("unknown; a GET of a customer is answered %s %s"):format(status, code)
end

function done(summary, latency)
   local members = {}
   local function member(name, value)
      table.insert(members, ('"%s":%.0f'):format(name, value))
   end
   member("requests", summary.requests)
   member("microseconds", summary.duration)
   for _, percent in ipairs { 50, 90, 99 } do
      member("p" .. percent, latency:percentile(percent))
   end
   member("max", latency.max)
   member("above_399", summary.errors.status)
   for _, kind in ipairs { "connect", "read", "write", "timeout" } do
      member(kind, summary.errors[kind])
   end
   for status, count in pairs(customers.sum("statuses")) do
      member(status, count)
   end
   io.write("RESULT {" .. table.concat(members, ",") .. "}\n")
   if summary.errors.status * 2 > summary.requests and not customers.expects_errors then
      io.write(("%d of %d answers are errors. Likely: %s.\n"):format(summary.errors.status, summary.requests, explain()))
   end
end

return customers

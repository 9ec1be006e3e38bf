-- put.lua as an open loop: RATE requests a second leave on schedule, however slowly the service answers.
--   RATE=36000 TOKENS=tokens.tsv wrk -t1 -c4096 -d20s -s benches/wrk/overload.lua http://127.0.0.1:8080
-- A loop is open only while a connection is free at each departure: `late_p99` tells (microseconds after schedule).
-- wrk's own latencies mix accepted and refused requests. Here each reply's latency is counted under its status: the
-- request id, which the service repeats, holds the time of departure.
local ffi = require("ffi")
local folder = debug.getinfo(1, "S").source:match("^@(.*/)") or "./"
dofile(folder .. "put.lua")

ffi.cdef [[
struct bench_time { int64_t seconds, nanoseconds; };
int clock_gettime(int clock, struct bench_time *time);
]]
local MONOTONIC = 1
local time = ffi.new("struct bench_time")

--- Microseconds.
local function now()
   ffi.C.clock_gettime(MONOTONIC, time)
   return tonumber(time.seconds) * 1e6 + tonumber(time.nanoseconds) / 1e3
end

-- Latencies in buckets that grow by 2 %: number -> count, per status. Globals, so that `done` can read them.
accepted, refused, late = {}, {}, {}
local GROWTH = math.log(1.02)

local function record(histogram, microseconds)
   local bucket = math.floor(math.log(math.max(microseconds, 1)) / GROWTH)
   histogram[bucket] = (histogram[bucket] or 0) + 1
end

local function percentile(histogram, percent)
   local buckets, total = {}, 0
   for bucket, count in pairs(histogram) do
      table.insert(buckets, bucket)
      total = total + count
   end
   table.sort(buckets)
   local passed = 0
   for _, bucket in ipairs(buckets) do
      passed = passed + histogram[bucket]
      if passed >= total * percent / 100 then
         return math.exp((bucket + 1) * GROWTH)
      end
   end
   return 0
end

-- Time to connect before the first departure.
local GRACE = 1e6
local gap, departure
local open_before = customers.start

function customers.start()
   open_before()
   -- One wrk thread, so the whole rate is this thread's.
   gap = 1e6 / assert(tonumber(os.getenv("RATE")), "RATE: requests a second")
end

--- Milliseconds until the next departure; wrk asks whenever a connection is free.
function delay()
   local time_now = now()
   departure = (departure or time_now + GRACE) + gap
   return math.max(0, math.floor((departure - time_now) / 1000))
end

-- Departures happen in the order of the schedule: the nth request has the nth place in it.
local due
first_departure = {}

function customers.add_headers()
   local time_now = now()
   if not departure then
      return -- wrk asks for a request before it connects, only to look at it
   end
   due = (due or time_now) + gap
   first_departure[1] = first_departure[1] or time_now
   record(late, time_now - due)
   customers.add(("\r\nX-Request-Id: %.0f"):format(time_now))
end

function response(status, headers)
   statuses[status] = (statuses[status] or 0) + 1
   local left = tonumber(headers["x-request-id"])
   if left then
      record(status == 200 and accepted or refused, now() - left)
   end
end

function customers.results()
   local members = {
      ('"since_first_departure":%.0f'):format(now() - customers.sum("first_departure")[1]),
   }
   for _, name in ipairs { "accepted", "refused", "late" } do
      local histogram = customers.sum(name)
      for _, percent in ipairs { 50, 99 } do
         table.insert(members, ('"%s_p%d":%.0f'):format(name, percent, percentile(histogram, percent)))
      end
   end
   return members
end

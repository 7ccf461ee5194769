-- SPDX-License-Identifier: Apache-2.0
-- Throughput by number of flows: what flow cache and memory cost on the wire.
--
--   pktgen -l 0-2 -n 4 -- -P -m "1.0,2.1" -f perf/pktgen/flows.lua
--
-- SLUICE_RANGES: numbers of flows (1,1024,16384,131072,1048576,4194304). The settings of load.lua hold.
local here = debug.getinfo(1, "S").source:match("^@(.*/)") or "./"
package.path = here .. "?.lua;" .. package.path
local load = require("load")

for count in string.gmatch(load.setting("RANGES", "1,1024,16384,131072,1048576,4194304"), "%d+") do
  local flows = load.flows(tonumber(count))
  load.trial(10, math.max(load.seconds, flows / 500000)) -- each is learnt before it counts
  local held = load.search()
  local result = held or {rate = 0, packets_per_second = 0, share = 1}
  result.flows, result.size = flows, load.size
  load.report("flows", result)
end
pktgen.quit()

-- SPDX-License-Identifier: Apache-2.0
-- RFC 2544 throughput by size of frame: what passes without loss, and is held for a minute.
--
--   pktgen -l 0-2 -n 4 -- -P -m "1.0,2.1" -f perf/pktgen/throughput.lua
--
-- SLUICE_SIZES: bytes on the wire (64,128,256,512,1024,1280,1518). The settings of load.lua hold.
local here = debug.getinfo(1, "S").source:match("^@(.*/)") or "./"
package.path = here .. "?.lua;" .. package.path
local load = require("load")

for size in string.gmatch(load.setting("SIZES", "64,128,256,512,1024,1280,1518"), "%d+") do
  local flows = load.flows(load.flow_count, tonumber(size))
  local held = load.search()
  local result = held or {rate = 0, packets_per_second = 0, share = 1}
  result.size, result.flows = tonumber(size), flows
  load.report("throughput", result)
end
pktgen.quit()

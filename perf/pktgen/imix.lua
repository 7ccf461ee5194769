-- SPDX-License-Identifier: Apache-2.0
-- Throughput of the simple internet mix: 7 frames of 64 bytes, 4 of 594, 1 of 1518, over and over.
--
--   pktgen -l 0-2 -n 4 -- -P -m "1.0,2.1" -f perf/pktgen/imix.lua
--
-- Sent as a sequence, so it has twelve flows. The settings of load.lua hold.
local here = debug.getinfo(1, "S").source:match("^@(.*/)") or "./"
package.path = here .. "?.lua;" .. package.path
local load = require("load")

local sizes = {64, 594, 64, 64, 594, 64, 1518, 64, 594, 64, 594, 64} -- spread, as on a line
for i, size in ipairs(sizes) do
  pktgen.seq(i - 1, load.send, load.mac, "02:00:00:00:00:99", load.vip, string.format("16.0.0.%d/4", i), 1023 + i,
             load.port, "ipv4", "udp", 1, size, 0)
end
pktgen.set(load.send, "seq_cnt", #sizes)
pktgen.set(load.send, "count", 0)
local held = load.search()
local result = held or {rate = 0, packets_per_second = 0, share = 1}
local bytes = 0
for _, size in ipairs(sizes) do bytes = bytes + size + 20 end -- with preamble and gap
result.bits_per_second, result.flows = result.packets_per_second * bytes * 8 / #sizes, #sizes
load.report("imix", result)
pktgen.quit()
